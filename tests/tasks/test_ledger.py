import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from runway_mcp.tasks.intents import (
    BLIND_SECONDS,
    LOOKING_SECONDS,
    POSTING_LEASE,
    WAITING_LEASE,
    Film,
    Intent,
    State,
)
from runway_mcp.tasks.spend.plan import Wish
from runway_mcp.tasks.store.database import LedgerError
from runway_mcp.tasks.store.ledger import Ledger
from runway_mcp.tasks.store.migrations import MIGRATIONS
from tests.kit.clock import EPOCH, SetClock
from tests.kit.samples import clip, long_id
from tests.tasks.claims import claim

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite3"


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def ledger(path: Path, clock: SetClock) -> Iterator[Ledger]:
    with Ledger(path, clock) as book:
        yield book


OTHER = Wish(asset_id=clip().asset_id, seed=7)


async def claimed(ledger: Ledger, wish: Wish | None = None) -> Intent:
    made, is_earlier = await claim(ledger, wish)
    assert not is_earlier
    return made


async def posted(ledger: Ledger, wish: Wish | None = None) -> Intent:
    made = await claimed(ledger, wish)
    posting = await ledger.begin_post(made.id, made.claim, upstream=EPOCH)
    assert posting is not None
    return posting


async def standing_of(ledger: Ledger, made: Intent) -> Intent:
    standing = await ledger.get(made.id)
    assert standing is not None
    return standing


async def state_of(ledger: Ledger, made: Intent) -> State:
    return (await standing_of(ledger, made)).state


async def test_an_intent_outlives_the_process_word_for_word(ledger: Ledger, path: Path) -> None:
    written = await claimed(ledger)
    ledger.close()

    with Ledger(path) as later:
        assert await later.get(written.id) == written


async def test_the_same_request_from_two_processes_is_written_once(ledger: Ledger, path: Path, clock: SetClock) -> None:
    with Ledger(path, clock) as other:
        first, first_is_earlier = await claim(ledger)
        second, second_is_earlier = await claim(other)

    assert (first_is_earlier, second_is_earlier) == (False, True)
    assert second.id == first.id


async def test_a_refused_intent_is_claimed_again_under_its_own_seed_and_reference(ledger: Ledger) -> None:
    first = await posted(ledger)
    await ledger.answered(first.id, first.claim, State.REFUSED, looked=True, failure=("not_found", "why"))

    again = await claimed(ledger)

    assert (again.id, again.seed, again.reply_ref, again.posts) == (first.id, first.seed, first.reply_ref, 1)
    assert again.failure_kind is None


async def test_whoever_was_replaced_at_an_intent_can_neither_post_nor_wait_nor_withdraw(
    ledger: Ledger, clock: SetClock
) -> None:
    late = await claimed(ledger)
    clock.now += WAITING_LEASE + 1
    holder = await claimed(ledger)
    clock.now -= 3600

    assert await ledger.begin_post(late.id, late.claim, upstream=None) is None
    assert not await ledger.keep_waiting(late.id, late.claim, seconds=9)
    await ledger.withdraw(late.id, late.claim)
    assert await state_of(ledger, holder) is State.WAITING
    assert await ledger.begin_post(holder.id, holder.claim, upstream=None) is not None


async def test_a_lease_that_is_over_posts_nothing_although_nobody_came_in_between(
    ledger: Ledger, clock: SetClock
) -> None:
    late = await claimed(ledger)
    clock.now += WAITING_LEASE + 1

    assert await ledger.begin_post(late.id, late.claim, upstream=None) is None


async def test_a_post_that_is_out_is_never_claimed_again_however_old_it_is(ledger: Ledger, clock: SetClock) -> None:
    out = await posted(ledger)
    clock.now += 1e9

    standing, is_earlier = await claim(ledger)

    assert (standing.id, is_earlier) == (out.id, True)


async def test_withdrawing_touches_only_what_waits(ledger: Ledger) -> None:
    waiting, posting = await claimed(ledger), await posted(ledger, OTHER)

    await ledger.withdraw(waiting.id, waiting.claim)
    await ledger.withdraw(posting.id, posting.claim)

    assert [await state_of(ledger, made) for made in (waiting, posting)] == [State.REFUSED, State.POSTING]


async def test_what_waits_after_an_unconfirmed_refusal_is_still_looked_for_when_it_is_withdrawn(ledger: Ledger) -> None:
    made = await posted(ledger)
    await ledger.answered(made.id, made.claim, State.WAITING, looked=False)

    await ledger.withdraw(made.id, made.claim)

    assert await state_of(ledger, made) is State.UNCLEAR
    assert (await claim(ledger))[1]


@pytest.mark.parametrize(
    ("state", "failure", "closed"),
    [
        (State.UNCLEAR, None, State.UNCLEAR),
        (State.UNCLEAR, ("not_found", "why"), State.REFUSED),
    ],
)
async def test_a_complete_look_confirms_a_refusal_and_nothing_else_at_once(
    ledger: Ledger, state: State, failure: tuple[str, str] | None, closed: State
) -> None:
    made = await posted(ledger)
    await ledger.answered(made.id, made.claim, state, looked=False, failure=failure)

    await ledger.looked(await standing_of(ledger, made), complete=False)
    assert await state_of(ledger, made) is state
    await ledger.looked(await standing_of(ledger, made), complete=True)
    assert await state_of(ledger, made) is closed


@pytest.mark.parametrize(
    ("after", "complete", "state"),
    [
        (LOOKING_SECONDS - 1, True, State.UNCLEAR),
        (LOOKING_SECONDS, True, State.UNKNOWN),
        (LOOKING_SECONDS, False, State.UNCLEAR),
        (BLIND_SECONDS - 1, False, State.UNCLEAR),
        (BLIND_SECONDS, False, State.UNKNOWN),
    ],
)
async def test_looking_is_closed_by_a_complete_look_after_ten_minutes_or_after_a_day_without_one(
    ledger: Ledger, clock: SetClock, after: float, state: State, *, complete: bool
) -> None:
    made = await posted(ledger)
    await ledger.answered(made.id, made.claim, State.UNCLEAR, looked=False)
    clock.now += after

    standing = await ledger.looked(await standing_of(ledger, made), complete=complete)

    assert standing is not None
    assert (standing.state, standing.looked) == (state, complete)
    assert (await ledger.closed_lately() == [standing]) is (state is State.UNKNOWN)


async def test_a_look_says_nothing_of_what_was_answered_or_posted_after_it_began(ledger: Ledger) -> None:
    before = await posted(ledger)
    await ledger.answered(before.id, before.claim, State.UNCLEAR, looked=False, failure=("not_found", "why"))
    refused = await standing_of(ledger, before)
    await ledger.looked(before, complete=True)
    assert await state_of(ledger, before) is State.UNCLEAR

    await ledger.answered(before.id, before.claim, State.WAITING, looked=True)
    again = await ledger.begin_post(before.id, before.claim, upstream=None)
    assert again is not None
    await ledger.answered(again.id, again.claim, State.UNCLEAR, looked=False, failure=("not_found", "why"))
    await ledger.looked(refused, complete=True)
    assert await state_of(ledger, before) is State.UNCLEAR


async def test_only_what_was_posted_can_become_unknown(ledger: Ledger, clock: SetClock) -> None:
    made = await claimed(ledger)
    clock.now += BLIND_SECONDS

    await ledger.looked(await standing_of(ledger, made), complete=True)

    assert await state_of(ledger, made) is State.WAITING


async def test_what_a_dead_process_left_posting_is_an_orphan_once_its_lease_is_over(
    ledger: Ledger, clock: SetClock
) -> None:
    made = await posted(ledger)
    assert await ledger.orphans() == []
    clock.now += POSTING_LEASE + 1

    assert [orphan.id for orphan in await ledger.orphans()] == [made.id]
    assert await state_of(ledger, made) is State.UNCLEAR


async def test_the_answer_of_a_post_that_others_took_for_lost_still_counts(ledger: Ledger, clock: SetClock) -> None:
    made = await posted(ledger)
    clock.now += POSTING_LEASE + 1
    await ledger.orphans()

    await ledger.answered(made.id, made.claim, State.REFUSED, looked=True, failure=("not_found", "why"))

    assert await state_of(ledger, made) is State.REFUSED


async def test_a_task_belongs_to_the_first_intent_that_it_was_written_to(ledger: Ledger) -> None:
    one, other = await posted(ledger), await posted(ledger, OTHER)

    owner = await ledger.accept(one.id, long_id("task", 5), "RUNNING")
    assert owner is not None
    assert await ledger.accept(other.id, long_id("task", 5), "RUNNING") is None
    kept = await ledger.accept(one.id, long_id("task", 6), "RUNNING")
    assert kept == owner


async def test_an_end_is_final_and_a_film_that_turns_up_takes_the_place_of_none(
    ledger: Ledger, clock: SetClock
) -> None:
    made, task_id, film = await posted(ledger), long_id("task", 5), Film(long_id("asset", 5), name="dunes")
    await ledger.accept(made.id, task_id, "PENDING")

    empty = ("generation_failed", "no film")
    await ledger.observe(task_id, "SUCCEEDED", ended=True, film=None, failure=empty)
    clock.now += 90
    await ledger.observe(task_id, "RUNNING", ended=False, film=None, failure=None)
    assert await ledger.without_film() == [task_id]
    await ledger.observe(task_id, "SUCCEEDED", ended=True, film=film, failure=None)
    await ledger.observe(task_id, "FAILED", ended=True, film=None, failure=("moderated", "why"))

    ended = await ledger.of_task(task_id)
    assert ended is not None
    assert (ended.status, ended.ended, ended.film, ended.failure_kind) == ("SUCCEEDED", EPOCH, film, None)


async def test_an_intent_that_waited_for_a_slot_counts_from_its_post(ledger: Ledger, clock: SetClock) -> None:
    made = await claimed(ledger)
    await ledger.keep_waiting(made.id, made.claim, seconds=500)
    clock.now += 500

    posting = await ledger.begin_post(made.id, made.claim, upstream=EPOCH + 99)

    assert posting is not None
    assert (posting.created, posting.posted, posting.lease) == (EPOCH + 500, EPOCH + 99, EPOCH + 500 + POSTING_LEASE)


async def test_the_time_of_the_first_post_is_kept_through_later_ones(ledger: Ledger) -> None:
    made = await posted(ledger)
    await ledger.answered(made.id, made.claim, State.WAITING, looked=True)

    again = await ledger.begin_post(made.id, made.claim, upstream=EPOCH + 60)

    assert again is not None
    assert (again.posted, again.posts, again.looked) == (EPOCH, 2, False)


async def test_what_is_unfinished_is_what_a_restart_must_take_up(ledger: Ledger) -> None:
    wishes = iter(Wish(asset_id=clip().asset_id, seed=seed) for seed in range(1, 9))
    waiting, posting = await claimed(ledger, next(wishes)), await posted(ledger, next(wishes))
    refused, unclear, unknown, running, ended = [await posted(ledger, next(wishes)) for _ in range(5)]
    for made, state in ((refused, State.REFUSED), (unclear, State.UNCLEAR), (unknown, State.UNKNOWN)):
        await ledger.answered(made.id, made.claim, state, looked=True)
    for number, made in enumerate((running, ended)):
        await ledger.accept(made.id, long_id("task", number), "RUNNING")
    await ledger.observe(long_id("task", 1), "FAILED", ended=True, film=None, failure=("moderated", "why"))

    unfinished = {found.id for found in await ledger.unfinished()}
    recent = {found.id for found in await ledger.recent(50)}

    assert unfinished == {posting.id, unclear.id, running.id}
    assert recent == unfinished | {unknown.id, ended.id}
    assert waiting.id not in recent


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
        await claimed(ledger, OTHER)

    holder.execute("ROLLBACK")
    holder.close()
    await claimed(ledger, OTHER)


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


@pytest.mark.parametrize("suffix", ["", "-wal"])
async def test_a_ledger_that_is_removed_under_the_server_takes_no_further_intent(
    ledger: Ledger, path: Path, suffix: str
) -> None:
    await claimed(ledger)
    path.with_name(f"{path.name}{suffix}").unlink()

    with pytest.raises(LedgerError, match="removed or replaced"):
        await claimed(ledger, OTHER)
