from collections.abc import Generator
from pathlib import Path

import pytest

from runway_mcp.doctor.disk import check_ledger
from runway_mcp.tasks.store.postgres.store import PostgresStore
from tests.kit.postgres import new_schema
from tests.tasks.claims import claim


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
    assert (found.status, found.message) == ("ok", "whole and writable in the database, with 1 request")


def test_a_database_that_cannot_be_reached_is_a_failure_without_its_password(tmp_path: Path) -> None:
    found = check_ledger(tmp_path, database_url="postgresql://me:hunter2@127.0.0.1:9/ledger")

    assert (found.status, bool(found.remedy)) == ("failure", True)
    assert "hunter2" not in f"{found}"
