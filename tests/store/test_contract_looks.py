import pytest

from runway_mcp.tasks.intents import BLIND_SECONDS, LOOKING_SECONDS, State
from runway_mcp.tasks.store.protocol import Store
from runway_mcp.tasks.transitions import Selection
from tests.kit.clock import SetClock
from tests.store.steps import claimed, posted, standing_of, state_of


@pytest.mark.parametrize(
    ("state", "failure", "closed"),
    [
        (State.UNCLEAR, None, State.UNCLEAR),
        (State.UNCLEAR, ("not_found", "why"), State.REFUSED),
    ],
)
async def test_a_complete_look_confirms_a_refusal_and_nothing_else_at_once(
    store: Store, state: State, failure: tuple[str, str] | None, closed: State
) -> None:
    made = await posted(store)
    await store.answered(made.id, made.claim, state, posts=1, looked=False, failure=failure)

    await store.looked(await standing_of(store, made), complete=False)
    assert await state_of(store, made) is state
    await store.looked(await standing_of(store, made), complete=True)
    assert await state_of(store, made) is closed


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
    store: Store, clock: SetClock, after: float, state: State, *, complete: bool
) -> None:
    made = await posted(store)
    await store.answered(made.id, made.claim, State.UNCLEAR, posts=1, looked=False)
    clock.now += after

    standing = await store.looked(await standing_of(store, made), complete=complete)

    assert standing is not None
    assert (standing.state, standing.looked) == (state, complete)
    assert (await store.select(Selection.CLOSED_LATELY) == [standing]) is (state is State.UNKNOWN)


async def test_a_doubt_that_was_closed_is_refused_by_a_look_alone_that_sees_nothing(
    store: Store, clock: SetClock
) -> None:
    made = await posted(store)
    await store.answered(made.id, made.claim, State.UNCLEAR, posts=1, looked=False, failure=("not_found", "why"))
    clock.now += LOOKING_SECONDS
    await store.looked(await standing_of(store, made), complete=True, alike=True)
    assert await state_of(store, made) is State.UNKNOWN

    await store.looked(await standing_of(store, made), complete=False)
    assert await state_of(store, made) is State.UNKNOWN
    await store.looked(await standing_of(store, made), complete=True, alike=True)
    assert await state_of(store, made) is State.UNKNOWN
    await store.looked(await standing_of(store, made), complete=True)
    assert await state_of(store, made) is State.REFUSED


async def test_a_look_says_nothing_of_what_was_answered_or_posted_after_it_began(store: Store) -> None:
    before = await posted(store)
    await store.answered(before.id, before.claim, State.UNCLEAR, posts=1, looked=False, failure=("not_found", "why"))
    refused = await standing_of(store, before)
    await store.looked(before, complete=True)
    assert await state_of(store, before) is State.UNCLEAR

    await store.answered(before.id, before.claim, State.WAITING, posts=1, looked=True)
    again = await store.begin_post(before.id, before.claim, upstream=None)
    assert again is not None
    await store.answered(again.id, again.claim, State.UNCLEAR, posts=2, looked=False, failure=("not_found", "why"))
    await store.looked(refused, complete=True)
    assert await state_of(store, before) is State.UNCLEAR


async def test_only_what_was_posted_can_become_unknown(store: Store, clock: SetClock) -> None:
    made = await claimed(store)
    clock.now += BLIND_SECONDS

    await store.looked(await standing_of(store, made), complete=True)

    assert await state_of(store, made) is State.WAITING


async def test_what_was_closed_is_selected_for_a_day(store: Store, clock: SetClock) -> None:
    made = await posted(store)
    clock.now += LOOKING_SECONDS
    await store.answered(made.id, made.claim, State.UNCLEAR, posts=1, looked=False)
    await store.looked(await standing_of(store, made), complete=True)

    clock.now += BLIND_SECONDS - 1
    assert [each.id for each in await store.select(Selection.CLOSED_LATELY)] == [made.id]
    clock.now += 1
    assert await store.select(Selection.CLOSED_LATELY) == []


async def test_a_look_for_what_was_never_posted_changes_nothing(store: Store) -> None:
    made = await claimed(store)

    assert await store.looked(made, complete=True) == made
