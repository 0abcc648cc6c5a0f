"""The course of `doctor`: everything is checked at once, in bounded time, and told as a table or as JSON."""

import json
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import anyio
from anyio.to_thread import run_sync

from runway_mcp import __version__
from runway_mcp.doctor.callbacks import ask_callbacks, check_callbacks
from runway_mcp.doctor.database import database_findings
from runway_mcp.doctor.disk import check_data_folder, check_films_folder, check_ledger
from runway_mcp.doctor.environment import check_extras, check_program, check_settings, check_token, read_settings
from runway_mcp.doctor.finding import Finding, Status
from runway_mcp.doctor.hosts import check_hosts
from runway_mcp.doctor.reading import Readings, Resolve, read_upstream, why_unresolved
from runway_mcp.doctor.upstream import upstream_findings
from runway_mcp.install.host_status import standings
from runway_mcp.install.hosts import Machine
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.http.answers import Answer, Lost
from runway_mcp.settings import Settings

if TYPE_CHECKING:
    from runway_mcp.runway.http.exchange import Transport

WITHIN_SECONDS: Final = 8.0
"""How long upstream has for all that is asked of it."""

_WORST_FIRST: Final[tuple[Status, ...]] = ("failure", "warning", "ok")
_INDENT: Final = 9


@dataclass(frozen=True)
class World:
    """What lies outside this program: the network, how names become addresses, the clock, and the time they have.

    `machine` is where hosts are looked for, None for this one.
    """

    transport: "Transport | None" = None
    resolve: Resolve = socket.getaddrinfo
    now: Callable[[], float] = time.time
    seconds: float = WITHIN_SECONDS
    machine: Machine | None = None


def run_doctor(
    environ: Mapping[str, str], *, as_json: bool, out: TextIO = sys.stdout, hide: Callable[[str], None] = lambda _: None
) -> int:
    """Checks the set-up that these variables make, and writes what it found; returns 0 unless something failed.

    `hide` is given each secret before anything is done with it.
    """
    findings = anyio.run(diagnose, environ, World(), hide)
    out.write(as_document(findings) if as_json else as_table(findings))
    return 1 if worst(findings) == "failure" else 0


async def diagnose(
    environ: Mapping[str, str], world: World, hide: Callable[[str], None] = lambda _: None
) -> tuple[Finding, ...]:
    """All findings, in the order of the table; reads upstream, and writes nothing anywhere."""
    settings, refused = read_settings(environ)
    for secret in (settings.token, settings.access_token, settings.database_url):
        if secret is not None:
            hide(secret.get_secret_value())
    readings, called = Readings(), list[Answer | Lost]()

    async def callbacks() -> None:
        # An address of this machine alone is told as such, whatever answers there.
        if settings.public_url and await why_unresolved(settings.public_url, resolve=world.resolve) is None:
            called.append(await ask_callbacks(settings.public_url, world.transport))

    with anyio.move_on_after(world.seconds):
        async with anyio.create_task_group() as group:
            group.start_soon(_read, settings, world, readings)
            group.start_soon(callbacks)
    database = settings.database_url.get_secret_value() if settings.database_url else None
    extras = await run_sync(check_extras)
    return (
        check_program(),
        check_settings(environ, refused),
        check_token(settings.token, unfilled=settings.token_unfilled),
        *upstream_findings(settings, readings, now=world.now(), has_media=extras.status == "ok"),
        await run_sync(check_data_folder, settings.data_dir),
        *(await _ledger(settings.data_dir, database)),
        await run_sync(check_films_folder, settings),
        extras,
        check_callbacks(settings.public_url, called[0] if called else None),
        check_hosts(await run_sync(standings, world.machine or Machine.here(environ))),
    )


async def _ledger(folder: Path, database_url: str | None) -> tuple[Finding, ...]:
    if database_url is None:
        return (await run_sync(check_ledger, folder),)
    return await database_findings(folder, database_url)


async def _read(settings: Settings, world: World, readings: Readings) -> None:
    readings.unresolved = await why_unresolved(settings.url, resolve=world.resolve)
    if readings.unresolved is None:
        # Without a token upstream refuses, which shows that it answers.
        token = settings.token.get_secret_value() if settings.token else ""
        async with RunwayClient(url=settings.url, token=token, transport=world.transport) as client:
            await read_upstream(client, readings, email=settings.email)


def worst(findings: tuple[Finding, ...]) -> Status:
    """The worst status among the findings."""
    statuses = {found.status for found in findings}
    return "failure" if "failure" in statuses else "warning" if "warning" in statuses else "ok"


def as_document(findings: tuple[Finding, ...]) -> str:
    """The findings as one JSON object: the version, the worst status, and each check; a remedy only where one is."""
    checks = [{name: value for name, value in asdict(found).items() if value is not None} for found in findings]
    document = {"version": __version__, "status": worst(findings), "checks": checks}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_table(findings: tuple[Finding, ...]) -> str:
    """The findings as plain text, one line each, with the remedy below; then how many there are of each status."""
    width = max(len(found.check) for found in findings) + 2
    lines = list[str]()
    for found in findings:
        lines.append(f"{found.status:<{_INDENT}}{found.check:<{width}}{found.message}")
        if found.remedy:
            lines.append(f"{'':<{_INDENT + width}}-> {found.remedy}")
    counts = {each: sum(found.status == each for found in findings) for each in _WORST_FIRST}
    ends = ", ".join(f"{count} {each}{'' if count == 1 or each == 'ok' else 's'}" for each, count in counts.items())
    return "\n".join([*lines, "", f"{ends}; nothing was spent"]) + "\n"
