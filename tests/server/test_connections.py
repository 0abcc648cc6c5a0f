"""Connections at a real port of this machine: how long each may take, and which of them gives way."""

import asyncio
import errno
import logging
import socket
from contextlib import AsyncExitStack
from functools import partial
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream
from mcp import Client

from runway_mcp.server.transport.connections import (
    ConnectionLimits,
    HttpConnection,
    HttpConnections,
    limits_of_process,
    raised_descriptor_limit,
)
from tests.server.bare_connections import address, at, everything, healthy
from tests.server.toy import served, toy

SHORT = 1.0
LONG = 60.0
POST = b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"


def limits(most: int = 100, headers: float = LONG, body: float = LONG, reader: float = LONG) -> ConnectionLimits:
    return ConnectionLimits(most, headers, body, reader, close_seconds=SHORT)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [(b"", b""), (b"GET /healthz HTTP/1.1\r\nhost: 127", b"HTTP/1.1 408")],
)
async def test_who_does_not_send_whole_headers_in_time_is_let_go(sent: bytes, answer: bytes) -> None:
    async with served(toy(), limits=limits(headers=SHORT)) as url, at(url) as connection:
        if sent:
            await connection.send(sent)

        told = await everything(connection)

    assert told.startswith(answer)
    assert bool(told) == bool(answer)


async def test_a_request_served_before_is_no_excuse_for_headers_that_do_not_come() -> None:
    async with served(toy(), limits=limits(headers=SHORT)) as url, at(url) as connection:
        await healthy(connection)
        await connection.send(b"GET /healthz HTTP/1.1\r\n")

        await everything(connection)


@pytest.mark.parametrize("path", [b"/mcp", b"/messages/?session_id=00000000000000000000000000000000"])
async def test_a_body_that_does_not_come_whole_in_time_is_given_up(path: bytes) -> None:
    async with served(toy(), transport="sse", limits=limits(body=SHORT)) as url, at(url) as connection:
        await connection.send(POST % path + b'{"jsonrpc"')

        assert (await everything(connection)).startswith(b"HTTP/1.1 408")


async def test_bytes_after_an_early_answer_do_not_keep_a_connection() -> None:
    async with (
        served(toy(), access_token="let-me-in", limits=limits(headers=SHORT)) as url,
        at(url) as connection,
    ):
        await connection.send(POST % b"/mcp")
        assert b" 401 " in await connection.receive()
        await connection.send(b" ")

        await everything(connection)


class Talkative(asyncio.Protocol):
    """What serves a connection by sending more than the buffers of both sides hold."""

    cycle = None

    def __init__(self, lost: anyio.Event) -> None:
        self._lost = lost

    def connection_made(self, transport: Any) -> None:
        transport.write(bytes(50_000_000))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio names it
        self._lost.set()


async def test_who_takes_nothing_of_what_was_sent_is_cut() -> None:
    lost, connections = anyio.Event(), HttpConnections(limits(reader=SHORT))
    ours, theirs = socket.socketpair()

    with theirs, anyio.fail_after(30):
        protocol = connections.protocol(lambda: Talkative(lost))
        await asyncio.get_running_loop().connect_accepted_socket(protocol, ours)
        async with anyio.create_task_group() as group:
            group.start_soon(connections.enforce)
            await lost.wait()
            group.cancel_scope.cancel()

    assert len(connections) == 0


async def test_at_the_limit_the_longest_without_whole_headers_gives_way_and_clients_go_on() -> None:
    gone: list[int] = []

    async with (
        served(toy(), limits=limits(most=6)) as url,
        Client(f"{url}/mcp", mode="legacy") as client,
        anyio.create_task_group() as group,
    ):

        async def stranger(number: int, waits: anyio.Event) -> None:
            async with at(url) as connection:
                await connection.send(b"GET ")
                waits.set()
                await everything(connection)
                gone.append(number)

        for number in range(20):
            waits = anyio.Event()
            group.start_soon(stranger, number, waits)
            await waits.wait()
            if number % 5 == 0:
                assert await client.call_tool("count", {})
        async with at(url) as newcomer:
            await healthy(newcomer)
        group.cancel_scope.cancel()

    assert gone[:10] == [*range(10)]


async def test_a_kept_connection_of_a_client_outlasts_those_of_strangers() -> None:
    ping = (
        b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: application/json, "
        b"text/event-stream\r\nauthorization: Bearer let-me-in\r\ncontent-length: %d\r\n\r\n%b"
    )
    body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'

    async def pinged(connection: SocketStream) -> None:
        received = b""
        await connection.send(ping % (len(body), body))
        while b'"result"' not in received:
            received += await connection.receive()

    async with served(toy(), access_token="let-me-in", limits=limits(most=4)) as url, at(url) as client:
        await pinged(client)
        async with AsyncExitStack() as strangers:
            for _ in range(8):
                stranger = await strangers.enter_async_context(await anyio.connect_tcp(*address(url)))
                await stranger.send(b"GET /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
                assert b" 401 " in await stranger.receive()

            await pinged(client)


async def test_a_request_under_way_never_gives_way() -> None:
    hanging = anyio.Event()

    async with (
        served(toy(lambda line: hanging.set() if line == "hanging" else None), limits=limits(most=2)) as url,
        anyio.create_task_group() as group,
    ):
        async with at(url) as caller:
            body = (
                b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hang","_meta":{'
                b'"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
                b'"io.modelcontextprotocol/clientCapabilities":{},'
                b'"io.modelcontextprotocol/clientInfo":{"name":"t","version":"0"}}}}'
            )
            head = (
                b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
                b"accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n"
                b"mcp-method: tools/call\r\nmcp-name: hang\r\ncontent-length: %d\r\n\r\n"
            )
            await caller.send(head % len(body) + body)
            with anyio.fail_after(30):
                await hanging.wait()
            for _ in range(5):
                async with at(url) as newcomer:
                    await healthy(newcomer)
            with pytest.raises(TimeoutError), anyio.fail_after(0.1):
                await caller.receive()
        group.cancel_scope.cancel()


class Pipelined(asyncio.Protocol):
    """What uvicorn's protocol on httptools shows once it has read a second request while it serves the first."""

    def __init__(self, *, serves_first: bool) -> None:
        self.cycle = SimpleNamespace(response_complete=False, response_started=False, more_body=True, scope={})
        self.pipeline = [self.cycle] if serves_first else []


@pytest.mark.parametrize("serves_first", [True, False])
async def test_a_request_that_is_served_is_not_cut_for_the_slow_body_of_the_next(*, serves_first: bool) -> None:
    protocol = HttpConnections(limits()).protocol(partial(Pipelined, serves_first=serves_first))
    connection = protocol()
    loop, (ours, theirs) = asyncio.get_running_loop(), socket.socketpair()
    with theirs:
        transport, _ = await loop.create_connection(lambda: connection, sock=ours)
        assert isinstance(connection, HttpConnection)
        for now in (0.0, LONG * 10):
            connection.end_if_late(now, limits(body=SHORT).seconds)

        assert transport.is_closing() is not serves_first
        transport.abort()


class Asked(asyncio.Protocol):
    """Uvicorn's protocol of a connection that sends nothing; notes how often it was asked what it does."""

    def __init__(self, asked: list[object]) -> None:
        self._asked = asked

    @property
    def cycle(self) -> None:
        self._asked.append(self)


async def test_a_stranger_above_the_limit_costs_no_look_at_all_the_others() -> None:
    held, asked = 50, list[object]()
    connections = HttpConnections(limits(most=held))
    make, loop = connections.protocol(partial(Asked, asked)), asyncio.get_running_loop()
    async with AsyncExitStack() as opened:
        for _ in range(held + 1):
            ours, theirs = socket.socketpair()
            opened.callback(theirs.close)
            transport, _ = await loop.create_connection(make, sock=ours)
            opened.callback(transport.abort)

    assert 0 < len(asked) < held


async def test_out_of_descriptors_is_told_as_that_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async with served(toy()):
        with caplog.at_level(logging.ERROR):
            asyncio.get_running_loop().call_exception_handler(
                {"message": "socket.accept() out of system resource", "exception": OSError(errno.EMFILE, "")}
            )

    (record,) = caplog.records
    assert record.getMessage().startswith("out of file descriptors, with 0 HTTP connections open")
    assert record.exc_info is None


def test_the_limit_of_connections_is_well_below_that_of_descriptors() -> None:
    assert 1 <= limits_of_process().most <= raised_descriptor_limit(0) // 2
