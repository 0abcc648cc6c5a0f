"""Check of the address under which useapi.net calls this program's HTTP server."""

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from runway_mcp.doctor.finding import Finding, ok, warning
from runway_mcp.runway.http.answers import Answer, Lost
from runway_mcp.runway.http.connections import Connections
from runway_mcp.tasks.callbacks import NO_TOKEN, UNKNOWN, address
from runway_mcp.values import is_loopback

if TYPE_CHECKING:
    from runway_mcp.runway.http.exchange import Transport

_PASS_ON: Final = "start `serve --transport http`, and let whatever stands in front of it pass POSTs to /callbacks/ on"  # noqa: S105  no password
_NOT_FOUND: Final = 404


async def ask_callbacks(public_url: str, transport: "Transport | None") -> Answer | Lost:
    """What the address for callbacks answers to one that is no intent's; no token goes there.

    It is asked as useapi.net asks it, since a proxy may pass on nothing else.
    """
    async with Connections(token="", transport=transport) as connections:
        return await connections.post(address(public_url) + NO_TOKEN, {})


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
    if answer.status != _NOT_FOUND or answer.body != UNKNOWN.encode():
        return warning(name, f"{public_url} answers, but not as this program (HTTP {answer.status})", _PASS_ON)
    return ok(name, f"{public_url} leads to this program, as seen from this machine")
