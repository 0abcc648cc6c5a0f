"""Bad requests at the port of a real server: each on a connection of its own, several at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
import httpx
from anyio.abc import SocketStream

from tests.fuzz.answers import faults_of_message, faults_of_text, read_message
from tests.fuzz.figures import Figures, memory
from tests.fuzz.http_requests import ACCEPT, Exchange, Requests
from tests.fuzz.messages import ENVELOPE, Known
from tests.kit.processes import HttpServerProcess

AT_ONCE: Final = 4
PATIENCE: Final = 40.0
EVERY: Final = 50
ERRORS_OF_SERVER: Final = 500
LONGEST_HEAD: Final = 65_536
"""Bytes of headers that the server reads. Longer ones are refused while they arrive, and the reset of the connection
can overtake the refusal."""

LIST: dict[str, Any] = {"jsonrpc": "2.0", "id": "valid", "method": "tools/list"}
OLD = {"accept": ACCEPT, "mcp-protocol-version": "2025-11-25"}
NEW = {"accept": ACCEPT, "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": "handshake",
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "fuzz", "version": "0"}},
}


@dataclass(frozen=True)
class Port:
    """Where the server is, and what must not be seen in its answers."""

    served: HttpServerProcess
    figures: Figures
    secrets: tuple[str, ...]

    async def connect(self) -> SocketStream:
        """A connection of its own."""
        at = urlsplit(self.served.origin)
        return await anyio.connect_tcp(at.hostname or "", at.port or 0)


async def pestered(
    served: HttpServerProcess, count: int, seed: int, known: Known, *, secrets: tuple[str, ...]
) -> Figures:
    """One server under so many exchanges, with valid requests of both eras between every fifty."""
    port = Port(served, Figures("http, both eras"), secrets)
    figures, begun = port.figures, anyio.current_time()
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
        opened = await client.post(served.mcp, json=INITIALIZE, headers=OLD)
        session = opened.headers["mcp-session-id"]
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        await client.post(served.mcp, json=ready, headers=OLD | {"mcp-session-id": session})
        exchanges = iter(Requests(Random(seed), known, urlsplit(served.origin).netloc, session))  # noqa: S311 - a fuzz
        for start in range(0, count, EVERY):
            await _batch(port, islice(exchanges, min(EVERY, count - start)))
            await _check(port, client, session)
            if not figures.memory_before and start >= count // 5:
                figures.memory_before = memory(served.program.process.pid)
    figures.memory_after = memory(served.program.process.pid)
    figures.seconds = anyio.current_time() - begun
    log = "".join(served.program.told)
    for fault in faults_of_text(log, secrets):
        figures.fault(f"stderr {fault}", log[:1000])
    if served.program.process.poll() is not None:
        figures.fault("the server ended")
    return figures


async def _batch(port: Port, exchanges: Iterator[Exchange]) -> None:
    """Makes the exchanges, a few at a time, and judges each."""
    limit = anyio.Semaphore(AT_ONCE)
    async with anyio.create_task_group() as group:
        for exchange in exchanges:
            port.figures.requests += 1
            port.figures.kinds[exchange.kind] += 1
            await limit.acquire()
            group.start_soon(_made, port, exchange, limit)


async def _made(port: Port, exchange: Exchange, limit: anyio.Semaphore) -> None:
    try:
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                group.start_soon(_one, port, exchange)
                for late in exchange.after:
                    await anyio.lowlevel.checkpoint()
                    await _sent(port, late)
    except TimeoutError:
        port.figures.fault(f"no answer within {PATIENCE:.0f} s to {exchange.kind}", exchange.request)
    finally:
        limit.release()


async def _one(port: Port, exchange: Exchange) -> None:
    since = anyio.current_time()
    answer = await _sent(port, exchange.request, leaves=exchange.leaves)
    head = exchange.request.partition(b"\r\n\r\n")[0]
    if exchange.leaves or exchange.kind == "cancelled" or len(head) > LONGEST_HEAD:
        port.figures.silent += not answer
    else:
        port.figures.slowest = max(port.figures.slowest, anyio.current_time() - since)
        if not answer:
            port.figures.fault(f"closed without an answer to {exchange.kind}", exchange.request)
    port.figures.answered += bool(answer)
    for fault in _faults(answer, port.secrets):
        port.figures.fault(f"an answer {fault}", (exchange.request, answer))


async def _sent(port: Port, request: bytes, *, leaves: bool = False) -> bytes:
    """What comes back; who leaves stays for half a second at most, and closes its side first."""
    answer = b""
    async with await port.connect() as stream:
        try:
            await stream.send(request)
            if leaves:
                await stream.send_eof()
            with anyio.move_on_after(0.5 if leaves else PATIENCE):
                while True:
                    answer += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError, OSError):
            pass
    return answer


def _faults(answer: bytes, secrets: tuple[str, ...]) -> Iterator[str]:
    """What must not be in an answer: a fault of the server, a message that is none, a word of an exception."""
    if not answer:
        return
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if not status or not status[0].isdigit():
        yield "is no HTTP"
        return
    if int(status[0]) >= ERRORS_OF_SERVER:
        yield f"is {head.splitlines()[0].decode()}"
    yield from faults_of_text(answer.decode(errors="replace"), secrets)
    kind = head.lower()
    if b"text/event-stream" in kind:
        lines = [
            line.removeprefix(b"data:").strip() for line in _dechunked(kind, body).splitlines() if line[:5] == b"data:"
        ]
    elif b"application/json" in kind and b'{"status":"ok"' not in body:
        lines = [_dechunked(kind, body)]
    else:
        lines = []
    for line in filter(None, lines):
        try:
            message = read_message(line.decode())
        except ValueError:
            yield "has a line that is no JSON"
            continue
        yield from faults_of_message(message)


def _dechunked(kind: bytes, body: bytes) -> bytes:
    """The body without its chunks' lengths."""
    if b"transfer-encoding: chunked" not in kind:
        return body
    whole = b""
    while body:
        length, _, body = body.partition(b"\r\n")
        size = int(length, 16)
        whole, body = whole + body[:size], body[size + 2 :]
    return whole


async def _check(port: Port, client: httpx.AsyncClient, session: str) -> None:
    """Valid requests are answered: of 2026, of 2025 without a session, and in the session."""
    envelope = LIST | {"params": {"_meta": ENVELOPE}}
    for name, message, headers in (
        ("of 2026", envelope, NEW),
        ("without a session", LIST, OLD),
        ("in the session", LIST, OLD | {"mcp-session-id": session}),
    ):
        try:
            answer = await client.post(port.served.mcp, json=message, headers=headers)
        except httpx.HTTPError as error:
            port.figures.fault(f"a valid request {name} was not answered", repr(error))
            continue
        if "extend_video" not in answer.text:
            port.figures.fault(f"a valid request {name} was refused", (answer.status_code, answer.text))
        port.figures.valid += 1
