import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runway_mcp.tasks.database import MIGRATIONS, LedgerError
from runway_mcp.tasks.intents import Intent, State, is_twin
from runway_mcp.tasks.ledger import Ledger
from runway_mcp.tasks.plan import Wish
from tests.tasks.samples import NOW, clip, intent, long_id

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as book:
        yield book


async def claimed(ledger: Ledger, wish: Wish | None = None) -> Intent:
    made, twin = await ledger.claim(intent(wish), now=NOW)
    assert not twin
    return made


async def test_an_intent_outlives_the_process_word_for_word(ledger: Ledger, path: Path) -> None:
    written = await claimed(ledger)
    ledger.close()

    with Ledger(path) as later:
        assert await later.get(written.id) == written


async def test_the_same_request_from_two_processes_is_written_once(ledger: Ledger, path: Path) -> None:
    with Ledger(path) as other:
        first, first_is_twin = await ledger.claim(intent(), now=NOW)
        second, second_is_twin = await other.claim(intent(), now=NOW)

    assert (first_is_twin, second_is_twin) == (False, True)
    assert second.id == first.id


async def test_a_refused_intent_makes_room_for_another_try(ledger: Ledger) -> None:
    refused = await claimed(ledger)
    await ledger.change(refused.id, lambda it: replace(it, state=State.REFUSED, failure_kind="not_found"))

    await claimed(ledger)


async def test_withdrawing_touches_only_what_has_posted_nothing(ledger: Ledger) -> None:
    waiting, posting = await claimed(ledger), await claimed(ledger, Wish(asset_id=clip().asset_id, seed=7))
    await ledger.change(posting.id, lambda it: replace(it, state=State.POSTING))

    await ledger.withdraw(waiting.id)
    await ledger.withdraw(posting.id)

    states = [found.state for made in (waiting, posting) if (found := await ledger.get(made.id))]
    assert states == [State.REFUSED, State.POSTING]


async def test_a_task_is_adopted_by_one_intent_only(ledger: Ledger) -> None:
    one, other = await claimed(ledger), await claimed(ledger, Wish(asset_id=clip().asset_id, seed=7))

    assert await ledger.accept(one.id, long_id("task", 5), "RUNNING", adopted=True)
    assert not await ledger.accept(other.id, long_id("task", 5), "RUNNING", adopted=True)


async def test_the_answer_to_a_post_outweighs_an_adoption(ledger: Ledger) -> None:
    adopter, owner = await claimed(ledger), await claimed(ledger, Wish(asset_id=clip().asset_id, seed=7))
    await ledger.accept(adopter.id, long_id("task", 5), "RUNNING", adopted=True)

    assert await ledger.accept(owner.id, long_id("task", 5), "RUNNING", adopted=False)

    unclear = await ledger.get(adopter.id)
    found = await ledger.of_task(long_id("task", 5))
    assert unclear is not None
    assert unclear.state is State.UNCLEAR
    assert found is not None
    assert found.id == owner.id


async def test_an_end_is_written_and_told_once(ledger: Ledger) -> None:
    made, task_id = await claimed(ledger), long_id("task", 5)
    await ledger.accept(made.id, task_id, "PENDING", adopted=False)

    await ledger.observe(task_id, "SUCCEEDED", ended=NOW + 9, failure=None)
    await ledger.observe(task_id, "SUCCEEDED", ended=NOW + 99, failure=None)
    await ledger.tell(task_id, "SUCCEEDED", now=NOW + 10, failure=None)
    await ledger.tell(task_id, "FAILED", now=NOW + 100, failure=("moderated", "why"))

    ended = await ledger.of_task(task_id)
    assert ended is not None
    assert (ended.status, ended.ended, ended.told) == ("SUCCEEDED", NOW + 9, NOW + 10)


async def test_an_intent_that_waited_for_a_slot_counts_from_its_post(ledger: Ledger) -> None:
    made = await claimed(ledger)
    await ledger.keep_waiting(made.id, now=NOW, lease=NOW + 500)

    assert await ledger.begin_post(made.id, now=NOW + 500, lease=NOW + 575)

    posting = await ledger.get(made.id)
    assert posting is not None
    assert (posting.created, posting.lease) == (NOW + 500, NOW + 575)


async def test_an_end_that_nobody_saw_is_written_when_it_is_told(ledger: Ledger) -> None:
    made, task_id = await claimed(ledger), long_id("task", 5)
    await ledger.accept(made.id, task_id, "PENDING", adopted=False)

    await ledger.tell(task_id, "FAILED", now=NOW + 10, failure=("generation_failed", "why"))

    ended = await ledger.of_task(task_id)
    assert ended is not None
    assert (ended.status, ended.ended, ended.failure_kind) == ("FAILED", NOW + 10, "generation_failed")
    assert not is_twin(ended, now=NOW + 11)


async def test_what_is_unfinished_is_what_a_restart_must_take_up(ledger: Ledger) -> None:
    made = {
        state: await claimed(ledger, Wish(asset_id=clip().asset_id, seed=seed))
        for seed, state in enumerate([*State, "ended"], start=1)
    }
    for state, written in made.items():
        if state != "ended":
            await ledger.change(written.id, lambda it, state=state: replace(it, state=state))
    await ledger.accept(made["ended"].id, long_id("task", 5), "RUNNING", adopted=False)
    await ledger.observe(long_id("task", 5), "FAILED", ended=NOW, failure=("moderated", "why"))

    unfinished = {found.id for found in await ledger.unfinished()}
    recent = {found.id for found in await ledger.recent(50)}

    assert unfinished == {made[state].id for state in (State.POSTING, State.UNCLEAR, State.ACCEPTED)}
    assert recent == {found.id for state, found in made.items() if state not in (State.WAITING, State.REFUSED)}


async def test_only_the_owner_can_read_the_file(ledger: Ledger, path: Path) -> None:
    await claimed(ledger)

    files = [path, *path.parent.glob("ledger.sqlite3-*")]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_ledger_held_for_long_ends_in_a_sentence_and_comes_back(ledger: Ledger, path: Path) -> None:
    await claimed(ledger)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(LedgerError, match="locked by another program"):
        await claimed(ledger, Wish(asset_id=clip().asset_id, seed=7))

    holder.execute("ROLLBACK")
    holder.close()
    await claimed(ledger, Wish(asset_id=clip().asset_id, seed=7))


@pytest.mark.parametrize("content", [b"", b"this was a ledger once" * 500])
async def test_a_damaged_ledger_is_named_and_never_replaced(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    with Ledger(path) as ledger, pytest.raises(LedgerError, match="damaged"):
        await claimed(ledger)

    assert path.read_bytes() == content


async def test_processes_that_make_the_ledger_at_once_share_one(path: Path) -> None:
    with Ledger(path) as one, Ledger(path) as other:
        made = await claimed(one)

        assert await other.get(made.id) == made
        assert [file.name for file in path.parent.iterdir() if "-" not in file.name] == [path.name]


async def test_a_ledger_of_a_later_version_is_left_alone(ledger: Ledger, path: Path) -> None:
    await claimed(ledger)
    ledger.close()
    with sqlite3.connect(path) as later:
        later.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    later.close()

    with pytest.raises(LedgerError, match="later version"):
        await claimed(ledger)


async def test_a_full_disk_ends_in_a_sentence(ledger: Ledger) -> None:
    await claimed(ledger)
    # A limit on the file's pages is the disk that is full; only the connection itself can set it.
    connection = ledger._connection()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")

    async def fill() -> None:
        for seed in range(1, 999):
            await claimed(ledger, Wish(asset_id=clip().asset_id, seed=seed))

    with pytest.raises(LedgerError, match="full"):
        await fill()


async def test_a_folder_that_cannot_be_made_ends_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")

    with Ledger(tmp_path / "data" / "ledger.sqlite3") as ledger, pytest.raises(LedgerError, match="cannot be written"):
        await claimed(ledger)


async def test_a_ledger_that_is_removed_under_the_server_takes_no_further_intent(ledger: Ledger, path: Path) -> None:
    await claimed(ledger)
    path.unlink()

    with pytest.raises(LedgerError, match="removed or replaced"):
        await claimed(ledger, Wish(asset_id=clip().asset_id, seed=7))
