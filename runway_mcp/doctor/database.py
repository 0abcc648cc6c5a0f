"""Check of the database that keeps the ledger in place of a file; reads alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from runway_mcp.doctor.disk import check_ledger
from runway_mcp.doctor.finding import Finding, failure, ok, warning
from runway_mcp.doctor.reading import within
from runway_mcp.tasks.store.opening import examined_database
from runway_mcp.tasks.store.protocol import DatabaseHealth, LedgerError

DATABASE_SECONDS: Final = 6.0
"""How long the database has for all that is asked of it."""

_NAME: Final = "database"
_URL: Final = "see whether the database of RUNWAY_MCP_DATABASE_URL runs, and its URL"


async def database_findings(
    folder: Path, url: str, *, seconds: float = DATABASE_SECONDS, check: Callable[[str], Finding] | None = None
) -> tuple[Finding, ...]:
    """The findings on the database and on the ledger in it, in bounded time; `check` replaces `check_database`."""
    checked = check or check_database
    not_asked = warning("ledger", "not checked: the database cannot be used")

    def both() -> tuple[Finding, ...]:
        found = checked(url)
        return found, not_asked if found.status == "failure" else check_ledger(folder, database_url=url)

    told = await within(seconds, both)
    return told or (failure(_NAME, f"it did not answer within {seconds:.0f} seconds", _URL), not_asked)


def check_database(url: str, *, examine: Callable[[str], DatabaseHealth] = examined_database) -> Finding:
    """Whether the database can be reached and written to, its version, and what it promises of a confirmed write."""
    try:
        health = examine(url)
    except LedgerError as error:
        return failure(_NAME, error.trouble.rstrip("."), error.remedy.rstrip(".") or _URL)
    told = f"PostgreSQL {health.version}, writable; {health.settings}"
    if health.risks:
        return warning(_NAME, told, " ".join(health.risks))
    return ok(_NAME, told)
