"""What becomes of a ledger of format 2, which `tests/data` has as that version wrote it: new keys, for one caller."""

import sqlite3
from contextlib import closing
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runway_mcp.tasks.intents import Film, Intent, RequestKey
from runway_mcp.tasks.policy import SpendPolicy
from runway_mcp.tasks.spend.plan import key_of
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from runway_mcp.tasks.transitions import Selection
from tests.kit.clock import EPOCH, SetClock
from tests.kit.samples import clip, extension, long_id

pytestmark = pytest.mark.virtual_time

FORMAT = Path(__file__).parent.parent / "data" / "ledger-format-2.sql"
FILM, TURBO = clip().asset_id, long_id("asset", 9)
RISES = "the camera rises"
CHANGED = {"caller", "idempotency_key", "request", "steps"}
"""The columns that the third format adds or recomputes."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The ledger's file."""
    made = tmp_path / "ledger.sqlite3"
    with closing(sqlite3.connect(made)) as ledger:
        ledger.executescript(FORMAT.read_text())
    return made


def before(path: Path) -> dict[str, dict[str, Any]]:
    """The rows as the earlier version wrote them, by id."""
    with closing(sqlite3.connect(path)) as ledger:
        ledger.row_factory = sqlite3.Row
        return {row["id"]: dict(row) for row in ledger.execute("SELECT * FROM intents")}


async def after(path: Path) -> dict[str, Intent]:
    """The intents of those rows as this version reads them, by id."""
    names = before(path)
    with SqliteStore(path, SetClock()) as ledger:
        found = [await ledger.find("id", name) for name in names]
    return {intent.id: intent for intent in found if intent is not None}


async def answered(path: Path, *, caller: str = "", **wanted: Any) -> str | None:
    """The id of the intent that answers a request of ten days later."""
    request = extension(**{"asset_id": FILM, **wanted})
    with SqliteStore(path, SetClock(EPOCH + 864_000)) as ledger:
        found = await ledger.earlier(request.asset_id, partial(key_of, request, caller=caller))
    return found and found.id


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("film", {"text_prompt": RISES}),
        ("film", {"text_prompt": f" {RISES}\n", "seconds": 5}),
        ("seeded", {"text_prompt": RISES, "seed": 7}),
        ("ten seconds", {"text_prompt": RISES, "seconds": 10}),
        ("explored", {"text_prompt": RISES, "explore_mode": True}),
        ("wordless", {}),
        ("accented", {"text_prompt": "cafe\N{COMBINING ACUTE ACCENT} by the sea \N{BLACK SUN WITH RAYS}"}),
        ("turbo", {"asset_id": TURBO, "text_prompt": RISES}),
        ("turbo", {"asset_id": TURBO, "text_prompt": RISES, "seconds": 8}),
        ("turbo", {"asset_id": long_id("task", 9)[-36:], "text_prompt": RISES}),
        ("posting", {"text_prompt": "is out"}),
        ("unclear", {"text_prompt": "lost"}),
        ("unknown", {"text_prompt": "never found"}),
        ("moderated", {"text_prompt": "forbidden"}),
        (None, {"text_prompt": "refused"}),
        (None, {"text_prompt": "waits"}),
        (None, {"text_prompt": "something else"}),
    ],
)
async def test_a_request_of_the_earlier_version_is_answered_by_its_row(
    path: Path, name: str | None, wanted: dict[str, Any]
) -> None:
    assert await answered(path, **wanted) == name


async def test_a_generated_seed_of_the_earlier_version_that_is_given_back_is_the_same_request(path: Path) -> None:
    seed = before(path)["film"]["seed"]

    assert await answered(path, text_prompt=RISES, seed=seed) == "film"
    assert await answered(path, text_prompt=RISES, seed=seed + 1) is None


async def test_earlier_requests_are_those_of_the_nameless_caller_alone(path: Path) -> None:
    assert await answered(path, caller="ana", text_prompt=RISES) is None


async def test_every_other_column_is_as_it_was(path: Path) -> None:
    rows = before(path)
    intents = await after(path)

    assert len(intents) == len(rows) == 13
    for name, row in rows.items():
        for column in {field.name for field in fields(Intent)} - CHANGED - {"film"}:
            assert getattr(intents[name], column) == row[column], (name, column)
        options = (intents[name].text_prompt, intents[name].seconds, intents[name].explore_mode)
        assert options == (row["text_prompt"], row["seconds"], bool(row["explore_mode"]))
        assert (intents[name].caller, intents[name].steps) == ("", ())
    assert intents["film"].film == Film(long_id("asset", 100), "Café", 15.0, 1280, 768, 1000)


async def test_what_was_under_way_is_taken_up(path: Path) -> None:
    with SqliteStore(path, SetClock(EPOCH + 864_000)) as ledger:
        unfinished = {intent.id for intent in await ledger.select(Selection.UNFINISHED)}
        orphans = {intent.id for intent in await ledger.orphans()}

    assert unfinished == {"posting", "unclear", "ten seconds"}
    assert orphans == {"posting", "unclear"}


async def test_a_quote_that_was_spent_stays_spent(path: Path) -> None:
    with closing(sqlite3.connect(path)) as ledger:
        ((quote,),) = ledger.execute("SELECT id FROM quotes WHERE intent_id = 'film'").fetchall()
    (film,) = [intent for intent in (await after(path)).values() if intent.id == "film"]
    with SqliteStore(path, SetClock()) as store:
        again = await store.claim(
            film, RequestKey(film.idempotency_key, film.idempotency_key, None), policy=SpendPolicy(quote=quote)
        )

    assert again == (film, True)


async def test_a_migrated_file_has_the_format_of_a_new_one(path: Path, tmp_path: Path) -> None:
    await after(path)
    with SqliteStore(tmp_path / "new.sqlite3", SetClock()) as fresh:
        await fresh.find("id", "none")

    assert _format(path) == _format(tmp_path / "new.sqlite3")


def _format(path: Path) -> tuple[int, set[tuple[str, str]]]:
    with closing(sqlite3.connect(path)) as ledger:
        ((version,),) = ledger.execute("PRAGMA user_version").fetchall()
        tables = {name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        columns = {
            (table, str(column))
            for table in tables
            for column in ledger.execute(f"SELECT name, type, [notnull], pk FROM pragma_table_info('{table}')")  # noqa: S608  own names
        }
    return version, columns
