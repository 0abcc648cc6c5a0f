from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from runway_mcp.doctor.callbacks import ask_callbacks, check_callbacks
from runway_mcp.doctor.finding import Finding
from runway_mcp.runway.http.answers import Answer
from runway_mcp.server.app import create_server
from runway_mcp.server.transport.http import create_app
from runway_mcp.server.transport.security import OneToken
from runway_mcp.tasks.callbacks import NO_TOKEN, UNKNOWN
from tests.doctor.world import found, variables
from tests.kit.server import settings
from tests.kit.upstream import URL

PUBLIC = "https://films.example/runway"
PUBLIC_ROOT = "https://films.example"
WELL = httpx.Response(404, text=UNKNOWN)


async def told_of(answer: httpx.Response, folder: Path, url: str = PUBLIC) -> tuple[Finding, list[httpx.Request]]:
    """What is told of an address that answers so, and the requests that went there."""
    requests: list[httpx.Request] = []

    def answered(request: httpx.Request) -> httpx.Response:
        if str(request.url).startswith(URL):
            return httpx.Response(401, json={"error": "Unauthorized"})
        requests.append(request)
        return answer

    findings = await found(variables(folder, RUNWAY_MCP_PUBLIC_URL=url), httpx.MockTransport(answered))
    return findings["callbacks"], requests


async def test_an_address_that_leads_here_is_ok_and_gets_no_token(tmp_path: Path) -> None:
    finding, (request,) = await told_of(WELL, tmp_path)

    assert finding.status == "ok"
    assert (request.method, str(request.url)) == ("POST", f"{PUBLIC}/callbacks/{NO_TOKEN}")
    assert "authorization" not in request.headers
    assert request.content == b"{}"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(502, text="bad gateway"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, text=UNKNOWN),
        httpx.Response(404),
        httpx.Response(404, text="Not Found"),
        httpx.Response(404, text=f"<p>{UNKNOWN}"),
        httpx.Response(405, text="Method Not Allowed"),
    ],
)
async def test_an_address_that_leads_elsewhere_is_warned_of(answer: httpx.Response, tmp_path: Path) -> None:
    finding, _ = await told_of(answer, tmp_path)

    assert finding.status == "warning"
    assert "not as this program" in finding.message
    assert "/callbacks/" in (finding.remedy or "")


async def test_an_address_of_this_machine_alone_is_warned_of(tmp_path: Path) -> None:
    finding, _ = await told_of(WELL, tmp_path, "http://127.0.0.1:8000")

    assert finding.status == "warning"
    assert "useapi.net cannot reach" in finding.message


async def test_an_address_that_does_not_answer_is_warned_of(tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    findings = await found(variables(tmp_path, RUNWAY_MCP_PUBLIC_URL=PUBLIC), httpx.MockTransport(refuse))

    assert findings["callbacks"].status == "warning"
    assert "cannot be reached from here" in findings["callbacks"].message


async def test_a_server_of_this_program_is_known_by_its_answer_whatever_access_it_asks_for(tmp_path: Path) -> None:
    server = create_server(settings(tmp_path, token=None))
    app = create_app(server, verifier=OneToken(SecretStr("an-access-token-of-some-length")))
    async with app.router.lifespan_context(app):
        answer = await ask_callbacks(PUBLIC_ROOT, httpx.ASGITransport(app))

    assert isinstance(answer, Answer)
    assert check_callbacks(PUBLIC_ROOT, answer).status == "ok"
