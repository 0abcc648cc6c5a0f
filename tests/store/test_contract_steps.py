"""The contract of every store: the steps of an intent, each of which ends once."""

import pytest

from runway_mcp.tasks.intents import AUTO, JOIN, Step
from runway_mcp.tasks.store.protocol import Store
from tests.kit.clock import EPOCH, SetClock
from tests.store.steps import claimed, standing_of


async def test_steps_are_kept_in_the_order_in_which_they_ended_with_what_they_made(
    store: Store, clock: SetClock
) -> None:
    made = await claimed(store)

    await store.end_step(made.id, made.claim, "frame", {"sha256": "5f", "at_seconds": 9.96})
    clock.now += 5
    told = await store.end_step(made.id, made.claim, "upload", {"asset_id": "ä"})

    ended = (Step("frame", EPOCH, {"sha256": "5f", "at_seconds": 9.96}), Step("upload", EPOCH + 5, {"asset_id": "ä"}))
    assert told is not None
    assert told.steps == ended
    assert (await standing_of(store, made)).steps == ended


async def test_a_step_that_has_ended_stays_as_it_was(store: Store, clock: SetClock) -> None:
    made = await claimed(store)
    await store.end_step(made.id, made.claim, "frame", {"sha256": "5f"})
    clock.now += 5

    told = await store.end_step(made.id, made.claim, "frame", {"sha256": "77"})

    assert told is not None
    assert told.steps == (Step("frame", EPOCH, {"sha256": "5f"}),)


async def test_who_lost_the_claim_ends_no_step(store: Store) -> None:
    made = await claimed(store)

    assert await store.end_step(made.id, "another", "frame", {}) is None
    assert await store.end_step("none", made.claim, "frame", {}) is None
    assert (await standing_of(store, made)).steps == ()


async def test_steps_last_through_a_post(store: Store) -> None:
    made = await claimed(store)
    await store.end_step(made.id, made.claim, "frame", {})

    posting = await store.begin_post(made.id, made.claim, upstream=None)

    assert posting is not None
    assert [step.name for step in posting.steps] == ["frame"]


async def test_an_upload_that_was_made_anew_before_anything_was_posted_takes_the_place_of_the_first(
    store: Store,
) -> None:
    made = await claimed(store)
    await store.end_step(made.id, made.claim, "upload", {"asset_id": "gone"})
    told = await store.end_step(made.id, made.claim, "upload", {"asset_id": "new"})
    posted = await store.begin_post(made.id, made.claim, upstream=None)
    late = await store.end_step(made.id, made.claim, "upload", {"asset_id": "late"})

    assert told is not None
    assert [step.made for step in told.steps] == [{"asset_id": "new"}]
    assert posted is not None
    assert late is not None
    assert late.steps == told.steps


@pytest.mark.parametrize("name", [JOIN, AUTO])
async def test_a_film_that_is_joined_anew_and_a_model_that_is_chosen_anew_replace_what_was_there(
    store: Store, name: str
) -> None:
    made = await claimed(store)
    await store.end_step(made.id, made.claim, name, {"made": "first"})

    told = await store.end_step(made.id, made.claim, name, {"made": "second"})

    assert told is not None
    assert [step.made for step in told.steps] == [{"made": "second"}]
