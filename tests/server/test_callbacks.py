from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import httpx
import pytest
from starlette.applications import Starlette

from runway_mcp.server.callbacks import MOST_READ, READ_SECONDS, callback_route
from runway_mcp.tasks.database import LedgerError

TOKEN = "a-token-that-nobody-can-guess-at-all"


class Taken:
    """The bodies that were taken."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def take(self, token: str, read: Callable[[], Awaitable[bytes]]) -> bool:
        if token != TOKEN:
            return False
        self.bodies.append(await read())
        return True


def caller(take: Callable[[str, Callable[[], Awaitable[bytes]]], Awaitable[bool]]) -> httpx.AsyncClient:
    app = Starlette(routes=[callback_route(take)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://films.example.com")


async def test_a_call_is_answered_with_ok_and_its_body_taken() -> None:
    taken = Taken()
    async with caller(taken.take) as http:
        answer = await http.post(f"/callbacks/{TOKEN}", content=b'{"status": "SUCCEEDED"}')

    assert (answer.status_code, answer.text) == (200, "ok")
    assert taken.bodies == [b'{"status": "SUCCEEDED"}']


async def test_an_unknown_address_is_not_found_and_no_other_method_is_allowed() -> None:
    taken = Taken()
    async with caller(taken.take) as http:
        assert (await http.post("/callbacks/another", content=b"{}")).status_code == 404
        assert (await http.post("/callbacks/", content=b"{}")).status_code == 404
        assert (await http.post(f"/callbacks/{TOKEN}/more", content=b"{}")).status_code == 404
        assert (await http.get(f"/callbacks/{TOKEN}")).status_code == 405

    assert not taken.bodies


async def test_of_a_huge_body_little_is_read_and_it_says_nothing() -> None:
    taken, read = Taken(), 0

    async def huge() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(10_000):
            read += 10_000
            yield b"x" * 10_000

    async with caller(taken.take) as http:
        answer = await http.post(f"/callbacks/{TOKEN}", content=huge())

    assert answer.status_code == 200
    assert taken.bodies == [b""]
    assert read <= MOST_READ + 20_000


@pytest.mark.virtual_time
async def test_a_body_that_trickles_is_answered_in_time() -> None:
    taken = Taken()

    async def slow() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await anyio.sleep(1.0)

    with anyio.fail_after(READ_SECONDS + 1.0):
        async with caller(taken.take) as http:
            answer = await http.post(f"/callbacks/{TOKEN}", content=slow())

    assert answer.status_code == 200
    assert taken.bodies == [b""]


async def test_a_ledger_that_cannot_be_read_asks_for_another_try() -> None:
    async def take(_: str, __: Callable[[], Awaitable[bytes]]) -> bool:
        raise LedgerError("The ledger is locked.")

    async with caller(take) as http:
        assert (await http.post(f"/callbacks/{TOKEN}", content=b"{}")).status_code == 503
