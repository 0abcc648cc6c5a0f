"""Whose a request is: tokens and what a verifier says of them, sessions, and state that clients carry."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.sse import sse_client
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequestParams, ElicitResult, InputRequiredResult
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.testclient import TestClient

from runway_mcp.server.context import caller_named
from runway_mcp.server.transport.http import create_app
from runway_mcp.server.transport.security import OneToken, access_guard, host_rules
from tests.server.callers import ANA, BOB, BY_TOKEN, ana_and_bob, headers_of, hosted
from tests.server.toy import served, toy

OLD = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": "2025-11-25",
}
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
}
LIST: dict[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
ACCEPTS = ElicitResult(action="accept", content={"ok": True})


@contextmanager
def an_app(verifier: TokenVerifier) -> Generator[TestClient]:
    app = create_app(toy(), transport="sse", verifier=verifier)
    with TestClient(app, base_url="http://127.0.0.1:8000") as http:
        yield http


# --- tokens


class Witness(TokenVerifier):
    """Takes every token until a time, and remembers which it was shown."""

    def __init__(self, expires_at: int | None = None) -> None:
        self.shown: list[str] = []
        self._expires_at = expires_at

    async def verify_token(self, token: str) -> AccessToken | None:
        self.shown.append(token)
        return AccessToken(token=token, client_id=ANA, scopes=[], expires_at=self._expires_at)


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [("authorization", "Basic c2VjcmV0OnNlY3JldA==")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer  ")],
        [("authorization", "ana-token")],
        [("authorization", "Bearer ana-token"), ("authorization", "Bearer bob-token")],
        [("authorization", "Bearer ana-token"), ("authorization", "Bearer ana-token")],
    ],
)
def test_a_verifier_is_shown_nothing_but_the_one_bearer_token_of_a_request(sent: list[tuple[str, str]]) -> None:
    witness = Witness()
    with an_app(witness) as http:
        assert http.post("/mcp", json=LIST, headers=[*OLD.items(), *sent]).status_code == 401

        assert witness.shown == []
        assert http.post("/mcp", json=LIST, headers=OLD | headers_of(ANA)).status_code == 200
        assert witness.shown == ["ana-token"]


@pytest.mark.parametrize(("expires_at", "status"), [(None, 200), (1000, 401), (1001, 200), (0, 401)])
def test_a_token_that_has_expired_is_none(expires_at: int | None, status: int) -> None:
    guarded = access_guard(
        Starlette(), verifier=Witness(expires_at), rules=host_rules(("testserver",)), now=lambda: 1000.5
    )
    with TestClient(guarded) as http:
        answer = http.get("/mcp", headers=headers_of(ANA))

    # Behind the guard is nothing here.
    assert answer.status_code == (404 if status == 200 else status)


@pytest.mark.parametrize(
    ("token", "caller"),
    [
        ({"client_id": "ana"}, "ana"),
        ({"client_id": ""}, ""),
        ({"client_id": "a-host", "subject": "ana"}, '[null, "ana"]'),
        ({"client_id": "a-host", "subject": "ana", "claims": {"iss": "https://one"}}, '["https://one", "ana"]'),
        ({"client_id": "another", "subject": "ana", "claims": {"iss": "https://one"}}, '["https://one", "ana"]'),
        ({"client_id": "a-host", "subject": "ana", "claims": {"iss": "https://two"}}, '["https://two", "ana"]'),
        ({"client_id": "a-host", "claims": {"iss": "https://one"}}, "a-host"),
    ],
)
def test_a_caller_is_the_subject_of_a_token_whatever_host_acts_for_it_and_else_its_client(
    token: dict[str, Any], caller: str
) -> None:
    assert caller_named(AccessToken(token="", scopes=[], **token)) == caller


async def test_the_one_access_token_has_no_caller() -> None:
    verified = await OneToken(SecretStr("let-me-in")).verify_token("let-me-in")

    assert verified is not None
    assert caller_named(verified) == ""


# --- sessions


def test_a_session_of_one_caller_does_not_exist_for_another() -> None:
    with an_app(BY_TOKEN) as http:
        opened = http.post("/mcp", json=INITIALIZE, headers=OLD | headers_of(ANA))
        session, unknown = opened.headers["mcp-session-id"], "0" * 32

        for method, body in (("POST", LIST), ("GET", None), ("DELETE", None), ("POST", INITIALIZE)):
            refused, lost = (
                http.request(method, "/mcp", json=body, headers=OLD | headers_of(BOB) | {"mcp-session-id": each})
                for each in (session, unknown)
            )
            assert (refused.status_code, refused.content) == (404, lost.content)
        own = http.post("/mcp", json=LIST, headers=OLD | headers_of(ANA) | {"mcp-session-id": session})
        assert own.status_code == 200


async def test_a_connection_of_http_with_sse_takes_messages_of_its_own_caller_alone(tmp_path: Path) -> None:
    async with hosted(tmp_path, path="/sse") as server:
        ids: list[str] = []
        async with sse_client(f"{server.origin}/sse", headers=headers_of(ANA), on_session_created=ids.append):
            for caller, session, status in ((BOB, ids[0], 404), (BOB, "0" * 32, 404), (ANA, ids[0], 202)):
                assert await posted(server.origin, caller, session) == status


async def posted(origin: str, caller: str, session: str) -> int:
    """The status of a message that a caller posts to a connection of HTTP+SSE."""
    async with httpx2.AsyncClient(headers=headers_of(caller)) as http:
        return (await http.post(f"{origin}/messages/?session_id={session}", json=LIST)).status_code


async def test_whether_a_request_of_a_session_is_still_being_answered_is_told_to_nobody_else() -> None:
    hanging = anyio.Event()
    call: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {"name": "hang", "arguments": {}},
    }

    def tell(line: str) -> None:
        if line == "hanging":
            hanging.set()

    with anyio.fail_after(60):
        async with (
            served(toy(tell), verifier=BY_TOKEN) as url,
            httpx2.AsyncClient(headers=OLD | headers_of(ANA), base_url=url) as ana,
            httpx2.AsyncClient(headers=OLD | headers_of(BOB), base_url=url) as bob,
            anyio.create_task_group() as group,
        ):
            session = (await ana.post("/mcp", json=INITIALIZE)).headers["mcp-session-id"]
            for http in (ana, bob):
                http.headers["mcp-session-id"] = session
            group.start_soon(partial(ana.post, "/mcp", json=call, timeout=None))
            await hanging.wait()

            assert (await bob.post("/mcp", json=call)).status_code == 404
            assert (await ana.post("/mcp", json=call)).status_code == 400
            group.cancel_scope.cancel()


# --- state that clients carry


async def asked(client: Any) -> InputRequiredResult:
    """The question that a submit is answered with where the user has to agree."""
    arguments = {"assetId": client.world.asset_id(client.clip)}
    answer = await client.mcp.session.call_tool("extend_video", arguments, allow_input_required=True)
    assert isinstance(answer, InputRequiredResult)
    return answer


async def agreed(client: Any, question: InputRequiredResult) -> Any:
    """The result of the same call with the user's consent, and the state of that question."""
    arguments = {"assetId": client.world.asset_id(client.clip)}
    return await client.mcp.session.call_tool(
        "extend_video", arguments, input_responses={"spend": ACCEPTS}, request_state=question.request_state
    )


async def never(_: object, __: ElicitRequestParams) -> ElicitResult:
    raise AssertionError("the tests answer questions themselves")


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
async def test_consent_to_one_callers_question_is_no_consent_of_another(tmp_path: Path, path: str) -> None:
    async with (
        hosted(tmp_path, path=path, confirm_above=0.0) as server,
        ana_and_bob(server, "auto", elicitation_callback=never) as (ana, bob),
    ):
        question = await asked(ana)

        with pytest.raises(MCPError, match="requestState"):
            await agreed(bob, question)
        assert bob.posts == 0
        assert not (await agreed(ana, question)).is_error
        assert ana.posts == 1
