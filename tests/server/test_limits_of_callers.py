"""How much a hosted server's callers may take, and where their requests end: limits, places, the end of a token."""

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest
from anyio.abc import SocketStream
from mcp.client.session import ClientSession
from mcp.client.sse import sse_client
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.shared.exceptions import MCPError
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from runway_mcp.server.context import ScopedToken
from runway_mcp.server.hosted.admission import Admission
from runway_mcp.server.hosted.challenges import Challenges
from runway_mcp.server.hosted.hosting import Hosting, hosting_of
from runway_mcp.server.hosted.limits import CallerLimits, Stream, TooMany, Uses
from runway_mcp.server.transport.connections import ConnectionLimits
from runway_mcp.server.transport.http import create_app
from runway_mcp.settings import Settings
from tests.server.bare_connections import at, everything, healthy
from tests.server.bare_host import READY, host
from tests.server.doors import LIST, by, of_file
from tests.server.toy import served, toy


@dataclass
class Clock:
    """Seconds that a test sets."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_caller_may_ask_so_often_and_others_as_often_beside_him() -> None:
    clock = Clock()
    uses = Uses(CallerLimits(rate=2.0, burst=3), now=clock)
    for _ in range(3):
        uses.count("ana")
    with pytest.raises(TooMany) as refused:
        uses.count("ana")
    assert refused.value.seconds == pytest.approx(0.5)
    uses.count("bob")

    clock.seconds += 0.5
    uses.count("ana")
    with pytest.raises(TooMany):
        uses.count("ana")
    clock.seconds += 3600
    for _ in range(3):
        uses.count("ana")
    with pytest.raises(TooMany):
        uses.count("ana")


@pytest.mark.parametrize(("stream", "other"), [(None, "get"), ("get", None)])
def test_a_caller_has_so_many_places_and_all_have_so_many_together(stream: Stream | None, other: Stream | None) -> None:
    uses = Uses(CallerLimits(calls=1, streams=1, all_calls=2, all_streams=2))
    with uses.taking("ana", stream):
        with pytest.raises(TooMany), uses.taking("ana", stream):
            pass
        with uses.taking("ana", other), uses.taking("bob", stream):
            with pytest.raises(TooMany), uses.taking("eve", stream):
                pass
            assert (uses.calls(), uses.streams()) == ((1, 2) if stream else (2, 1))
    assert (uses.calls(), uses.streams()) == (0, 0)


def test_a_call_that_becomes_a_stream_takes_a_streams_place() -> None:
    uses = Uses(CallerLimits(streams=1))
    with uses.taking("ana") as taken:
        taken.become_stream()
        taken.become_stream()
        assert (uses.calls(), uses.streams()) == (0, 1)
        assert (uses.streams("listen"), uses.streams("sse")) == (1, 0)
        with uses.taking("ana") as another, pytest.raises(TooMany):
            another.become_stream()
    assert (uses.calls(), uses.streams()) == (0, 0)


def test_above_a_limit_a_host_reads_when_to_try_again(tmp_path: Path) -> None:
    hosting = hosting_of(Settings(data_dir=tmp_path), of_file(tmp_path))
    hosting.uses.limits = CallerLimits(rate=0.001, burst=1)
    with TestClient(create_app(toy(), hosting=hosting), base_url="http://127.0.0.1:8000") as http:
        assert http.post("/mcp", json=LIST, headers=by("ana-token")).status_code == 200
        refused = http.post("/mcp", json=LIST, headers=by("ana-token"))
        assert refused.status_code == 429
        assert 900 <= int(refused.headers["retry-after"]) <= 1000
        assert refused.json()["error"]["message"].startswith("Too many requests")
        assert http.get("/healthz").status_code == 200


async def test_a_request_over_a_limit_keeps_no_connection_and_one_that_has_its_place_does() -> None:
    hosting = Hosting([Changing()], Challenges(None), uses=Uses(CallerLimits(rate=0.001, burst=1)))
    crowded = ConnectionLimits(most=2)
    async with served(toy(), hosting=hosting, limits=crowded) as url, at(url) as placed, at(url) as refused:
        assert b" 200 " in await listed(placed)
        assert b" 429 " in await listed(refused)
        async with at(url) as newcomer:
            await healthy(newcomer)
            assert await everything(refused) == b""
            assert b" 429 " in await listed(placed)


async def listed(connection: SocketStream) -> bytes:
    """The head of the answer to a request on a connection."""
    body = json.dumps(LIST).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in by("t").items())
    head += f"host: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    await connection.send(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body)
    return await connection.receive()


# --- the end of a token


@dataclass
class Changing(TokenVerifier):
    """Takes any token until it is told not to."""

    verified: AccessToken | None = field(
        default_factory=lambda: ScopedToken(token="", client_id="ana", scopes=["read"])
    )

    async def verify_token(self, token: str) -> AccessToken | None:
        return self.verified if token else None


@pytest.mark.parametrize(
    ("then", "status"),
    [
        (None, 401),
        (ScopedToken(token="", client_id="bob", scopes=["read"]), 401),
        (ScopedToken(token="", client_id="ana", scopes=["read"], expires_at=1), 401),
        (ScopedToken(token="", client_id="ana", scopes=["read"]), 200),
    ],
)
async def test_a_request_ends_with_its_token(then: AccessToken | None, status: int) -> None:
    verifier, waiting, go_on = Changing(), anyio.Event(), anyio.Event()

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        waiting.set()
        await go_on.wait()
        await PlainTextResponse("done")(scope, receive, send)

    admission = Admission(verifier, Challenges(None), Uses())
    assert verifier.verified is not None
    headers = [(b"authorization", b"Bearer t")]
    scope: dict[str, Any] = {"type": "http", "headers": headers, "method": "POST", "path": "/mcp", "query_string": b""}
    scope["user"] = AuthenticatedUser(verifier.verified)
    sent: list[Any] = []

    async def receive() -> Any:
        await anyio.sleep_forever()

    async def request() -> None:
        await admission.admitting(endpoint)(scope, receive, send)

    async def send(message: Any) -> None:
        sent.append(message)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(request)
            await waiting.wait()
            verifier.verified = then
            await admission.end_expired()
            go_on.set()
    assert sent[0]["status"] == status


async def test_the_stream_of_an_expired_token_ends_in_order() -> None:
    verifier = Changing()
    hosting = Hosting([verifier], Challenges(None))
    hanging = anyio.Event()

    def tell(line: str) -> None:
        if line == "hanging":
            hanging.set()

    async with served(toy(tell), hosting=hosting) as url, httpx2.AsyncClient(timeout=60) as http:
        calling: dict[str, Any] = {**LIST, "method": "tools/call", "params": {"name": "hang", "arguments": {}}}
        answers: list[httpx2.Response] = []

        async def hang() -> None:
            answers.append(await http.post(f"{url}/mcp", json=calling, headers=by("t")))

        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(hang)
                await hanging.wait()
                verifier.verified = None
                await hosting.admission.end_expired()
        assert len(answers) == 1
        assert (await http.post(f"{url}/mcp", json=LIST, headers=by("t"))).status_code == 401


# --- calls that their clients have left


def test_a_call_that_was_left_keeps_its_place_until_it_ends() -> None:
    uses = Uses(CallerLimits(calls=1))
    with ExitStack() as call:
        with uses.taking("ana") as taken:
            call.enter_context(taken.running())
        with uses.taking("ana") as another:
            with pytest.raises(TooMany), another.running():
                pass
            with uses.taking("bob") as others, others.running():
                assert uses.calls() == 3
    assert uses.calls() == 0
    with uses.taking("ana") as taken, taken.running():
        pass
    with taken.running():
        assert uses.calls() == 1
        with uses.taking("ana") as another, pytest.raises(TooMany), another.running():
            pass
    with uses.taking("ana"), pytest.raises(TooMany), taken.running():
        pass
    assert uses.calls() == 0


CALLED: dict[str, Any] = {**LIST, "method": "tools/call", "params": {"name": "hang", "arguments": {}}}
CANCELLED: dict[str, Any] = {
    "jsonrpc": "2.0",
    "method": "notifications/cancelled",
    "params": {"requestId": 1, "reason": "left"},
}


async def test_a_call_in_a_session_counts_until_it_ends_though_its_client_is_gone() -> None:
    hosting = Hosting([Changing()], Challenges(None), uses=Uses(CallerLimits(calls=1)))
    calls = Calls()
    async with served(toy(calls.tell), hosting=hosting) as url, host(url, authorization="Bearer t") as client:
        session = await client.open()
        await client.http.post("/mcp", json=READY, headers=session)
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(partial(client.http.post, "/mcp", json=CALLED, headers=session))
            await calls.hanging.wait()
            leaving.cancel_scope.cancel()
        await until_free(hosting.uses)

        refused = await client.http.post("/mcp", json=CALLED | {"id": 2}, headers=session)
        assert refused.status_code == 429
        assert (await client.http.post("/mcp", json=CANCELLED, headers=session)).status_code == 202
        await calls.let_go.wait()
        assert await client.lives(session)


async def test_a_call_over_http_with_sse_counts_until_it_ends() -> None:
    hosting = Hosting([Changing()], Challenges(None), uses=Uses(CallerLimits(calls=1)))
    calls = Calls()
    headers = {"authorization": "Bearer t"}
    async with served(toy(calls.tell), transport="sse", hosting=hosting) as url:
        async with (
            sse_client(f"{url}/sse", headers=headers) as streams,
            ClientSession(*streams) as session,
            anyio.create_task_group() as group,
        ):
            await session.initialize()
            group.start_soon(session.call_tool, "hang")
            await calls.hanging.wait()
            with pytest.raises(MCPError, match="Too many requests"):
                await session.call_tool("count", {})
            assert hosting.uses.calls() == 1
            group.cancel_scope.cancel()
        await calls.let_go.wait()


@dataclass
class Calls:
    """What a toy tells of its calls that never return."""

    hanging: anyio.Event = field(default_factory=anyio.Event)
    let_go: anyio.Event = field(default_factory=anyio.Event)

    def tell(self, line: str) -> None:
        if line in ("hanging", "let go"):
            (self.hanging if line == "hanging" else self.let_go).set()


async def until_free(uses: Uses) -> None:
    """Returns once the caller's next request finds a place at the door, because the server knows that one was left."""
    while True:
        try:
            with uses.taking("ana"):
                return
        except TooMany:
            await anyio.lowlevel.checkpoint()
