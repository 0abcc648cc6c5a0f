"""What a connection is kept for, and until when what is answered on it may take."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from runway_mcp.server.transport.connections import (
    ADMITTED,
    ANSWERED_BY,
    ConnectionLimits,
    HttpConnection,
    HttpConnections,
)

LIMITS, IMPATIENT = ConnectionLimits(), ConnectionLimits(reader_seconds=0.4)


class Requested(asyncio.Protocol):
    """Uvicorn's protocol, whose newest request a test sets; `app` is called for each of them in turn."""

    def __init__(self) -> None:
        self.cycle: Any = None
        self.pipeline = list[Any]()
        self.app: Any = answer_never

    def connection_made(self, transport: Any) -> None:
        """Serves nothing."""

    def data_received(self, data: bytes) -> None:
        """Reads nothing."""


async def answer_never(*_: Any) -> None:
    await anyio.sleep_forever()


def request(scope: dict[str, Any] | None = None, *, is_answered: bool = False) -> Any:
    """As much as is looked at of a request whose headers are whole."""
    answered = {"response_started": is_answered, "response_complete": is_answered}
    return SimpleNamespace(scope=scope if scope is not None else {}, more_body=False, **answered)


class Wire:
    """A transport whose client takes a byte whenever it is looked at."""

    def __init__(self) -> None:
        self.left = 1_000_000
        self.is_cut = False

    def is_closing(self) -> bool:
        return self.is_cut

    def get_write_buffer_size(self) -> int:
        self.left -= 1
        return self.left

    def abort(self) -> None:
        self.is_cut = True


@pytest.mark.parametrize(("scope", "is_cut"), [({ANSWERED_BY: 300.0}, True), ({}, False)])
@pytest.mark.parametrize("sends_next", [True, False])
async def test_who_takes_a_byte_now_and_then_is_cut_where_his_answer_has_a_time_of_its_own(
    scope: dict[str, Any], *, is_cut: bool, sends_next: bool
) -> None:
    http, wire = Requested(), Wire()
    connection = HttpConnection(http, HttpConnections(LIMITS))
    connection.connection_made(cast("Any", wire))
    http.cycle = request(scope)
    async with anyio.create_task_group() as group:
        group.start_soon(http.app, scope, None, None)
        await anyio.wait_all_tasks_blocked()
        if sends_next:
            http.pipeline, http.cycle = [http.cycle], request()
        for now in range(299):
            connection.end_if_late(float(now), IMPATIENT.seconds)
        assert not wire.is_cut
        connection.end_if_late(300.0, IMPATIENT.seconds)
        group.cancel_scope.cancel()

    assert wire.is_cut is is_cut


async def test_an_answer_that_was_given_in_time_cuts_nothing_later() -> None:
    http, wire = Requested(), Wire()
    connection = HttpConnection(http, HttpConnections(LIMITS))
    connection.connection_made(cast("Any", wire))
    http.cycle, scope = request(is_answered=True), {ANSWERED_BY: 300.0}
    with anyio.move_on_after(0):
        await http.app(scope, None, None)
    connection.end_if_late(301.0, LIMITS.seconds)

    assert not wire.is_cut


def test_a_connection_is_kept_for_its_last_request_or_for_the_one_before_while_that_is_checked() -> None:
    admitted = {ADMITTED: True}
    http = Requested()
    connection = HttpConnection(http, HttpConnections(LIMITS))
    kept: list[bool] = []

    def see(newest: Any) -> None:
        http.cycle = newest
        connection.data_received(b"")
        kept.append(connection.is_admitted)

    see(None)
    see(request(admitted, is_answered=True))
    see(checked := request())
    checked.response_started = checked.response_complete = True
    see(checked)
    see(request())
    see(request(admitted))
    assert kept == [False, True, True, False, False, True]


async def test_a_request_that_is_answered_keeps_its_connection_though_the_next_one_was_sent_with_it() -> None:
    http = Requested()
    connection = HttpConnection(http, HttpConnections(LIMITS))
    http.cycle = request()
    async with anyio.create_task_group() as group:
        group.start_soon(http.app, {ADMITTED: True}, None, None)
        await anyio.wait_all_tasks_blocked()
        assert connection.is_admitted
        group.cancel_scope.cancel()
    assert not connection.is_admitted
