from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
from mcp.server.lowlevel import Server
from starlette.applications import Starlette

from runway_mcp.server.context import Lifespan
from runway_mcp.server.transport.callbacks import MOST_PASSED, MOST_READ, READ_SECONDS, callback_route
from runway_mcp.server.transport.http import create_app
from runway_mcp.tasks.callbacks import UNKNOWN, Callbacks
from runway_mcp.tasks.store.protocol import LedgerError
from tests.kit.slow_ledger import SlowLedger

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
        unknown = await http.post("/callbacks/another", content=b"{}")
        assert (unknown.status_code, unknown.text) == (404, UNKNOWN)
        # What the framework says of a path that it does not know is said by other programs as well.
        nowhere = await http.post("/callbacks/", content=b"{}")
        assert (nowhere.status_code, nowhere.text) == (404, "Not Found")
        assert (await http.post(f"/callbacks/{TOKEN}/more", content=b"{}")).status_code == 404
        assert (await http.get(f"/callbacks/{TOKEN}")).status_code == 405

    assert not taken.bodies


@pytest.mark.parametrize("size", [MOST_READ + 1, MOST_PASSED - 1, 10 * MOST_PASSED])
async def test_a_huge_body_says_nothing_and_is_not_heard_out_for_ever(size: int) -> None:
    taken, sent = Taken(), 0

    async def huge() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < size:
            sent += 50_000
            yield b"x" * 50_000

    async with caller(taken.take) as http:
        answer = await http.post(f"/callbacks/{TOKEN}", content=huge())

    assert answer.status_code == 200
    assert taken.bodies == [b""]
    assert sent <= MOST_PASSED + 100_000


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


@pytest.mark.virtual_time
async def test_a_flood_of_unknown_addresses_takes_two_connections_of_the_ledger_at_most() -> None:
    ledger: Any = SlowLedger()
    none: Any = None
    service: Any = SimpleNamespace(callbacks=Callbacks(ledger, none, none, none, pause=1.0))

    @asynccontextmanager
    async def lifespan(_: Server[Any]) -> AsyncGenerator[Lifespan]:
        yield Lifespan(none, service, none, none, none, none, none, none, none)

    app = create_app(Server("flooded", lifespan=lifespan))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://films.example.com") as http,
    ):

        async def guess(number: int) -> None:
            assert (await http.post(f"/callbacks/{number:043}", content=b"{}")).status_code == 404

        async with anyio.create_task_group() as flood:
            for number in range(40):
                flood.start_soon(guess, number)

    assert (ledger.asked, ledger.most) == (40, 2)
