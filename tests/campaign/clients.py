"""Hosts' clients of a real server, in plain JSON-RPC in both eras: over pipes, streamable HTTP and HTTP+SSE.

A client makes one call at a time, in the thread of its host. Who gives up on a call leaves it in one of the ways that
hosts have: silently, by saying so, by dropping the connection, or, where the server is the host's own, by killing it.
"""

import itertools
import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import httpx

from tests.campaign.pipes import PATIENCE, Gone, ServerProcess

Era = Literal["2025-11-25", "2026-07-28"]
Leave = Literal["silently", "saying so", "dropping", "killing"]
Json = dict[str, Any]

CLIENT = {"name": "campaign", "version": "0"}
ENVELOPE: Json = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": CLIENT,
}
HANDSHAKE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT}
INITIALIZED: Json = {"jsonrpc": "2.0", "method": "notifications/initialized"}
_ACCEPT = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


class Unheard(Exception):  # noqa: N818  what hosts do is no error
    """The host gave up before the answer came."""


class RpcClient(Protocol):
    """A way into a server."""

    def ask(self, method: str, params: Json, seconds: float) -> Json:
        """The result of a request; raises `Unheard` after so many seconds, and `Gone` if the server is."""
        ...

    def leave(self, how: Leave) -> None:
        """Leaves the request that was given up; the next one may need a new client."""
        ...

    def close(self) -> None:
        """Lets the connection go."""
        ...


class Messages:
    """Requests of an era, numbered."""

    def __init__(self, era: Era) -> None:
        self.is_modern = era == "2026-07-28"
        self._ids = itertools.count(1)

    def request(self, method: str, params: Json) -> Json:
        """A request, with what each of the era must carry."""
        envelope: Json = {"_meta": ENVELOPE} if self.is_modern else {}
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": envelope | params}


def cancelled(number: int) -> Json:
    """The notice that nobody waits for a request any more."""
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number, "reason": "enough"}}


def result_of(message: Json) -> Json:
    """What a response says: its result, or its error in the place of one."""
    return message.get("result", message)


class StdioRpcClient:
    """The pipes of a server that is the host's own."""

    def __init__(self, server: ServerProcess, era: Era) -> None:
        self._server = server
        self._messages = Messages(era)
        self._number = 0
        if self._messages.is_modern:
            self.ask("server/discover", {}, PATIENCE)
        else:
            self.ask("initialize", HANDSHAKE, PATIENCE)
            server.pipe.send(INITIALIZED)

    def ask(self, method: str, params: Json, seconds: float) -> Json:
        """The result of a request."""
        message = self._messages.request(method, params)
        self._number = message["id"]
        self._server.pipe.send(message)
        try:
            return result_of(self._server.pipe.hear(lambda said: said.get("id") == message["id"], seconds))
        except TimeoutError:
            raise Unheard from None

    def leave(self, how: Leave) -> None:
        """Leaves the request that was given up; dropping a pipe is what ends its server in order."""
        if how == "saying so":
            with suppress(Gone):
                self._server.pipe.send(cancelled(self._number))
        elif how == "dropping":
            self._server.close()
        elif how == "killing":
            self._server.signal(signal.SIGKILL)
            self._server.close()

    def close(self) -> None:
        """Ends the server, as hosts do."""
        self._server.close()


class HttpRpcClient:
    """Streamable HTTP, with a session in the 2025 era and without one in that of 2026."""

    def __init__(self, origin: str, era: Era) -> None:
        self._url = f"{origin}/mcp"
        self._messages = Messages(era)
        self._client = httpx.Client(timeout=PATIENCE, trust_env=False)
        self._headers = {**_ACCEPT, "mcp-protocol-version": era}
        self._number = 0
        if not self._messages.is_modern:
            self.ask("initialize", HANDSHAKE, PATIENCE)
            self._tell(INITIALIZED)

    def ask(self, method: str, params: Json, seconds: float) -> Json:
        """The result of a request; who gives up drops its connection."""
        message = self._messages.request(method, params)
        self._number = message["id"]
        headers = dict(self._headers)
        if self._messages.is_modern:
            named = params.get("name") or params.get("uri")
            headers |= {"mcp-method": method} | ({"mcp-name": named} if named else {})
        try:
            with self._client.stream("POST", self._url, json=message, headers=headers, timeout=seconds) as answer:
                session = answer.headers.get("mcp-session-id")
                if session:
                    self._headers["mcp-session-id"] = session
                return result_of(_answer(answer, message["id"], time.monotonic() + seconds))
        except httpx.TimeoutException:
            raise Unheard from None
        except httpx.HTTPError as error:
            raise Gone(f"{error}") from None

    def leave(self, how: Leave) -> None:
        """Leaves the request that was given up; its connection is gone already."""
        if how == "saying so" and not self._messages.is_modern:
            self._tell(cancelled(self._number))
        elif how == "dropping":
            self._client.close()

    def close(self) -> None:
        """Ends the session and lets the connections go."""
        with suppress(httpx.HTTPError, RuntimeError):
            if "mcp-session-id" in self._headers:
                self._client.delete(self._url, headers=self._headers)
        self._client.close()

    def _tell(self, message: Json) -> None:
        with suppress(httpx.HTTPError):
            self._client.post(self._url, json=message, headers=self._headers)


class SseRpcClient:
    """The older transport: one stream for all that the server says, and a POST for each message of the host."""

    def __init__(self, origin: str, era: Era) -> None:
        self._messages = Messages(era)
        self._number = 0
        self._client = httpx.Client(timeout=PATIENCE, trust_env=False)
        self._stream = Stream(origin, "/sse")
        self._url = f"{origin}{self._stream.event(PATIENCE)}"
        if self._messages.is_modern:
            self.ask("server/discover", {}, PATIENCE)
        else:
            self.ask("initialize", HANDSHAKE, PATIENCE)
            self._tell(INITIALIZED)

    def ask(self, method: str, params: Json, seconds: float) -> Json:
        """The result of a request."""
        message = self._messages.request(method, params)
        self._number = message["id"]
        until = time.monotonic() + seconds
        try:
            self._tell(message)
        except httpx.HTTPError as error:
            raise Gone(f"{error}") from None
        while True:
            said = json.loads(self._stream.event(until - time.monotonic()))
            if said.get("id") == message["id"] and "method" not in said:
                return result_of(said)

    def leave(self, how: Leave) -> None:
        """Leaves the request that was given up."""
        if how == "saying so":
            with suppress(httpx.HTTPError):
                self._tell(cancelled(self._number))
        elif how == "dropping":
            self.close()

    def close(self) -> None:
        """Lets the stream go."""
        self._stream.close()
        self._client.close()

    def _tell(self, message: Json) -> None:
        self._client.post(self._url, json=message).raise_for_status()


class Stream:
    """The events of a GET, each awaited for as long as its listener likes; spoken as HTTP/1.0, which has no chunks."""

    def __init__(self, origin: str, path: str) -> None:
        parts = urlsplit(origin)
        assert parts.port
        self._socket = socket.create_connection((str(parts.hostname), parts.port), PATIENCE)
        self._begun = b""
        head = f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nAccept: text/event-stream\r\n\r\n"
        self._socket.sendall(head.encode())

    def event(self, seconds: float) -> str:
        """The data of the next event; raises `Unheard` after so many seconds, and `Gone` at the end."""
        until = time.monotonic() + seconds
        while True:
            line, mark, rest = self._begun.partition(b"\n")
            if mark:
                self._begun = rest
                if line.startswith(b"data:"):
                    return line[5:].strip().decode()
                continue
            self._socket.settimeout(max(0.001, until - time.monotonic()))
            try:
                block = self._socket.recv(65536)
            except TimeoutError:
                raise Unheard from None
            except OSError:
                raise Gone from None
            if not block:
                raise Gone
            self._begun += block

    def close(self) -> None:
        """Lets it go."""
        self._socket.close()


def _answer(answer: httpx.Response, number: int, until: float) -> Json:
    """The response to a request, by itself or in a stream of events."""
    if "text/event-stream" not in answer.headers.get("content-type", ""):
        body = json.loads(answer.read())
        return body if isinstance(body, dict) else {"error": body}  # pyright: ignore[reportUnknownVariableType]
    for data in _events(answer):
        message = json.loads(data)
        if message.get("id") == number and "method" not in message:
            return message
        if time.monotonic() > until:
            raise Unheard
    raise Gone


def _events(stream: httpx.Response) -> Iterator[str]:
    """The data of each event."""
    for line in stream.iter_lines():
        if line.startswith("data:") and line[5:].strip():
            yield line[5:].strip()
