"""A hosted server's doors: challenges, what is told of an issuer, what spends, readiness."""

from pathlib import Path
from typing import Any, cast

import pytest

from runway_mcp.server.hosted.hosting import spends
from runway_mcp.server.hosted.keys import AGAIN_SECONDS
from tests.server.doors import HOST, LIST, METADATA, OLD, by, doors
from tests.server.issuer import ISSUER, Issuer, claims, signed


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
        assert unclear.status_code == 503
        assert 1 <= int(unclear.headers["retry-after"]) <= 2
        assert http.post("/mcp", json=LIST, headers=by("ana-token")).status_code == 200
    with doors(tmp_path, there) as http:
        assert http.post("/mcp", json=LIST, headers=by(signed())).status_code == 200
        there.status = 500
        assert http.get("/readyz").json() == {"status": "ready"}


def test_who_comes_with_a_key_that_is_new_to_the_server_is_asked_to_come_again_and_not_refused(tmp_path: Path) -> None:
    with doors(tmp_path, Issuer()) as http:
        assert http.post("/mcp", json=LIST, headers=by(signed())).status_code == 200

        unclear = http.post("/mcp", json=LIST, headers=by(signed(kid="four")))

        assert unclear.status_code == 503
        assert 2 < int(unclear.headers["retry-after"]) <= AGAIN_SECONDS
        assert "www-authenticate" not in unclear.headers
        assert http.post("/mcp", json=LIST, headers=by(signed(kid="two"))).status_code == 401


def test_readiness_ends_when_the_server_drains_and_health_does_not(tmp_path: Path) -> None:
    with doors(tmp_path, None) as http:
        assert http.get("/readyz").json() == {"status": "ready"}
        cast("Any", http.app).state.drain()
        assert (http.get("/readyz").status_code, http.get("/readyz").json()) == (503, {"status": "draining"})
        assert http.get("/healthz").status_code == 200
        assert http.post("/mcp", json=LIST, headers=by("ana-token")).status_code == 200


# --- limits
