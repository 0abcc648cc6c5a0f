import threading
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest

from runway_mcp.doctor.database import check_database, database_findings
from runway_mcp.doctor.disk import check_ledger
from runway_mcp.doctor.finding import Finding, ok
from runway_mcp.simulator.builders import small_world
from runway_mcp.tasks.store.postgres.store import PostgresStore
from runway_mcp.tasks.store.protocol import LedgerError
from tests.doctor.world import found as found_by_doctor
from tests.doctor.world import variables
from tests.kit.postgres import PostgresServer, new_schema, running_postgres, url_with
from tests.store.databases import ask_nothing
from tests.tasks.claims import claim

pytestmark = pytest.mark.slow


@pytest.fixture
def url(database_url: str) -> Generator[str]:
    """The URL of an empty ledger."""
    with new_schema(database_url) as url:
        yield url


async def test_a_ledger_in_a_database_is_told_and_none_is_made(url: str, tmp_path: Path) -> None:
    assert (
        check_ledger(tmp_path, database_url=url).message
        == "there is none in the database yet; the first start makes it"
    )
    assert check_ledger(tmp_path, database_url=url).status == "ok"

    store = PostgresStore(url)
    await store.open()
    await claim(store)
    await store.close()

    found = check_ledger(tmp_path, database_url=url)
    assert (found.status, found.message) == ("ok", "whole and readable in the database, with 1 request")


def test_a_database_that_cannot_be_reached_is_a_failure_without_its_password(tmp_path: Path) -> None:
    found = check_ledger(tmp_path, database_url="postgresql://me:hunter2@127.0.0.1:9/ledger")

    assert (found.status, bool(found.remedy)) == ("failure", True)
    assert "hunter2" not in f"{found}"


@pytest.mark.parametrize("has_ledger", [False, True])
async def test_a_database_is_told_with_its_version_and_what_it_promises(url: str, *, has_ledger: bool) -> None:
    if has_ledger:
        store = PostgresStore(url)
        await store.open()
        await store.close()
    with psycopg.connect(url) as connection:
        version = connection.execute("SHOW server_version").fetchone()

    found = check_database(url)

    assert version
    assert found.message == (
        f"PostgreSQL {version[0]}, writable; synchronous_commit is on, the synchronous standbys are none, "
        "0 standby(s) are connected, fsync is off"
    )
    # The server of the tests loses nothing by it.
    assert (found.status, found.remedy) == (
        "warning",
        "With fsync off a crash of its machine can forget or damage what was paid.",
    )


def test_a_weak_confirmation_is_told(database_url: str) -> None:
    found = check_database(url_with(database_url, options="-csynchronous_commit=off"))

    assert "synchronous_commit is off" in found.message
    assert "synchronous_commit is off" in (found.remedy or "")


@pytest.mark.parametrize("has_ledger", [False, True])
async def test_a_user_who_may_not_write_is_told(server: PostgresServer, *, has_ledger: bool) -> None:
    if has_ledger:
        store = PostgresStore(server.url())
        await store.open()
        await store.close()
    ask_nothing(server.url(), "CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")

    found = check_database(server.url().replace("postgres@", "reader@"))

    may_not = "write the ledger's tables" if has_ledger else "make tables in its schema"
    assert found.status == "failure"
    assert found.message == f"The user of the database of RUNWAY_MCP_DATABASE_URL may not {may_not}"
    assert found.remedy == "Grant it that, or name another user"


@pytest.mark.parametrize("lacking", ["leases", "seen", "spellings"])
async def test_a_user_who_may_not_write_one_of_the_tables_is_told(server: PostgresServer, lacking: str) -> None:
    store = PostgresStore(server.url())
    await store.open()
    await store.close()
    ask_nothing(
        server.url(),
        "CREATE ROLE app LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app;"
        " REVOKE INSERT, UPDATE, DELETE ON ledger_format FROM app",
    )
    as_app = server.url().replace("postgres@", "app@")
    before = check_database(as_app)
    ask_nothing(server.url(), f"REVOKE UPDATE ON {lacking} FROM app")

    found = check_database(as_app)

    assert "writable" in before.message
    assert (found.status, "may not write the ledger's tables" in found.message) == ("failure", True)


async def test_a_user_who_may_write_but_not_make_what_an_earlier_format_lacks_is_told(server: PostgresServer) -> None:
    store = PostgresStore(server.url())
    await store.open()
    await store.close()
    ask_nothing(
        server.url(),
        "DROP TABLE leases, seen; UPDATE ledger_format SET version = 1; CREATE ROLE app LOGIN;"
        " GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app",
    )

    found = check_database(server.url().replace("postgres@", "app@"))

    assert (found.status, "may not make tables in its schema" in found.message) == ("failure", True)


async def test_a_ledger_of_a_later_version_is_told_alike_by_doctor_and_by_a_start(url: str, tmp_path: Path) -> None:
    store = PostgresStore(url)
    await store.open()
    await store.close()
    ask_nothing(url, "UPDATE ledger_format SET version = 99")

    found = check_ledger(tmp_path, database_url=url)
    with pytest.raises(LedgerError) as caught:
        await claim(PostgresStore(url))

    assert "written by a later version of useapi-runway-mcp (format 99)" in found.message
    assert caught.value.trouble.rstrip(".") in found.message


def test_a_standby_is_a_failure_and_one_that_is_asynchronous_a_warning(server: PostgresServer) -> None:
    with running_postgres(of=server, name="copy") as standby:
        primary, copy = check_database(server.url()), check_database(standby.url())

    assert (primary.status, "1 standby(s) are connected" in primary.message) == ("warning", True)
    assert "Its standbys are asynchronous" in (primary.remedy or "")
    assert (copy.status, copy.remedy) == ("failure", "See whether it runs, and its URL")


async def test_a_database_that_cannot_be_used_leaves_the_ledger_unchecked(tmp_path: Path) -> None:
    found = await database_findings(tmp_path, "postgresql://me:hunter2@127.0.0.1:9/ledger")

    assert [(each.check, each.status) for each in found] == [("database", "failure"), ("ledger", "warning")]
    assert "hunter2" not in f"{found}"


async def test_a_database_that_never_answers_is_left_behind(tmp_path: Path) -> None:
    gate = threading.Event()

    def waits(_url: str) -> Finding:
        gate.wait(60)
        return ok("database", "late")

    found = await database_findings(tmp_path, "postgresql://127.0.0.1/ledger", seconds=0.2, check=waits)

    gate.set()
    assert [(each.check, each.status) for each in found] == [("database", "failure"), ("ledger", "warning")]
    assert "did not answer" in found[0].message


async def test_doctor_tells_the_database_and_the_ledger_in_it(url: str, tmp_path: Path) -> None:
    findings = await found_by_doctor(variables(tmp_path, RUNWAY_MCP_DATABASE_URL=url), small_world())

    assert findings["database"].message.startswith("PostgreSQL ")
    assert findings["ledger"].message == "there is none in the database yet; the first start makes it"
    assert url not in f"{findings}"
