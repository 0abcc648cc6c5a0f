"""Films as bytes over real HTTP: how many a hosted server makes at once, for whom, and how long they may be read."""

import re
import socket
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx2
import mcp_types as t
import pytest
from anyio.abc import SocketStream
from mcp.client.session import ClientSession
from mcp.client.sse import sse_client
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from runway_mcp.server.hosted.admission import TAKEN
from runway_mcp.server.hosted.challenges import Challenges
from runway_mcp.server.hosted.hosting import FILM_SECONDS, Hosting
from runway_mcp.server.hosted.limits import CallerLimits, TooMany, Uses
from runway_mcp.server.transport.connections import ANSWERED_BY
from runway_mcp.server.transport.cut_off import PART, in_parts
from runway_mcp.server.transport.http import Transport
from tests.server.bare_connections import address
from tests.server.bare_host import INITIALIZE, OLD, READY, host
from tests.server.toy import OfAnybody, served

FILM, CLIP = "runway://films/f/video", "runway://assets/a/video"
SPELLINGS = (
    FILM,
    CLIP,
    "runway%3A%2F%2Ffilms%2Ff%2Fvideo",
    "runway://assets/%61/vide%6F",
    "runway://assets/a%2Fb/video",
)
OTHERS = ("runway://assets/a/strip", "runway://assets/a", "runway://films/f", "runway://tasks/a", "https://a/video")
SIZE = 12_000_000


@dataclass
class Films:
    """A server whose one resource is a film of 12 MB; how often it was read."""

    size: int = SIZE
    transport: Transport = "http"
    reads: int = 0
    go_on: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint
    read: anyio.Event = field(default_factory=anyio.Event)
    uses: Uses = field(default_factory=lambda: Uses(CallerLimits(rate=1000, burst=1000)))

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[str]:
        """The URL of the server, within a minute."""

        async def read(_: Any, params: t.ReadResourceRequestParams) -> t.ReadResourceResult:
            self.reads += 1
            blob = b64encode(bytes(self.size)).decode()
            self.read.set()
            await self.go_on()
            kind = "video/mp4" if params.uri in SPELLINGS else "image/jpeg"
            return t.ReadResourceResult(contents=[t.BlobResourceContents(uri=params.uri, blob=blob, mime_type=kind)])

        server = Server[Any]("films", on_read_resource=read)
        hosting = Hosting([OfAnybody()], Challenges(None), uses=self.uses)
        with anyio.fail_after(60):
            async with served(server, transport=self.transport, hosting=hosting) as url:
                yield url


def asked(uri: str = FILM, number: int = 1) -> dict[str, Any]:
    """The message that reads a resource."""
    return {"jsonrpc": "2.0", "id": number, "method": "resources/read", "params": {"uri": uri}}


async def post(url: str, caller: str, uri: str = FILM) -> httpx2.Response:
    """The answer to a read, read to its end."""
    async with httpx2.AsyncClient(timeout=60) as http:
        return await http.post(f"{url}/mcp", json=asked(uri), headers=OLD | {"authorization": f"Bearer {caller}"})


@asynccontextmanager
async def narrow(url: str) -> AsyncGenerator[SocketStream]:
    """A connection on which little may wait on its client's side."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PART)
    raw.setblocking(False)  # noqa: FBT003  the socket's own method takes it so
    await anyio.to_thread.run_sync(raw.connect_ex, address(url))
    async with await SocketStream.from_socket(raw) as connection:
        yield connection


@asynccontextmanager
async def unread(films: Films, url: str, caller: str) -> AsyncGenerator[SocketStream]:
    """A connection of a caller's that has asked for a film, and takes hardly anything of it."""
    films.read = anyio.Event()
    async with narrow(url) as connection:
        body = httpx2.Request("POST", url, json=asked()).content
        headers = OLD | {"host": "127.0.0.1", "authorization": f"Bearer {caller}", "content-type": "application/json"}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await connection.send(f"POST /mcp HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        await films.read.wait()
        yield connection


async def test_who_reads_nothing_of_his_films_keeps_his_two_places_until_he_has_read_them() -> None:
    films = Films()
    async with films.open() as url, unread(films, url, "ana") as first, unread(films, url, "ana"):
        for uri in SPELLINGS:
            refused = await post(url, "ana", uri)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert films.reads == 2
        for uri in OTHERS:
            assert (await post(url, "ana", uri)).status_code == 200
        assert (await post(url, "bob")).status_code == 200

        await read_to_its_end(first)
        while (again := await post(url, "ana")).status_code == 429:
            pass
        assert again.status_code == 200
        assert len(again.json()["result"]["contents"][0]["blob"]) == SIZE // 3 * 4


async def read_to_its_end(connection: SocketStream) -> None:
    """Reads an answer whose length its head tells."""
    received = bytearray()
    while b"\r\n\r\n" not in received:
        received += await connection.receive()
    head, _, _ = bytes(received).partition(b"\r\n\r\n")
    (length,) = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    while len(received) < len(head) + 4 + length:
        received += await connection.receive()


async def test_all_callers_together_have_four_films_made_at_once_and_give_them_back_by_leaving() -> None:
    films = Films()
    async with films.open() as url:
        async with AsyncExitStack() as stack:
            for caller in ("ana", "ana", "bob", "bob"):
                await stack.enter_async_context(unread(films, url, caller))
            refused = await post(url, "eve")
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert films.reads == 4
            assert (await post(url, "eve", CLIP + "s")).status_code == 200

        while (again := await post(url, "eve")).status_code == 429:
            pass
        assert again.status_code == 200
    assert films.uses.calls() == 0


async def test_in_a_session_a_film_has_its_place_until_its_client_has_read_it() -> None:
    films = Films(size=1000)
    async with films.open() as url, host(url, authorization="Bearer ana") as client:
        session = await client.open()
        await client.http.post("/mcp", json=READY, headers=session)
        for number in range(2, 8):
            told = await client.http.post("/mcp", json=asked(number=number), headers=session)
            assert told.status_code == 200
            assert b64encode(bytes(1000)).decode() in told.text
    assert films.reads == 6


async def test_over_http_with_sse_a_caller_has_as_many_films_made_at_once() -> None:
    go_on = anyio.Event()
    films = Films(size=1000, transport="sse", go_on=go_on.wait)
    async with (
        films.open() as url,
        sse_client(f"{url}/sse", headers={"authorization": "Bearer ana"}) as streams,
        ClientSession(*streams) as session,
        anyio.create_task_group() as group,
    ):
        await session.initialize()
        for _ in range(2):
            films.read = anyio.Event()
            group.start_soon(session.read_resource, FILM)
            await films.read.wait()
        with pytest.raises(MCPError, match="Too many requests"):
            await session.read_resource(CLIP)
        go_on.set()
        while films.reads == 2:
            with suppress(MCPError):
                await session.read_resource(CLIP)


async def test_over_http_with_sse_films_that_wait_unread_keep_their_callers_two_places() -> None:
    films = Films(transport="sse")
    async with films.open() as url, narrow(url) as stream, httpx2.AsyncClient(timeout=20) as http:
        headers = {"host": "127.0.0.1", "authorization": "Bearer ana", "accept": "text/event-stream"}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await stream.send(f"GET /sse HTTP/1.1\r\n{head}\r\n".encode())
        told = b""
        while (found := re.search(rb"session_id=([0-9a-f]{32})", told)) is None:
            told += await stream.receive()
        messages = f"{url}/messages/?session_id={found[1].decode()}"

        for message in (INITIALIZE, READY, *(asked(number=number) for number in (2, 3))):
            films.read = anyio.Event()
            assert (await http.post(messages, json=message, headers=headers)).status_code == 202
            if message.get("method") == "resources/read":
                await films.read.wait()
        while films.uses.calls() or has_place(films.uses, "ana"):
            await anyio.lowlevel.checkpoint()
        for _ in range(5):
            assert (await post(url, "ana")).status_code == 429
            assert (await http.post(messages, json=asked(number=4), headers=headers)).status_code == 202
        assert films.reads == 2
        assert (await post(url, "bob")).status_code == 200

        while told.count(b"Too many requests") < 5:
            told = (told + await stream.receive())[-PART:]
        while (again := await post(url, "ana")).status_code == 429:
            pass
        assert again.status_code == 200


def has_place(uses: Uses, caller: str) -> bool:
    """Whether a caller could have one more film made."""
    try:
        with uses.holding(caller, "film"):
            return True
    except TooMany:
        return False


def test_a_film_whose_client_has_left_keeps_its_place_while_it_is_made() -> None:
    uses = Uses(CallerLimits(films=1))
    with uses.taking("ana") as taken:
        taken.take_film()
        call = taken.running()
        call.__enter__()
    with uses.taking("ana") as another:
        with pytest.raises(TooMany):
            another.take_film()
        call.__exit__(None, None, None)
        another.take_film()
    with uses.taking("ana") as third:
        third.take_film()


@pytest.mark.parametrize(("uri", "is_film"), [*((uri, True) for uri in SPELLINGS), *((uri, False) for uri in OTHERS)])
@pytest.mark.parametrize("method", ["resources/read", "resources/subscribe"])
async def test_only_the_bytes_of_a_film_have_a_time_of_their_own(method: str, uri: str, *, is_film: bool) -> None:
    hosting = Hosting([OfAnybody()], Challenges(None))
    with hosting.uses.taking("ana") as taken:
        scope: dict[str, Any] = {TAKEN: taken}
        began = anyio.current_time()

        assert hosting.refusal(scope, asked(uri) | {"method": method}) is None

        has_time = is_film and method == "resources/read"
        assert (ANSWERED_BY in scope) is has_time
        if has_time:
            assert began + FILM_SECONDS <= scope[ANSWERED_BY] <= anyio.current_time() + FILM_SECONDS


# --- answers in parts


@pytest.mark.parametrize("bodies", [[0], [1], [PART], [PART + 1], [3 * PART], [10, 5 * PART + 7, 0], [PART, 2 * PART]])
async def test_long_answers_are_handed_over_in_parts_and_arrive_unchanged(bodies: list[int]) -> None:
    sent: list[dict[str, Any]] = []

    async def keep(message: Any) -> None:
        sent.append(message)

    send, whole = in_parts(keep), b""
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(sum(bodies)).encode())]}
    await send(start)
    for number, size in enumerate(bodies):
        body = bytes(each % 251 for each in range(size))
        whole += body
        await send({"type": "http.response.body", "body": body, "more_body": number + 1 < len(bodies)})

    assert sent[0] == start
    assert b"".join(message["body"] for message in sent[1:]) == whole
    assert max(len(message["body"]) for message in sent[1:]) <= PART
    assert [message["more_body"] for message in sent[1:]] == [True] * (len(sent) - 2) + [False]
