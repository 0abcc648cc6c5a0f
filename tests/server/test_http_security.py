from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from mcp.server.auth.provider import AccessToken, TokenVerifier
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from runway_mcp import __version__
from runway_mcp.server.transport.connections import ADMITTED
from runway_mcp.server.transport.http import MAX_BODY, create_app
from runway_mcp.server.transport.security import (
    CannotVerify,
    OneToken,
    Refusals,
    access_guard,
    host_rules,
    refusal_to_listen,
)
from tests.server.toy import toy

TOKEN = "let-me-in"
ANYWHERE = "0.0.0.0"  # noqa: S104 - only named here, nothing listens
JSON = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
PING: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
DOORS = [("POST", "/mcp"), ("GET", "/mcp"), ("DELETE", "/mcp"), ("GET", "/sse"), ("POST", "/messages/"), ("GET", "/x")]


@contextmanager
def client(*, token: str | None = None, allowed_hosts: tuple[str, ...] = ()) -> Generator[TestClient]:
    verifier = None if token is None else OneToken(SecretStr(token))
    app = create_app(toy(), transport="sse", verifier=verifier, allowed_hosts=allowed_hosts)
    with TestClient(app, base_url="http://127.0.0.1:8000") as it:
        yield it


def test_health_is_open_and_tells_nothing_but_that_and_the_version() -> None:
    with client(token=TOKEN) as http:
        answer = http.get("/healthz", headers={"host": "10.0.0.5", "origin": "https://example.com"})

        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "version": __version__})
        assert http.post("/healthz").status_code == 405


@pytest.mark.parametrize(("method", "path"), DOORS)
@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"authorization": TOKEN},
        {"authorization": "Bearer"},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": "Bearer tökën"},
        {"x-token": TOKEN},
    ],
)
def test_with_a_token_set_no_door_opens_without_it_and_nothing_else_is_looked_at(
    method: str, path: str, sent: dict[str, str]
) -> None:
    headers = [(b"host", b"evil.example.com"), *((name.encode(), value.encode()) for name, value in sent.items())]

    with client(token=TOKEN) as http:
        answer = http.request(method, path, headers=headers, content=b"{" * (MAX_BODY + 1))

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_with_the_token_the_door_opens(scheme: str) -> None:
    with client(token=TOKEN) as http:
        answer = http.post("/mcp", json=PING, headers={**JSON, "authorization": f"{scheme} {TOKEN}"})

    assert answer.status_code == 200


def test_two_authorization_headers_are_none() -> None:
    twice = [("authorization", f"Bearer {TOKEN}")] * 2

    with client(token=TOKEN) as http:
        assert http.post("/mcp", json=PING, headers=[*JSON.items(), *twice]).status_code == 401


@pytest.mark.parametrize(("method", "path"), DOORS)
@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("host", "evil.example.com", 421),
        ("host", "127.0.0.1.example.com:8000", 421),
        ("host", "", 421),
        ("host", "localhost:evil.com", 421),
        ("host", "localhost:", 421),
        ("host", "localhost:0", 421),
        ("host", "localhost:65536", 421),
        ("host", "localhost:80:80", 421),
        ("host", "evil@localhost", 421),
        ("host", "localhost/x", 421),
        ("host", "localhost.", 421),
        ("host", "localhost, localhost", 421),
        ("origin", "https://evil.example.com", 403),
        ("origin", "http://localhost.example.com", 403),
        ("origin", "null", 403),
        ("origin", "", 403),
        ("origin", "localhost", 403),
        ("origin", "http://localhost:evil.com", 403),
        ("origin", "http://localhost:80@evil.com", 403),
        ("origin", "http://localhost/", 403),
        ("origin", "http://localhost http://localhost", 403),
        ("origin", "file://localhost", 403),
        ("sec-fetch-site", "cross-site", 403),
    ],
)
def test_a_strange_host_or_origin_is_refused_at_every_door(
    method: str, path: str, header: str, value: str, status: int
) -> None:
    with client() as http:
        assert http.request(method, path, headers={**JSON, header: value}).status_code == status


@pytest.mark.parametrize(
    ("allowed", "headers", "status"),
    [
        ((), {"host": "localhost"}, 200),
        ((), {"host": "localhost:6274", "origin": "http://localhost:6274"}, 200),
        ((), {"host": "[::1]:80"}, 200),
        ((), {"host": "0.0.0.0:8000"}, 421),
        (("mcp.example.com",), {"host": "localhost:1"}, 200),
        (("mcp.example.com",), {"host": "MCP.example.com"}, 200),
        (("mcp.example.com",), {"host": "mcp.example.com:443", "origin": "https://mcp.example.com"}, 200),
        (("mcp.example.com",), {"host": "mcp.example.com", "origin": "https://a.example.com"}, 403),
        (("mcp.example.com",), {"host": "a.example.com"}, 421),
        (("mcp.example.com:443",), {"host": "mcp.example.com:443"}, 200),
        (("mcp.example.com:443",), {"host": "mcp.example.com:80"}, 421),
        (("[fe80::1]",), {"host": "[fe80::1]:8000"}, 200),
        (("mcp.example.com:443",), {"host": "mcp.example.com:443", "origin": "https://mcp.example.com"}, 200),
        (("mcp.example.com:443",), {"host": "mcp.example.com:443", "origin": "http://mcp.example.com"}, 403),
        ((), {"host": "LocalHost:1", "origin": "HTTP://LOCALHOST:1"}, 200),
        ((), {"host": "localhost", "origin": "http://localhost", "sec-fetch-site": "cross-site"}, 200),
        ((), {"host": "localhost", "sec-fetch-site": "same-origin"}, 200),
        ((), {"host": "localhost", "sec-fetch-site": "none"}, 200),
    ],
)
def test_the_names_of_this_machine_and_the_allowed_ones_are_taken(
    allowed: tuple[str, ...], headers: dict[str, str], status: int
) -> None:
    with client(allowed_hosts=allowed) as http:
        assert http.post("/mcp", json=PING, headers={**JSON, **headers}).status_code == status


@pytest.mark.parametrize("name", ["host", "origin"])
def test_two_hosts_or_origins_are_refused_even_if_each_would_do(name: str) -> None:
    value = {"host": "localhost:8000", "origin": "http://localhost:8000"}[name]
    twice = [("host", "localhost:8000")] * (name == "origin") + [(name, value)] * 2

    with client() as http:
        assert http.post("/mcp", json=PING, headers=[*JSON.items(), *twice]).status_code in {421, 403}


@pytest.mark.parametrize(
    "path", ["/mcp/", "/sse/", "/healthz/", "/messages", "http://127.0.0.1:8000//evil.example.com/mcp", "/mcp//"]
)
def test_no_path_redirects(path: str) -> None:
    with client() as http:
        answer = http.post(path, json=PING, headers=JSON, follow_redirects=False)

    assert answer.status_code == {"/mcp/": 200, "/sse/": 405}.get(path, 404)
    assert "location" not in answer.headers


def test_refused_tokens_are_logged_without_what_they_were(caplog: pytest.LogCaptureFixture) -> None:
    with client(token=TOKEN) as http:
        http.post("/mcp?secret-query", json=PING, headers={"authorization": "Bearer almost-right"})
        http.post("/mcp?secret-query", json=PING)

    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == [
        "a request from testclient was refused: its access token is wrong",
        "a request from testclient was refused: it has no access token",
    ]


async def test_refused_tokens_wait_the_longer_the_more_there_were_and_never_longer_than_half_a_second() -> None:
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    guarded = access_guard(Starlette(), verifier=OneToken(SecretStr(TOKEN)), rules=host_rules(()), pause=pause)
    transport = httpx.ASGITransport(guarded)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        for _ in range(30):
            assert (await http.get("/mcp", headers={"authorization": "Bearer wrong"})).status_code == 401
        assert (await http.get("/mcp", headers={"authorization": f"Bearer {TOKEN}"})).status_code == 404

    assert len(waited) == 30
    assert waited[0] == pytest.approx(0.05)
    assert waited[-1] == 0.5
    assert waited == sorted(waited)


@pytest.mark.parametrize(
    ("path", "sent", "verifier", "is_admitted"),
    [
        ("/mcp", {"authorization": f"Bearer {TOKEN}"}, OneToken(SecretStr(TOKEN)), True),
        ("/mcp", {}, OneToken(SecretStr(TOKEN)), None),
        ("/.well-known/x", {}, OneToken(SecretStr(TOKEN)), False),
        ("/.well-known/x", {"authorization": f"Bearer {TOKEN}"}, OneToken(SecretStr(TOKEN)), False),
        ("/mcp", {}, None, True),
        ("/.well-known/x", {}, None, True),
    ],
)
async def test_what_is_told_to_all_keeps_no_connection(
    path: str, sent: dict[str, str], verifier: OneToken | None, *, is_admitted: bool | None
) -> None:
    seen: list[Scope] = []
    guarded = access_guard(Starlette(), verifier=verifier, rules=host_rules(()), told_to_all="/.well-known/")

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await guarded(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://localhost") as http:
        await http.get(path, headers=sent)

    assert [scope.get(ADMITTED) for scope in seen] == [is_admitted]


async def test_where_the_app_says_which_requests_keep_their_connection_the_guard_does_not() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await Starlette()(scope, receive, send)

    guarded = access_guard(app, verifier=OneToken(SecretStr(TOKEN)), rules=host_rules(()), admits=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://localhost") as http:
        await http.get("/mcp", headers={"authorization": f"Bearer {TOKEN}"})

    assert [ADMITTED in scope for scope in seen] == [False]


@pytest.mark.parametrize(("seconds", "told"), [(59.2, "60"), (0.0, "1")])
async def test_where_a_token_cannot_be_verified_yet_it_is_told_when_it_may_be(seconds: float, told: str) -> None:
    class Unable(TokenVerifier):
        async def verify_token(self, token: str) -> AccessToken | None:
            assert token == TOKEN
            raise CannotVerify(seconds)

    guarded = access_guard(Starlette(), verifier=Unable(), rules=host_rules(()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://localhost") as http:
        answer = await http.get("/mcp", headers={"authorization": f"Bearer {TOKEN}"})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, told)


def test_refused_tokens_are_forgotten() -> None:
    times = iter([0.0, 0.0, 0.0, 300.0])
    refusals = Refusals(lambda: next(times))

    waits = [refusals.seconds() for _ in range(3)]

    assert waits == [pytest.approx(0.05), pytest.approx(0.1), pytest.approx(0.05, rel=0.01)]


@pytest.mark.parametrize("path", ["/mcp", "/messages/"])
def test_a_body_beyond_the_limit_is_refused(path: str) -> None:
    with client() as http:
        assert http.post(path, content=b" " * (MAX_BODY + 1), headers=JSON).status_code == 413


@pytest.mark.parametrize(
    ("host", "token", "allowed", "named"),
    [
        ("127.0.0.1", None, (), ()),
        ("::1", None, (), ()),
        ("127.0.0.1", "t", (), ()),
        (ANYWHERE, "t" * 16, ("a",), ()),
        (ANYWHERE, "t" * 15, ("a",), ("RUNWAY_MCP_ACCESS_TOKEN must have at least 16 characters",)),
        (ANYWHERE, None, (), ("RUNWAY_MCP_ACCESS_TOKEN", "RUNWAY_MCP_ALLOWED_HOSTS")),
        ("::", "t", (), ("RUNWAY_MCP_ALLOWED_HOSTS",)),
        ("mcp.example.com", None, ("a",), ("RUNWAY_MCP_ACCESS_TOKEN",)),
    ],
)
def test_beyond_this_machine_the_server_wants_a_token_and_its_names(
    host: str, token: str | None, allowed: tuple[str, ...], named: tuple[str, ...]
) -> None:
    secret = None if token is None else SecretStr(token)

    refusal = refusal_to_listen(host, access_token=secret, allowed_hosts=allowed)

    assert bool(refusal) == bool(named)
    assert all(name in str(refusal) for name in named)


def test_callbacks_need_neither_token_nor_name_and_an_address_that_nobody_gave_out_is_none() -> None:
    with client(token=TOKEN) as http:
        answer = http.post("/callbacks/" + "x" * 32, json={"status": "SUCCEEDED"}, headers={"host": "a.example.com"})

        assert answer.status_code == 404
        assert http.get("/callbacks/x", headers={"host": "a.example.com"}).status_code == 405
