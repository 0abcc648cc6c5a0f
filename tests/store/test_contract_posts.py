import pytest

from runway_mcp.tasks.intents import POSTING_LEASE, WAITING_LEASE, State
from runway_mcp.tasks.store.protocol import Store
from tests.kit.clock import EPOCH, SetClock
from tests.store.steps import claimed, posted, state_of


async def test_an_intent_that_waited_for_a_slot_counts_from_its_post(store: Store, clock: SetClock) -> None:
    made = await claimed(store)
    await store.keep_waiting(made.id, made.claim, seconds=50)
    clock.now += 50

    posting = await store.begin_post(made.id, made.claim, upstream=EPOCH + 99)

    assert posting is not None
    assert (posting.created, posting.posted, posting.lease) == (EPOCH + 50, EPOCH + 99, EPOCH + 50 + POSTING_LEASE)


async def test_the_time_of_the_first_post_is_kept_through_later_ones(store: Store) -> None:
    made = await posted(store)
    await store.answered(made.id, made.claim, State.WAITING, posts=1, looked=True)

    again = await store.begin_post(made.id, made.claim, upstream=EPOCH + 60)

    assert again is not None
    assert (again.posted, again.posts, again.looked) == (EPOCH, 2, False)


async def test_what_a_dead_process_left_posting_is_an_orphan_once_its_lease_is_over(
    store: Store, clock: SetClock
) -> None:
    made = await posted(store)
    assert await store.orphans() == []
    clock.now += POSTING_LEASE + 1

    assert [orphan.id for orphan in await store.orphans()] == [made.id]
    assert await state_of(store, made) is State.UNCLEAR


async def test_the_answer_of_a_post_that_others_took_for_lost_still_counts(store: Store, clock: SetClock) -> None:
    made = await posted(store)
    clock.now += POSTING_LEASE + 1
    await store.orphans()

    await store.answered(made.id, made.claim, State.REFUSED, posts=1, looked=True, failure=("not_found", "why"))

    assert await state_of(store, made) is State.REFUSED


@pytest.mark.parametrize("late", [State.WAITING, State.UNCLEAR, State.REFUSED])
async def test_a_late_answer_to_an_earlier_post_changes_nothing_of_a_later_one(store: Store, late: State) -> None:
    made = await posted(store)
    await store.answered(made.id, made.claim, State.WAITING, posts=1, looked=True)
    again = await store.begin_post(made.id, made.claim, upstream=None)

    assert await store.answered(made.id, made.claim, late, posts=1, looked=True, failure=("busy", "why")) == again
    assert await state_of(store, made) is State.POSTING


@pytest.mark.parametrize(("looked", "orphaned"), [(False, State.UNCLEAR), (True, State.WAITING)])
async def test_what_was_left_waiting_is_an_orphan_if_it_may_have_a_task(
    store: Store, clock: SetClock, orphaned: State, *, looked: bool
) -> None:
    made = await posted(store)
    await store.answered(made.id, made.claim, State.WAITING, posts=1, looked=looked)
    clock.now += WAITING_LEASE + 1

    assert [each.state for each in await store.orphans()] == [State.UNCLEAR][: not looked]
    assert await state_of(store, made) is orphaned


async def test_an_intent_that_nobody_wrote_can_be_neither_posted_nor_answered_nor_found(store: Store) -> None:
    assert await store.begin_post("none", "claim", upstream=None) is None
    assert not await store.keep_waiting("none", "claim", seconds=9)
    assert await store.answered("none", "claim", State.REFUSED, posts=1, looked=True) is None
    assert await store.accept("none", "task", "PENDING") is None
    assert await store.find("id", "none") is None
    await store.withdraw("none", "claim")
    await store.observe("none", "FAILED", ended=True, film=None, failure=None)
    assert await store.orphans() == []
