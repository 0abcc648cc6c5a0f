import pytest

from runway_mcp.doctor.database import check_database
from runway_mcp.tasks.store.protocol import DatabaseHealth, LedgerError

URL = "postgresql://me:hunter2@db.example/ledger"


def test_a_database_of_which_no_fault_is_known_is_ok() -> None:
    found = check_database(URL, examine=lambda _: DatabaseHealth("17.2", "synchronous_commit is on"))

    assert (found.status, found.message) == ("ok", "PostgreSQL 17.2, writable; synchronous_commit is on")


def test_what_could_make_it_forget_is_a_warning_with_that_sentence() -> None:
    found = check_database(URL, examine=lambda _: DatabaseHealth("17.2", "fsync is off", ("One.", "Two.")))

    assert (found.status, found.remedy) == ("warning", "One. Two.")


@pytest.mark.parametrize(
    ("error", "message", "remedy"),
    [
        (LedgerError("It is e.g. 9.6.1 here.", "Use 15. Or later."), "It is e.g. 9.6.1 here", "Use 15. Or later"),
        (LedgerError("Away."), "Away", "see whether the database of RUNWAY_MCP_DATABASE_URL runs, and its URL"),
    ],
)
def test_what_is_wrong_is_told_whole_with_what_to_do(error: LedgerError, message: str, remedy: str) -> None:
    def fails(_url: str) -> DatabaseHealth:
        raise error

    found = check_database(URL, examine=fails)

    assert (found.status, found.message, found.remedy) == ("failure", message, remedy)
