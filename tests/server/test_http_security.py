from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from runway_mcp import __version__
from runway_mcp.server.transport.http import MAX_BODY, create_app
from runway_mcp.server.transport.security import OneToken, refusal_to_listen
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
        ("origin", "https://evil.example.com", 403),
        ("origin", "http://localhost.example.com", 403),
        ("origin", "null", 403),
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
    ],
)
def test_the_names_of_this_machine_and_the_allowed_ones_are_taken(
    allowed: tuple[str, ...], headers: dict[str, str], status: int
) -> None:
    with client(allowed_hosts=allowed) as http:
        assert http.post("/mcp", json=PING, headers={**JSON, **headers}).status_code == status


@pytest.mark.parametrize("path", ["/mcp", "/messages/"])
def test_a_body_beyond_the_limit_is_refused(path: str) -> None:
    with client() as http:
        assert http.post(path, content=b" " * (MAX_BODY + 1), headers=JSON).status_code == 413


@pytest.mark.parametrize(
    ("host", "token", "allowed", "named"),
    [
        ("127.0.0.1", None, (), ()),
        ("::1", None, (), ()),
        (ANYWHERE, "t", ("a",), ()),
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
