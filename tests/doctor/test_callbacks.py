from pathlib import Path

import httpx
import pytest

from runway_mcp.doctor.finding import Finding
from tests.doctor.world import found, variables
from tests.kit.upstream import URL

PUBLIC = "https://films.example/runway"
WELL = httpx.Response(200, json={"status": "ok", "version": "1.2.3"})


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
    assert (request.method, str(request.url)) == ("GET", f"{PUBLIC}/healthz")
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(502, text="bad gateway"), httpx.Response(200, text="<html>"), httpx.Response(200, json=["ok"])],
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
