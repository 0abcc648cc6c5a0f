"""A hosted server's doors: challenges, what is told of an issuer, limits, readiness, the end of a token."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel
import httpx2
import pytest
from mcp.client.session import ClientSession
from mcp.client.sse import sse_client
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.shared.exceptions import MCPError
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from runway_mcp.callers import CallersFile, hash_of
from runway_mcp.server.context import ScopedToken
from runway_mcp.server.hosted.admission import Admission
from runway_mcp.server.hosted.challenges import Challenges
from runway_mcp.server.hosted.hosting import Hosting, hosting_of, spends
from runway_mcp.server.hosted.limits import CallerLimits, Stream, TooMany, Uses
from runway_mcp.server.transport.http import create_app
from runway_mcp.settings import Settings
from tests.server.bare_host import READY, host
from tests.server.issuer import AUDIENCE, ISSUER, Issuer, claims, signed
from tests.server.toy import served, toy

HOST = "runway.example.com"
METADATA = f"https://{HOST}/.well-known/oauth-protected-resource/mcp"
LIST: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
OLD = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}


def by(token: str) -> dict[str, str]:
    return OLD | {"authorization": f"Bearer {token}"}


def of_file(folder: Path) -> CallersFile:
    """A file of one caller, whose token is `ana-token`."""
    path = folder / "callers.toml"
    entry = f'[[callers]]\nname = "ana"\ntoken_sha256 = "{hash_of("ana-token")}"\n'
    path.write_text(entry, encoding="utf-8")
    return CallersFile(path, hide=lambda _: None)


@contextmanager
def doors(folder: Path, issuer: Issuer | None, **fields: Any) -> Generator[TestClient]:
    """A client of a toy with a file of callers and, if there is one, an issuer."""
    told = {} if issuer is None else {"issuer": ISSUER, "audience": AUDIENCE}
    settings = Settings.model_validate({"data_dir": folder, **told, **fields})
    hosting = hosting_of(settings, of_file(folder), transport=issuer)
    app = create_app(toy(), hosting=hosting, allowed_hosts=(HOST,))
    with TestClient(app, base_url=f"https://{HOST}", follow_redirects=False) as http:
        yield http


# --- challenges


def test_without_an_issuer_the_challenge_says_nothing_and_there_is_nothing_to_discover(tmp_path: Path) -> None:
    with doors(tmp_path, None) as http:
        assert http.post("/mcp", json=LIST, headers=OLD).headers["www-authenticate"] == "Bearer"
        refused = http.post("/mcp", json=LIST, headers=by("wrong"))
        assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        for path in ("oauth-protected-resource", "oauth-protected-resource/mcp", "oauth-authorization-server"):
            nothing = http.get(f"/.well-known/{path}")
            assert (nothing.status_code, nothing.json()) == (404, {"error": "not_found"})
        assert http.post("/token/mcp", json=LIST, headers=by("ana-token")).status_code == 404


def test_with_an_issuer_the_challenge_leads_to_what_a_client_needs(tmp_path: Path) -> None:
    with doors(tmp_path, Issuer()) as http:
        first = http.post("/mcp", json=LIST, headers=OLD)
        assert first.status_code == 401
        assert first.headers["www-authenticate"] == f'Bearer resource_metadata="{METADATA}", scope="read spend"'
        wrong = http.post("/mcp", json=LIST, headers=by(signed(claims(aud="https://elsewhere.example.com"))))
        assert wrong.status_code == 401
        assert wrong.headers["www-authenticate"].startswith('Bearer error="invalid_token", resource_metadata=')

        told = http.get(METADATA)
        assert told.status_code == 200
        assert told.json() == {
            "resource": f"https://{HOST}/mcp",
            "authorization_servers": [ISSUER],
            "scopes_supported": ["read", "spend"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Runway by useapi.net",
        }
        assert http.get(METADATA, headers={"host": "evil.example.com"}).status_code == 421
        assert http.post("/mcp", json=LIST, headers=by(signed())).status_code == 200


@pytest.mark.parametrize("host", ["[", "[x", "]", "[::1", "a]b", "[::1]x", "[1.2]", 'a"b', "\u2100.example.com"])
def test_a_host_that_is_none_is_refused_like_any_other_without_a_token(tmp_path: Path, host: str) -> None:
    with doors(tmp_path, Issuer()) as http:
        headers = [(b"host", host.encode())]
        assert http.post("/mcp", content=b"{}", headers=headers).status_code == 401
        assert http.get(METADATA, headers=headers).status_code == 421


def test_the_address_that_is_told_is_the_public_one(tmp_path: Path) -> None:
    with doors(tmp_path, Issuer(), public_url="https://public.example.com/runway") as http:
        challenge = http.post("/mcp", json=LIST, headers=OLD).headers["www-authenticate"]
        known = "https://public.example.com/.well-known/oauth-protected-resource/runway/mcp"

        assert f'resource_metadata="{known}"' in challenge
        for path in ("/runway/mcp", "/mcp"):
            told = http.get(f"/.well-known/oauth-protected-resource{path}").json()
            assert told["resource"] == "https://public.example.com/runway/mcp"
        token = signed(claims(aud="https://public.example.com/runway/mcp"))
        assert http.post("/mcp", json=LIST, headers=by(token)).status_code == 200


def test_tokens_of_the_file_have_a_path_that_knows_of_no_issuer(tmp_path: Path) -> None:
    with doors(tmp_path, Issuer()) as http:
        for path in ("/mcp", "/token/mcp"):
            assert http.post(path, json=LIST, headers=by("ana-token")).status_code == 200
        assert http.post("/token/mcp", json=LIST, headers=OLD).headers["www-authenticate"] == "Bearer"
        assert http.get("/.well-known/oauth-protected-resource/token/mcp").status_code == 404
        assert http.get("/.well-known/oauth-protected-resource").status_code == 404


def call(dry_run: object = None, *, tool: str = "extend_video") -> dict[str, Any]:
    arguments = {"assetId": "a"} | ({} if dry_run is None else {"dry_run": dry_run})
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def test_a_client_whose_token_may_not_spend_is_led_to_one_that_may(tmp_path: Path) -> None:
    with doors(tmp_path, Issuer()) as http:
        reads, nothing = by(signed(claims(scope="read"))), by(signed(claims(scope="openid")))
        refused = http.post("/mcp", json=call(), headers=reads)
        assert refused.status_code == 403
        challenge = refused.headers["www-authenticate"]
        wanted = f'Bearer error="insufficient_scope", resource_metadata="{METADATA}", scope="read spend"'
        assert challenge == wanted
        assert refused.json()["error"]["message"] == "The access token lacks the scope: read spend"
        assert http.post("/mcp", json=call(dry_run=True), headers=reads).status_code == 200
        assert 'scope="read"' in http.post("/mcp", json=LIST, headers=nothing).headers["www-authenticate"]
        # Whoever has a token of the file can get no other one by himself, and is told in the result of the call.
        assert http.post("/mcp", json=call(), headers=by("ana-token")).status_code == 200


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (call(), True),
        (call(dry_run=False), True),
        (call(dry_run="false"), True),
        (call(dry_run=True), False),
        (call(dry_run="yes"), False),
        (call(tool="get_task"), False),
        (LIST, False),
        ({"method": "tools/call"}, False),
        ({"method": "tools/call", "params": {"name": "extend_video", "arguments": []}}, True),
        ({"method": "tools/call", "params": {"name": ["extend_video"]}}, False),
    ],
)
def test_a_call_spends_as_the_tool_reads_it(message: dict[str, Any], *, expected: bool) -> None:
    assert spends(message) is expected


# --- readiness


def test_a_server_is_ready_once_tokens_can_be_judged_and_stays_so(tmp_path: Path) -> None:
    away, there = Issuer(status=500), Issuer()
    with doors(tmp_path, away) as http:
        assert http.get("/readyz").status_code == 503
        assert http.get("/readyz").json() == {"status": "starting", "away": ["keys"]}
        assert http.get("/healthz").status_code == 200
        unclear = http.post("/mcp", json=LIST, headers=by(signed()))
        assert (unclear.status_code, unclear.headers["retry-after"]) == (503, "5")
        assert http.post("/mcp", json=LIST, headers=by("ana-token")).status_code == 200
    with doors(tmp_path, there) as http:
        assert http.post("/mcp", json=LIST, headers=by(signed())).status_code == 200
        there.status = 500
        assert http.get("/readyz").json() == {"status": "ready"}


def test_readiness_ends_when_the_server_drains_and_health_does_not(tmp_path: Path) -> None:
    with doors(tmp_path, None) as http:
        assert http.get("/readyz").json() == {"status": "ready"}
        cast("Any", http.app).state.drain()
        assert (http.get("/readyz").status_code, http.get("/readyz").json()) == (503, {"status": "draining"})
        assert http.get("/healthz").status_code == 200
        assert http.post("/mcp", json=LIST, headers=by("ana-token")).status_code == 200


# --- limits


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

    with anyio.fail_after(5):
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

    async with served(toy(tell), hosting=hosting) as url, httpx2.AsyncClient(timeout=20) as http:
        calling: dict[str, Any] = {**LIST, "method": "tools/call", "params": {"name": "hang", "arguments": {}}}
        answers: list[httpx2.Response] = []

        async def hang() -> None:
            answers.append(await http.post(f"{url}/mcp", json=calling, headers=by("t")))

        with anyio.fail_after(20):
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
