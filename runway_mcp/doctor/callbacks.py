"""Check of the address under which useapi.net calls this program's HTTP server."""

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from runway_mcp.doctor.finding import Finding, ok, warning
from runway_mcp.runway.http.answers import Answer, Lost
from runway_mcp.runway.http.connections import Connections
from runway_mcp.values import is_loopback

if TYPE_CHECKING:
    from runway_mcp.runway.http.exchange import Transport

_HEALTH: Final = "/healthz"
_PASS_ON: Final = (
    "start `serve --transport http`, and let whatever stands in front of it pass /callbacks/ and /healthz on"  # noqa: S105  no password
)
_OK: Final = 200


async def read_health(public_url: str, transport: "Transport | None") -> Answer | Lost:
    """What the address of this program's HTTP server answers about its health; no token goes there."""
    async with Connections(token="", transport=transport) as connections:
        return await connections.get(public_url + _HEALTH, {})


def check_callbacks(public_url: str | None, answer: Answer | Lost | None) -> Finding:
    """Whether a server of this program answers at `RUNWAY_MCP_PUBLIC_URL`; `answer` is None if none came in time."""
    name = "callbacks"
    if public_url is None:
        return ok(name, "none are asked for: tasks are polled (RUNWAY_MCP_PUBLIC_URL is not set)")
    if is_loopback(urlsplit(public_url).hostname or ""):
        told = f"{public_url} is an address of this machine alone, which useapi.net cannot reach"
        return warning(name, told, "set RUNWAY_MCP_PUBLIC_URL to the address that the internet knows")
    if not isinstance(answer, Answer):
        why = answer.cause if answer else "it did not answer in time"
        return warning(name, f"{public_url} cannot be reached from here: {why}", _PASS_ON)
    if answer.status != _OK or not _is_ours(answer.body):
        return warning(name, f"{public_url} answers, but not as this program (HTTP {answer.status})", _PASS_ON)
    return ok(name, f"{public_url} leads to this program, as seen from this machine")


def _is_ours(body: bytes | None) -> bool:
    try:
        told: Any = json.loads(body or b"")
    except ValueError:
        return False
    return isinstance(told, dict) and {"status", "version"} <= told.keys()
