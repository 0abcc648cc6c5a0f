"""Bodies of a hostile upstream, as real bytes: none is taken whole, none holds anything up."""

import asyncio
import gzip
import json
import resource
import zlib
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from runway_mcp.runway import errors
from runway_mcp.runway.client import LARGEST_LAST_PAGE, LARGEST_PAGE, LAST_OFFSET, RunwayClient
from runway_mcp.runway.http.bodies import LARGEST, LARGEST_LIST, body_within
from runway_mcp.runway.models import Extension
from runway_mcp.secret_spellings import spellings_of_secret
from tests.runway.samples import ASSET, ASSET_ID, TASK, TASK_ID, TOKEN, api, as_http

MIB = 2**20
Read = Callable[[RunwayClient], Awaitable[Any]]


def task(client: RunwayClient) -> Awaitable[Any]:
    return client.task(TASK_ID)


def asset(client: RunwayClient) -> Awaitable[Any]:
    return client.asset(ASSET_ID)


def tasks(client: RunwayClient) -> Awaitable[Any]:
    return client.tasks()


def assets(client: RunwayClient) -> Awaitable[Any]:
    return client.assets()


def scheduler(client: RunwayClient) -> Awaitable[Any]:
    return client.scheduler()


def submit(client: RunwayClient) -> Awaitable[Any]:
    return client.submit(Extension(asset_id=ASSET_ID))


def endless() -> Iterator[bytes]:
    while True:
        yield b'{"taskId": "' + b"x" * 65_000


def in_tiny_chunks() -> Iterator[bytes]:
    while True:
        yield b"1\r\nx\r\n" * 10_000


def of_size(size: int) -> Iterator[bytes]:
    yield b'[{"name": "'
    for _ in range(size // 65_000):
        yield b"x" * 65_000
    yield b'"}]'


def bomb() -> Iterator[bytes]:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    for _ in range(200):
        yield packer.compress(b" " * MIB)
    yield packer.flush()


def padded(body: object, size: int) -> bytes:
    """Spell a body as JSON of exactly so many bytes."""
    return json.dumps(body).encode().ljust(size)


HOSTILE = {
    "endless": (endless, ""),
    "in tiny chunks": (in_tiny_chunks, "Transfer-Encoding: chunked\r\n"),
    "of 100 MB": (lambda: of_size(100 * MIB), ""),
    "a gzip bomb": (bomb, "Content-Encoding: gzip\r\n"),
    "full of lists": (lambda: iter([b"[" + b"[]," * (LARGEST // 3 - 10) + b"1]"]), ""),
    "deep": (lambda: iter([b"[" + (b"[" * 500 + b"]" * 500 + b",") * (LARGEST // 1001 - 1) + b"1]"]), ""),
}


@asynccontextmanager
async def upstream(body: Callable[[], Iterator[bytes]], head: str) -> AsyncGenerator[str, None]:
    """Answer every request with this body, as fast as it is taken."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())
        try:
            for part in body():
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            pass
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.slow
@pytest.mark.parametrize(("body", "head"), HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("read", [task, tasks])
async def test_a_read_takes_no_more_than_its_bound_of_a_hostile_body(
    read: Read, body: Callable[[], Iterator[bytes]], head: str
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with upstream(body, head) as url, RunwayClient(url=url, token=TOKEN) as client:
        with anyio.fail_after(60), pytest.raises(errors.UnexpectedResponse, match="too long"):
            await read(client)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


@pytest.mark.slow
@pytest.mark.parametrize(("body", "head"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_submit_with_a_hostile_answer_is_unclear(body: Callable[[], Iterator[bytes]], head: str) -> None:
    async with upstream(body, head) as url, RunwayClient(url=url, token=TOKEN) as client:
        with anyio.fail_after(60), pytest.raises(errors.SubmitUnclear):
            await submit(client)


@pytest.mark.parametrize(
    ("read", "body", "largest"),
    [
        (task, TASK, LARGEST),
        (asset, ASSET, LARGEST),
        (scheduler, [], LARGEST),
        (submit, TASK, LARGEST),
        (tasks, [TASK], LARGEST_LIST),
        (assets, [ASSET], LARGEST_LIST),
    ],
)
@pytest.mark.parametrize("coding", ["plain", "gzip", "deflate"])
async def test_an_answer_may_be_as_long_as_its_bound_and_no_byte_longer(
    read: Read, body: object, largest: int, coding: str
) -> None:
    def answer(size: int) -> bytes:
        content = padded(body, size)
        if coding != "plain":
            content = gzip.compress(content) if coding == "gzip" else zlib.compress(content)
        encoded = f"Content-Encoding: {coding}\r\n" if coding != "plain" else ""
        return f"HTTP/1.1 200 OK\r\n{encoded}Content-Length: {len(content)}\r\n\r\n".encode() + content

    async with api([answer(largest), answer(largest + 1)]) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        await read(client)
        with pytest.raises(errors.UnexpectedResponse if read is not submit else errors.SubmitUnclear, match="too long"):
            await read(client)

    assert len(it.requests) == 2
    assert all(b"\r\naccept-encoding: identity\r\n" in request.lower() for _, request in it.requests)


async def test_an_answer_in_a_coding_that_was_not_asked_for_and_is_not_read_is_no_answer() -> None:
    answer = as_http(200, TASK, "Content-Encoding: br")
    async with api([answer] * 2) as it, RunwayClient(url=it.url, token=TOKEN, patience=0) as client:
        with pytest.raises(errors.Unavailable, match="could not be decoded"):
            await client.task(TASK_ID)
        with pytest.raises(errors.SubmitUnclear, match="could not be decoded"):
            await submit(client)


@pytest.mark.parametrize("cut", [1, 12])
async def test_a_compressed_answer_that_breaks_off_is_no_answer(cut: int) -> None:
    content = gzip.compress(json.dumps(TASK).encode())[:-cut]
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    async with api([head + content]) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        with pytest.raises(errors.SubmitUnclear, match="could not be decoded"):
            await submit(client)


async def test_a_refusal_with_a_hostile_body_is_the_refusal_that_its_status_says() -> None:
    async with api([as_http(402, "x" * LARGEST)] * 2) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        with pytest.raises(errors.SubscriptionLapsed):
            await client.task(TASK_ID)
        with pytest.raises(errors.SubscriptionLapsed):
            await submit(client)


async def test_tiny_chunks_let_others_run() -> None:
    turns = 0

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x"

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        assert await body_within(chunks(), "", 1000) == b"x" * 1000
        group.cancel_scope.cancel()

    assert turns >= 1000


@pytest.mark.parametrize("asked", [1, 50, LARGEST_PAGE, 1000])
async def test_a_page_holds_no_more_than_was_asked_for_whatever_comes_back(asked: int) -> None:
    many = [TASK | {"taskId": f"task-{number}"} for number in range(400)]
    films = [{"assetId": f"asset-{number}"} for number in range(400)]
    answers = [as_http(200, many), as_http(200, films)]
    async with api(answers) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        listed, library = await client.tasks(limit=asked), await client.assets(limit=min(asked, 50))

    assert [each.task_id for each in listed] == [f"task-{number}" for number in range(min(asked, 200))]
    assert [each.asset_id for each in library] == [f"asset-{number}" for number in range(min(asked, 50))]
    assert f"limit={min(asked, 200)} ".encode() in it.requests[0][1]


async def test_the_last_page_may_be_long_so_that_a_look_sees_as_far_as_upstream_shows() -> None:
    many = [{"taskId": f"task-{number}"} for number in range(1200)]
    async with api([as_http(200, many)] * 2) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        last = await client.tasks(offset=LAST_OFFSET, limit=5000)
        before = await client.tasks(offset=LAST_OFFSET - 1, limit=5000)

    assert (len(last), len(before)) == (LARGEST_LAST_PAGE, LARGEST_PAGE)


async def test_more_running_tasks_than_are_read_are_no_whole_list() -> None:
    many = [{"taskId": f"task-{number}"} for number in range(201)]
    bodies = [many[:200], many, {"a@b.example": many[:100], "c@d.example": many[:101]}]
    async with api([as_http(200, body) for body in bodies]) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        running = [await client.scheduler() for _ in bodies]

    assert [(len(each), each.skipped) for each in running] == [(200, 0), (200, 1), (200, 1)]


@pytest.mark.parametrize("digits", [20, 4300, 4301, 100_000])
async def test_a_long_number_spoils_nothing_but_itself(digits: int) -> None:
    long = '"N"'
    body = json.dumps([ASSET | {"fileSize": "N", "metadata": {"duration": 10, "width": "N"}}]).replace(
        long, "9" * digits
    )
    content = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    async with api([content]) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        (film,) = await client.assets()

    assert film.size_bytes is None
    assert film.metadata is not None
    assert (film.metadata.duration, film.metadata.width) == (10, None)


@pytest.mark.parametrize("status", [200, 201, 400, 500])
@pytest.mark.parametrize(
    "echo", [TOKEN, TOKEN.removeprefix("user:"), b64encode(TOKEN.encode()).decode(), "\u200b".join(TOKEN)]
)
async def test_an_answer_that_echoes_the_token_is_told_without_it(status: int, echo: str) -> None:
    body = TASK | {"name": f"a {echo} film", "options": {"text_prompt": echo}, "replyRef": echo, "error": echo}
    async with api([as_http(status, body)] * 2) as it, RunwayClient(url=it.url, token=TOKEN, patience=0) as client:
        for ask in (task, submit):
            try:
                told = repr((await ask(client)).model_dump())
            except errors.RunwayError as error:
                told = repr((error.message, error.args, vars(error)))
            assert not spellings_of_secret(TOKEN).are_in(told.encode())
            assert "[removed]" in told or status == 500


async def test_no_cookie_of_upstreams_is_kept_or_sent() -> None:
    setting = as_http(200, TASK, "Set-Cookie: session=abc; Path=/", "Set-Cookie: b=c")
    async with api([setting] * 4) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        for ask in (task, submit, task, submit):
            await ask(client)

    assert all(b"cookie" not in request.lower() for _, request in it.requests)
