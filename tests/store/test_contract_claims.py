from dataclasses import replace
from functools import partial

import pytest

from runway_mcp.runway.models import Extension
from runway_mcp.tasks.catalogue import CREATE_MODELS, MODELS, Model
from runway_mcp.tasks.intents import AUTO, WAITING_LEASE, Intent, RequestKey, State, Step
from runway_mcp.tasks.policy import PolicyRefused, SpendPolicy
from runway_mcp.tasks.spend.plan import key_of
from runway_mcp.tasks.spend.priced import keys_with_models
from runway_mcp.tasks.store.protocol import Store
from tests.kit.clock import SetClock
from tests.kit.samples import clip, extension, intent, plan
from tests.store.conftest import Opener
from tests.store.steps import OTHER, claimed, posted, standing_of, state_of
from tests.tasks.claims import claim


async def earlier(store: Store, name: str, wish: Extension | None = None) -> Intent | None:
    """The intent that answers the wish under that name of its clip."""
    return await store.earlier(name, partial(key_of, wish or plan().asked, caller=""))


def with_source(drafted: Intent, source: str, key: RequestKey) -> Intent:
    """The drafted intent for another clip."""
    return replace(drafted, source_asset_id=source, idempotency_key=key.given)


async def test_an_intent_is_read_elsewhere_word_for_word(opener: Opener) -> None:
    written = await claimed(opener())

    assert await standing_of(opener(), written) == written


async def test_the_same_request_from_two_processes_is_written_once(opener: Opener) -> None:
    first, first_is_earlier = await claim(opener())
    second, second_is_earlier = await claim(opener())

    assert (first_is_earlier, second_is_earlier) == (False, True)
    assert second.id == first.id


async def test_a_refused_intent_is_claimed_again_under_its_own_seed_and_reference(store: Store) -> None:
    first = await posted(store)
    await store.answered(first.id, first.claim, State.REFUSED, posts=1, looked=True, failure=("not_found", "why"))

    again = await claimed(store)

    assert (again.id, again.seed, again.reply_ref, again.posts) == (first.id, first.seed, first.reply_ref, 1)
    assert again.failure_kind is None


async def test_whoever_was_replaced_at_an_intent_can_neither_post_nor_wait_nor_withdraw(
    store: Store, clock: SetClock
) -> None:
    late = await claimed(store)
    clock.now += WAITING_LEASE + 1
    holder = await claimed(store)
    clock.now -= 3600

    assert await store.begin_post(late.id, late.claim, upstream=None) is None
    assert not await store.keep_waiting(late.id, late.claim, seconds=9)
    await store.withdraw(late.id, late.claim)
    assert await state_of(store, holder) is State.WAITING
    assert await store.begin_post(holder.id, holder.claim, upstream=None) is not None


async def test_a_lease_that_is_over_posts_nothing_although_nobody_came_in_between(
    store: Store, clock: SetClock
) -> None:
    late = await claimed(store)
    clock.now += WAITING_LEASE + 1

    assert await store.begin_post(late.id, late.claim, upstream=None) is None


async def test_a_post_that_is_out_is_never_claimed_again_however_old_it_is(store: Store, clock: SetClock) -> None:
    out = await posted(store)
    clock.now += 1e9

    standing, is_earlier = await claim(store)

    assert (standing.id, is_earlier) == (out.id, True)


async def test_withdrawing_touches_only_what_waits(store: Store) -> None:
    waiting, posting = await claimed(store), await posted(store, OTHER)

    await store.withdraw(waiting.id, waiting.claim)
    await store.withdraw(posting.id, posting.claim)

    assert [await state_of(store, made) for made in (waiting, posting)] == [State.REFUSED, State.POSTING]


async def test_why_a_holder_gave_up_is_kept_until_the_request_is_claimed_again(store: Store) -> None:
    waiting = await claimed(store)

    await store.withdraw(waiting.id, waiting.claim, failure=("not_configured", "The disk is full."))
    given_up = await standing_of(store, waiting)
    again = await claimed(store)

    assert (given_up.state, given_up.failure_kind) == (State.REFUSED, "not_configured")
    assert given_up.failure_message == "The disk is full."
    assert (again.id, again.failure_kind, again.failure_message) == (waiting.id, None, None)


async def test_what_waits_after_an_unconfirmed_refusal_is_still_looked_for_when_it_is_withdrawn(store: Store) -> None:
    made = await posted(store)
    await store.answered(made.id, made.claim, State.WAITING, posts=1, looked=False)

    await store.withdraw(made.id, made.claim)

    assert await state_of(store, made) is State.UNCLEAR
    assert (await claim(store))[1]


async def test_a_moderated_request_is_answered_and_never_claimed_again(store: Store) -> None:
    made = await posted(store)
    await store.answered(made.id, made.claim, State.REFUSED, posts=1, looked=True, failure=("moderated", "why"))

    standing, is_earlier = await claim(store)

    assert (standing.id, is_earlier) == (made.id, True)


async def test_what_the_policy_refuses_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(PolicyRefused):
        await claim(store, policy=SpendPolicy(per_call=1))

    assert await store.spends(caller="") == []
    assert await earlier(store, clip().asset_id) is None


@pytest.mark.parametrize(
    ("model", "steps", "answers"),
    [
        (MODELS["gen3a"], (), True),
        (CREATE_MODELS["gen4"], (Step(AUTO, 0.0, {"refused": None}),), True),
        (CREATE_MODELS["gen4"], (), False),
    ],
)
async def test_a_call_without_a_model_is_answered_by_what_it_was_taken_for_before_and_by_no_model_that_was_named(
    store: Store, model: Model, steps: tuple[Step, ...], *, answers: bool
) -> None:
    asked, source = plan().asked, plan().source.asset_id
    other, own = keys_with_models(asked, source, [model, CREATE_MODELS["gen4.5"]], caller="")
    before = replace(with_source(intent(), source, other), task_type=model.name, steps=steps)
    made, _ = await store.claim(before, other)
    wanted = replace(with_source(intent(), source, own), id="another", task_type="gen4.5")

    got, is_earlier = await store.claim(wanted, own, rivals=[other])

    assert (is_earlier, got.id) == ((True, made.id) if answers else (False, "another"))


async def test_what_was_refused_with_a_model_that_was_named_is_claimed_again_as_of_a_call_that_names_none(
    store: Store,
) -> None:
    asked, source = plan().asked, plan().source.asset_id
    own, other = keys_with_models(asked, source, [CREATE_MODELS["gen4.5"], CREATE_MODELS["gen4"]], caller="")
    named = replace(with_source(intent(), source, own), task_type="gen4.5")
    made, _ = await store.claim(named, own)
    await store.withdraw(made.id, made.claim)
    await store.claim(replace(named, steps=(Step(AUTO, 0.0, {"refused": None}),)), own)

    rival = replace(with_source(intent(), source, other), id="another", task_type="gen4")
    got, is_earlier = await store.claim(rival, other, rivals=[own])

    assert (got.id, is_earlier) == (made.id, True)


@pytest.mark.parametrize("name", [clip().asset_id, "00000001-0000-4000-8000-000000000000", "name:Dunes"])
async def test_a_duplicate_is_found_under_every_name_that_its_source_was_given(store: Store, name: str) -> None:
    made, _ = await store.claim(intent(), plan().key(""), spellings=["name:Dunes"])

    assert await earlier(store, name) == made
    assert await earlier(store, name, OTHER) is None
    assert await earlier(store, "name:Sea") is None


async def test_a_name_that_no_database_can_hold_is_left_out_and_keeps_no_request_back(store: Store) -> None:
    made, is_earlier = await store.claim(
        intent(), plan().key(""), spellings=["name:a\0b", "name:a\ud800b", "name:Dunes"]
    )

    assert not is_earlier
    assert await earlier(store, "name:a\0b") is None
    assert await earlier(store, "name:Dunes") == made


async def test_a_name_is_that_of_the_source_it_was_given_last(store: Store) -> None:
    asked, sources = plan().asked, (clip(1).asset_id, clip(2).asset_id)
    keys = [key_of(asked, source, "gen3a", caller="") for source in sources]
    for number, (source, key) in enumerate(zip(sources, keys, strict=True)):
        drafted = intent(extension(asset_id=source, seed=number + 1))
        await store.claim(with_source(drafted, source, key), key, spellings=["name:Dunes"])

    found = await earlier(store, "name:Dunes")

    assert found is not None
    assert found.source_asset_id == sources[1]


async def test_a_generated_seed_that_is_given_back_is_the_same_request(store: Store) -> None:
    made = await claimed(store)

    given_back = plan().asked.model_copy(update={"seed": made.seed})

    assert (await claim(store, given_back))[0] == made
    assert await earlier(store, clip().asset_id, given_back) == made


async def test_what_may_be_claimed_again_answers_no_duplicate(store: Store, clock: SetClock) -> None:
    made = await claimed(store)
    assert await earlier(store, clip().asset_id) == made

    clock.now += WAITING_LEASE + 1

    assert await earlier(store, clip().asset_id) is None
