"""What comes on a connection besides bodies, at a real port: it ends before it takes much, and is no header later."""

import anyio
import pytest
from anyio.abc import SocketStream

from runway_mcp.server.transport.heads import MOST_AHEAD, MOST_HEAD, MOST_HEADERS
from tests.server.bare_connections import at, everything, healthy
from tests.server.toy import served, toy

HEAD = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n"
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
CHUNKED = (
    b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n"
    b"accept: application/json, text/event-stream\r\nauthorization: Bearer let-me-in\r\nconnection: close\r\n\r\n"
)
MANY = 400


async def taken(connection: SocketStream, piece: bytes) -> int:
    """How many of many pieces the server takes before it ends the connection."""
    for number in range(MANY):
        try:
            await connection.send(piece)
        except anyio.BrokenResourceError:
            return number
    return MANY


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (HEAD + b"x: ", b"y" * MOST_HEAD),
        (HEAD, b"y" * MOST_HEAD),
        (HEAD, b"a:b\r\n" * (MOST_HEAD // 5)),
        (b"GET /healthz?", b"y" * MOST_HEAD),
        (CHUNKED + b"0\r\n", b"a:b\r\n" * (MOST_HEAD // 5)),
        (CHUNKED + b"1;", b"y" * MOST_HEAD),
    ],
    ids=["a value", "a name", "headers", "a path", "trailers", "a chunk's extension"],
)
async def test_what_has_no_end_besides_bodies_is_not_taken_for_long(begun: bytes, piece: bytes) -> None:
    async with served(toy(), access_token="let-me-in") as url, at(url) as connection:
        await connection.send(begun)

        assert await taken(connection, piece) < MANY


async def test_as_many_headers_as_may_be_are_taken_and_one_more_is_told_as_too_many() -> None:
    async with served(toy()) as url:
        async with at(url) as connection:
            await connection.send(HEAD + b"a: b\r\n" * (MOST_HEADERS - 2) + b"connection: close\r\n\r\n")
            few = await everything(connection)
        async with at(url) as connection:
            await connection.send(HEAD + b"a: b\r\n" * MOST_HEADERS + b"\r\n")
            many = await everything(connection)

    assert few.startswith(b"HTTP/1.1 200")
    assert many.startswith(b"HTTP/1.1 431")


async def test_long_headers_and_a_long_body_in_many_pieces_are_taken() -> None:
    blank = b" " * 100_000
    async with served(toy(), access_token="let-me-in") as url, at(url) as connection:
        await connection.send(CHUNKED[:-2] + b"x: " + b"y" * (MOST_HEAD // 2) + b"\r\n\r\n")
        for piece in (blank, blank, PING):
            await connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await connection.send(b"0\r\n\r\n")

        assert b'"result":{}' in await everything(connection)


async def test_what_stands_behind_a_body_is_no_header_of_its_request() -> None:
    async with served(toy(), access_token="let-me-in") as url, at(url) as connection:
        await connection.send(CHUNKED + b"%x\r\n%b\r\n0\r\n" % (len(PING), PING))
        await connection.send(b"host: elsewhere.example\r\nauthorization: Bearer wrong\r\n\r\n")

        assert b'"result":{}' in await everything(connection)


async def test_requests_ahead_of_their_turn_are_answered_in_order_unless_they_are_too_many() -> None:
    asked = HEAD + b"\r\n"
    async with served(toy()) as url:
        async with at(url) as connection:
            await connection.send(asked * 3)
            told = b""
            while told.count(b'"ok"') < 3:
                told += await connection.receive()
            await healthy(connection)
        async with at(url) as connection:
            await connection.send(asked * 20 * MOST_AHEAD)
            answered = (await everything(connection)).count(b'"ok"')

    assert answered <= 2 * MOST_AHEAD
