"""A set-up for the checks: variables, the stand-in as their network, and what they found by the name of the check."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from runway_mcp.doctor.finding import Finding
from runway_mcp.doctor.reading import Resolve
from runway_mcp.doctor.run import World, diagnose
from runway_mcp.install.hosts import Machine
from runway_mcp.simulator.world import TOKEN
from runway_mcp.simulator.world import World as StandIn
from tests.kit.upstream import URL, Upstream


def variables(folder: Path, **ours: str) -> dict[str, str]:
    """The variables of a sound set-up, and then `ours`."""
    folders = {"RUNWAY_MCP_DATA_DIR": str(folder / "data"), "RUNWAY_MCP_SAVE_DIR": str(folder / "films")}
    return {"USEAPI_TOKEN": TOKEN, "USEAPI_URL": URL} | folders | ours


def nothing(_host: str, _port: int) -> None:
    """Resolves every name, and asks nobody."""


async def found(
    environ: Mapping[str, str],
    upstream: StandIn | httpx.AsyncBaseTransport,
    *,
    resolve: Resolve = nothing,
    seconds: float = 8.0,
    now: Callable[[], float] = time.time,
    home: Path | None = None,
) -> dict[str, Finding]:
    """The findings by the names of their checks, on a machine with this `home`, by default one without hosts."""
    transport = Upstream(upstream) if isinstance(upstream, StandIn) else upstream
    machine = Machine("linux", home or Path(environ["RUNWAY_MCP_DATA_DIR"]) / "no-home", {})
    world = World(transport, resolve, now, seconds, machine)
    return {each.check: each for each in await diagnose(environ, world)}


def statuses(findings: Mapping[str, Finding]) -> dict[str, str]:
    """Every check that is not ok, with its status."""
    return {name: each.status for name, each in findings.items() if each.status != "ok"}
