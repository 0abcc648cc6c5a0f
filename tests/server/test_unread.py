"""What waits on a stream of HTTP+SSE: how many messages, how long, and that reading frees what they took."""

import math
from typing import Any

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCResponse
from starlette.types import Message

from runway_mcp.server.hosted.challenges import Challenges
from runway_mcp.server.hosted.hosting import Hosting
from runway_mcp.server.hosted.limits import CallerLimits, Uses
from runway_mcp.server.transport.connections import ANSWERED_BY
from runway_mcp.server.transport.unread import MOST_UNREAD, UNREAD_SECONDS, Unread
from tests.server.toy import OfAnybody

NOTICE = JSONRPCNotification(jsonrpc="2.0", method="notifications/resources/updated")
EVENT: Message = {"type": "http.response.body", "body": b"event: message\r\ndata: {}\r\n\r\n", "more_body": True}
OTHERS: list[Message] = [
    {"type": "http.response.start", "status": 200, "headers": []},
    {"type": "http.response.body", "body": b"event: endpoint\r\ndata: /messages/\r\n\r\n", "more_body": True},
    {"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True},
    {"type": "http.response.body", "body": b"", "more_body": False},
]


class Stream:
    """Takes whatever is sent."""

    def __init__(self) -> None:
        self.sent: list[JSONRPCMessage] = []
        self.is_closed = False

    async def send(self, item: SessionMessage, /) -> None:
        self.sent.append(item.message)

    async def aclose(self) -> None:
        self.is_closed = True


async def read(_: Message) -> None:
    """A client that reads at once."""


def film(number: int = 1) -> JSONRPCResponse:
    contents = [{"uri": "runway://films/f/video", "mimeType": "video/mp4", "blob": "AAAA"}]
    return JSONRPCResponse(jsonrpc="2.0", id=number, result={"contents": contents})


async def test_a_message_has_its_time_from_its_sending_until_it_was_read() -> None:
    scope, stream = dict[str, Any](), Stream()
    with Unread(scope, read, None) as unread:
        async with unread.bounded(stream) as bounded:
            began = anyio.current_time()
            for _ in range(2):
                await bounded.send(SessionMessage(NOTICE))
            assert began + UNREAD_SECONDS <= scope[ANSWERED_BY] <= anyio.current_time() + UNREAD_SECONDS

            for other in OTHERS:
                await unread.sending(other)
            await unread.sending(EVENT)
            assert scope[ANSWERED_BY] < math.inf
            await unread.sending(EVENT)
            assert scope[ANSWERED_BY] == math.inf
            await unread.sending(EVENT)

    assert stream.sent == [NOTICE, NOTICE]
    assert stream.is_closed


async def test_one_message_too_many_is_dropped_and_ends_the_connection() -> None:
    scope, stream = dict[str, Any](), Stream()
    with Unread(scope, read, None) as unread:
        bounded = unread.bounded(stream)
        for _ in range(MOST_UNREAD):
            await bounded.send(SessionMessage(NOTICE))
        assert anyio.current_time() < scope[ANSWERED_BY]
        await bounded.send(SessionMessage(NOTICE))

        assert anyio.current_time() > scope[ANSWERED_BY]
        assert len(stream.sent) == MOST_UNREAD


async def test_a_message_whose_sending_is_cut_off_waits_no_longer_and_gives_its_place_back() -> None:
    scope, hosting = dict[str, Any](), Hosting([OfAnybody()], Challenges(None), uses=Uses(CallerLimits(films=1)))
    writer, reader = anyio.create_memory_object_stream[SessionMessage](0)
    with Unread(scope, read, hosting) as unread, reader:
        async with unread.bounded(writer) as bounded:
            with anyio.move_on_after(0):
                await bounded.send(SessionMessage(film()))
            assert scope[ANSWERED_BY] == math.inf
            with hosting.uses.holding("", "film"):
                pass


@pytest.mark.parametrize("is_read", [True, False])
async def test_a_film_that_waits_takes_its_callers_place_until_it_was_read_or_its_stream_ends(*, is_read: bool) -> None:
    hosting = Hosting([OfAnybody()], Challenges(None), uses=Uses(CallerLimits(films=1)))
    stream = Stream()
    with Unread({}, read, hosting) as unread:
        bounded = unread.bounded(stream)
        for message in (film(1), NOTICE, film(2)):
            await bounded.send(SessionMessage(message))
        assert stream.sent[:2] == [film(1), NOTICE]
        refused = stream.sent[2]
        assert isinstance(refused, JSONRPCError)
        assert (refused.id, "Too many requests" in refused.error.message) == (2, True)
        if is_read:
            await unread.sending(EVENT)
            await bounded.send(SessionMessage(film(3)))
            assert stream.sent[3] == film(3)
    with hosting.uses.holding("", "film"):
        pass


@pytest.mark.parametrize(
    "result", [{}, {"contents": []}, {"contents": [{"uri": "u", "mimeType": "video/mp4", "text": "t"}]}, {"tools": []}]
)
async def test_other_answers_take_no_place(result: dict[str, Any]) -> None:
    hosting = Hosting([OfAnybody()], Challenges(None), uses=Uses(CallerLimits(films=0)))
    message = JSONRPCResponse(jsonrpc="2.0", id=1, result=result)
    with hosting.waiting({}, message) as told:
        assert told is message
