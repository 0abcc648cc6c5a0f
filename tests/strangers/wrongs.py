"""An upstream at which everything goes wrong, and the spellings in which it tells what it must not."""

import asyncio
import base64
import json
import random
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

TASK_ID = "user:1234-runwayml:ana@example.com-task:11111111-2222-4333-8444-555555555555"
ASSET_ID = TASK_ID.replace("-task:", "-asset:")


def spellings(secret: str) -> set[str]:
    """A secret as it is, without `user:`, percent-encoded, JSON-escaped, in base64 and hexadecimal."""
    forms = {secret, secret.removeprefix("user:")}
    forms |= {quote(form, safe="") for form in forms} | {quote(form) for form in forms}
    forms |= {quote(form, safe="") for form in forms}
    escaped = {"".join(f"\\u{ord(char):04x}" for char in secret), repr(secret)[1:-1], secret.replace("/", "\\/")}
    escaped |= {json.dumps(form)[1:-1] for form in forms} | {json.dumps(json.dumps(form))[3:-3] for form in forms}
    every = {"".join(f"%{ord(char):02x}" for char in secret), secret.encode().hex()}
    return forms | escaped | every | {base64.b64encode(secret.encode()).decode().rstrip("=")}


@dataclass
class Wrongs:
    """How requests are answered: each by a way that is drawn, with the token in a spelling that is drawn, and a link.

    `met` counts the ways.
    """

    token: str
    link: str
    drawn: random.Random
    met: dict[str, int] = field(default_factory=dict[str, int])

    def answer(self, request: bytes) -> bytes:
        """The bytes that a request is answered with."""
        way = self.drawn.choice([*_WAYS, *["told"] * len(_WAYS)])
        self.met[way] = self.met.get(way, 0) + 1
        echo = self.drawn.choice(sorted(spellings(self.token)))
        return _WAYS[way](self, echo, request.split(b" ", 2)[1].decode()) if way in _WAYS else self._told(request)

    def _told(self, request: bytes) -> bytes:
        """What a healthy upstream tells, with a link, and with the token where a word is expected."""
        method, target, _ = request.split(b" ", 2)
        path = target.decode().partition("?")[0].removeprefix("/v1/runwayml")
        echo = self.drawn.choice(sorted(spellings(self.token)))
        film = {"assetId": ASSET_ID, "taskId": TASK_ID, "name": f"beach {echo}.mp4", "mediaType": "video"}
        film |= {"url": self.link, "previewUrls": [self.link], "metadata": {"duration": 10.0}}
        task = {"taskId": TASK_ID, "status": "SUCCEEDED", "taskType": "gen3a", "artifacts": [film]}
        failed = {**task, "status": "FAILED", "artifacts": [], "error": {"errorMessage": f"at {self.link} {echo}"}}
        task = self.drawn.choice([task, {**task, "status": "RUNNING", "artifacts": []}, failed])
        lists: dict[str, Any] = {"/assets/": [film], "/tasks/": [task], "/scheduler/": [], "/features/": {}}
        one = film if path.startswith("/assets/") else task
        return _http(200, lists.get(path, one) if method == b"GET" else task)


def _http(status: int, body: Any, *headers: str, claimed: int = 0) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} It", f"Content-Length: {len(content) + claimed}", "Connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + content


_WAYS: Final[dict[str, Callable[[Wrongs, str, str], bytes]]] = {
    "500": lambda it, echo, _: _http(500, {"error": f"{echo} for {it.link}"}),
    "400": lambda it, echo, _: _http(400, {"error": {"message": echo, "reason": it.link}}),
    "401": lambda it, echo, _: _http(401, f"no {echo} at {it.link}".encode()),
    "404": lambda it, echo, path: _http(404, {"error": f"{path} {echo} {it.link}"}),
    "409": lambda it, echo, _: _http(409, {"error": echo, "message": it.link}),
    "429": lambda it, echo, _: _http(429, {"error": f"{echo} {it.link}", "runningTasks": [{"taskId": echo}]}),
    "596": lambda it, echo, _: _http(596, {"error": echo, "code": it.link}),
    "redirect": lambda it, echo, _: _http(302, b"", f"Location: {it.link}&t={quote(echo)}"),
    "cookie": lambda it, echo, _: _http(503, b"", f"Set-Cookie: a={quote(echo)}; Path=/", f"X-Link: {it.link}"),
    "cut": lambda it, echo, _: _http(200, {"taskId": echo, "url": it.link}, claimed=999),
    "no HTTP": lambda it, echo, _: f"{echo} {it.link}\r\n\r\n".encode(),
    "a bad header": lambda it, echo, _: f"HTTP/1.1 200 OK\r\n{echo}: \x00{it.link}\r\n\r\n{{}}".encode(),
    "a bad length": lambda it, echo, _: f"HTTP/1.1 200 OK\r\nContent-Length: {echo}{it.link}\r\n\r\n".encode(),
    "no JSON": lambda it, echo, _: _http(200, f"<p>{echo} {it.link}</p>".encode()),
    "another shape": lambda it, echo, _: _http(200, {echo: it.link, "url": [it.link]}),
    "no gzip": lambda it, echo, _: _http(200, f"{echo}{it.link}".encode(), "Content-Encoding: gzip"),
    "a bomb": lambda _, __, ___: _http(200, zlib.compress(b" " * 2**24), "Content-Encoding: deflate"),
    "too much": lambda it, echo, _: _http(200, f"{echo}{it.link}".encode() * 40_000),
    "nothing": lambda _, __, ___: b"",
}


@asynccontextmanager
async def wrong_upstream(wrongs: Wrongs) -> AsyncGenerator[str]:
    """Such an upstream on a port of this machine; its base URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(wrongs.answer(await reader.readuntil(b"\r\n\r\n")))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/runwayml"
