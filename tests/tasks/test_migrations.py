"""What becomes of the rows of a ledger of format 1, which `tests/data` has as that version made it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runway_mcp.tasks.intents import LOOKING_SECONDS, Intent, State
from runway_mcp.tasks.spend.plan import key_of
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.kit.clock import EPOCH, SetClock
from tests.kit.samples import ACCOUNT, clip, extension, long_id

pytestmark = pytest.mark.virtual_time

FORMAT = Path(__file__).parent.parent / "data" / "ledger-format-1.sql"
FILM, PARENT = clip().asset_id, long_id("task", 3)
DONE = {"state": "accepted", "status": "SUCCEEDED", "ended": EPOCH + 30.0, "told": EPOCH + 30.0}
FAILED = {**DONE, "status": "FAILED", "failure_kind": "generation_failed", "failure_message": "It broke."}

Write = Callable[..., None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def write(path: Path) -> Write:
    """Writes a row of format 1: a first extension of the clip that was made at `EPOCH`, but for the given columns."""
    with closing(sqlite3.connect(path)) as ledger:
        ledger.executescript(FORMAT.read_text())

    def row(name: str, **columns: Any) -> None:
        told = {
            "id": name,
            # Its key held the replyRef, so that no two takes had the same one.
            "twin_key": f"key of {name}",
            "state": "accepted",
            "created": EPOCH,
            "account": ACCOUNT,
            "task_type": "gen3a",
            "source_asset_id": FILM,
            "parent_task_id": PARENT,
            "text_prompt": "the camera rises",
            "seconds": 5,
            "explore_mode": 0,
            "seed": 1000 + len(name),
            "own_seed": 1,
            "reply_ref": f"runway-mcp-{name}",
            "own_ref": 1,
            "cost": 50,
            "lease": EPOCH + 75.0,
            **columns,
        }
        statement = f"INSERT INTO intents ({', '.join(told)}) VALUES ({', '.join('?' for _ in told)})"  # noqa: S608  own column names
        with closing(sqlite3.connect(path, isolation_level=None)) as ledger:
            ledger.execute(statement, tuple(told.values()))

    return row


async def answer(path: Path, **wished: Any) -> Intent | None:
    """The intent that answers a wish, a while after the rows were written."""
    wanted = extension(**{"asset_id": FILM, "text_prompt": "the camera rises", **wished})
    with SqliteStore(path, SetClock(EPOCH + 9000.0)) as ledger:
        return await ledger.earlier(wanted.asset_id, partial(key_of, wanted, caller=""))


@pytest.mark.parametrize("order", [(0.0, 500.0, 900.0), (900.0, 500.0, 0.0), (500.0, 0.0, 900.0)])
async def test_of_several_takes_of_one_request_the_film_answers(
    path: Path, write: Write, order: tuple[float, float, float]
) -> None:
    write("film", **DONE, task_id=long_id("task", 5), created=EPOCH + order[0])
    write("failed", **FAILED, task_id=long_id("task", 6), created=EPOCH + order[1])
    write("never found", state="unknown", created=EPOCH + order[2])

    found = await answer(path)

    assert found is not None
    assert (found.id, found.task_id, found.status) == ("film", long_id("task", 5), "SUCCEEDED")


async def test_of_two_films_that_were_paid_for_one_request_the_later_one_answers_unless_a_seed_names_one(
    path: Path, write: Write
) -> None:
    write("one", **DONE, task_id=long_id("task", 5), seed=71)
    write("two", **DONE, task_id=long_id("task", 6), seed=72, created=EPOCH + 500.0, reply_ref="mine", own_ref=0)

    found = [await answer(path), await answer(path, seed=71), await answer(path, seed=72, reply_ref="mine")]

    assert [each and each.id for each in found] == ["two", "one", "two"]


async def test_a_seed_that_the_caller_had_given_still_makes_another_request(path: Path, write: Write) -> None:
    write("seeded", **DONE, task_id=long_id("task", 5), seed=7, own_seed=0)

    found, other = await answer(path, seed=7), await answer(path)

    assert found is not None
    assert found.id == "seeded"
    assert other is None


@pytest.mark.parametrize("spelling", [FILM, FILM[-36:], FILM[-36:].upper(), PARENT, PARENT[-36:]])
async def test_the_source_of_an_old_row_is_known_by_its_ids_and_by_the_task_that_made_it(
    path: Path, write: Write, spelling: str
) -> None:
    write("film", **DONE, task_id=long_id("task", 5))

    found = await answer(path, asset_id=spelling)

    assert found is not None
    assert found.id == "film"


async def test_a_task_with_two_films_names_neither_of_them(path: Path, write: Write) -> None:
    other = long_id("asset", 2)
    write("of one", **DONE, task_id=long_id("task", 5))
    write("of other", **DONE, task_id=long_id("task", 6), source_asset_id=other)

    found = [await answer(path, asset_id=spelling) for spelling in (FILM, other[-36:], PARENT, PARENT[-36:])]

    assert [each and each.id for each in found] == ["of one", "of other", None, None]


@pytest.mark.parametrize(
    ("columns", "state", "looked", "closed"),
    [
        ({"state": "waiting"}, State.WAITING, False, None),
        ({"state": "posting"}, State.POSTING, False, None),
        ({"state": "unclear"}, State.UNCLEAR, False, None),
        ({"state": "unknown"}, State.UNKNOWN, True, EPOCH + LOOKING_SECONDS),
        ({"state": "refused", "failure_kind": "busy"}, State.REFUSED, True, None),
        (DONE, State.ACCEPTED, True, None),
    ],
)
async def test_whatever_was_ever_out_counts_as_posted_and_keeps_its_state(
    path: Path, write: Write, columns: dict[str, Any], state: State, closed: float | None, *, looked: bool
) -> None:
    write("row", **columns)

    with SqliteStore(path, SetClock()) as ledger:
        found = await ledger.find("id", "row")

    assert found is not None
    assert (found.state, found.posts, found.posted, found.looked, found.closed) == (state, 1, None, looked, closed)
    assert found.seed_generated
    assert found.reply_ref_generated


@pytest.mark.parametrize(
    ("kinds", "answering"),
    [(("busy",), None), (("moderated", "busy"), "moderated"), (("busy", "moderated"), "moderated")],
)
async def test_of_what_was_refused_only_moderation_answers(
    path: Path, write: Write, kinds: tuple[str, ...], answering: str | None
) -> None:
    for number, kind in enumerate(kinds):
        write(kind, state="refused", failure_kind=kind, created=EPOCH + 500.0 * number)

    found = await answer(path)

    assert (found and found.id) == answering
