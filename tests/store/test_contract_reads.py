import re
from dataclasses import replace

import pytest

from runway_mcp.tasks.intents import WAITING_LEASE, Film, Intent, State, uuid_of
from runway_mcp.tasks.policy import Spend
from runway_mcp.tasks.store.protocol import Store
from runway_mcp.tasks.transitions import Selection, is_selected
from tests.kit.clock import EPOCH, SetClock
from tests.kit.samples import clip, extension, intent, long_id, plan
from tests.store.steps import claimed, posted, standing_of


async def test_what_is_unfinished_is_what_a_restart_must_take_up(store: Store) -> None:
    wishes = iter(extension(asset_id=clip().asset_id, seed=seed) for seed in range(1, 9))
    waiting, posting = await claimed(store, next(wishes)), await posted(store, next(wishes))
    refused, unclear, unknown, running, ended = [await posted(store, next(wishes)) for _ in range(5)]
    for made, state in ((refused, State.REFUSED), (unclear, State.UNCLEAR), (unknown, State.UNKNOWN)):
        await store.answered(made.id, made.claim, state, posts=1, looked=True)
    for number, made in enumerate((running, ended)):
        await store.accept(made.id, long_id("task", number), "RUNNING")
    await store.observe(long_id("task", 1), "FAILED", ended=True, film=None, failure=("moderated", "why"))

    unfinished = {found.id for found in await store.select(Selection.UNFINISHED)}
    recent = {found.id for found in await store.select(Selection.SUBMITTED)}

    assert unfinished == {posting.id, unclear.id, running.id}
    assert recent == unfinished | {unknown.id, ended.id}
    assert waiting.id not in recent


async def in_every_state(store: Store, clock: SetClock) -> list[Intent]:
    """Intents in every state, and with tasks in every state that a selection tells apart, oldest first."""
    made: list[Intent] = []
    for seed, state in enumerate(State, start=1):
        clock.now += 1
        made.append(await claimed(store, extension(asset_id=clip().asset_id, seed=seed)))
        if state is not State.WAITING:
            await store.begin_post(made[-1].id, made[-1].claim, upstream=None)
        if state not in (State.WAITING, State.POSTING, State.UNKNOWN):
            await store.answered(made[-1].id, made[-1].claim, state, posts=1, looked=False)
    ends = [("RUNNING", ()), ("SUCCEEDED", ()), ("SUCCEEDED", ("frame",)), ("SUCCEEDED", ("frame", "join"))]
    for number, (status, steps) in enumerate([*ends, ("FAILED", ("frame",)), ("SUCCEEDED", None)]):
        clock.now += 1
        made.append(await posted(store, extension(asset_id=clip().asset_id, seed=number + 90)))
        for step in steps or ():
            await store.end_step(made[-1].id, made[-1].claim, step, {"made": step})
        task_id = long_id("task", number)
        await store.accept(made[-1].id, task_id, "PENDING")
        failure = ("generation_failed", "no film") if steps is None else None
        await store.observe(task_id, status, ended=status != "RUNNING", film=None, failure=failure)
    unknown = next(each for each, state in zip(made, State, strict=False) if state is State.UNKNOWN)
    clock.now += 700
    await store.answered(unknown.id, unknown.claim, State.UNCLEAR, posts=1, looked=False)
    await store.looked(await standing_of(store, unknown), complete=True)
    return [await standing_of(store, each) for each in made]


async def test_a_film_is_found_by_its_id_as_long_as_its_intent_is_kept(store: Store) -> None:
    made = [await claimed(store, extension(asset_id=clip().asset_id, seed=seed)) for seed in (1, 2, 3)]

    found = [await store.find("film_id", each.film_id) for each in made]

    assert found == made
    assert all(re.fullmatch(r"film_[a-z0-9]{16}", each.film_id) for each in made)


async def test_no_film_is_found_by_an_id_that_is_not_whole(store: Store) -> None:
    made = await claimed(store)
    film = made.film_id

    for other in (film.upper(), film[:-1], f"{film}0", film.removeprefix("film_"), "film_", "", made.id):
        assert await store.find("film_id", other) is None


@pytest.mark.parametrize("selection", Selection)
async def test_a_selection_is_what_its_rule_says_newest_first(
    store: Store, clock: SetClock, selection: Selection
) -> None:
    made = await in_every_state(store, clock)
    newest_first = sorted(made, key=lambda each: each.created, reverse=True)
    expected = [each for each in newest_first if is_selected(each, clock.now, selection)]

    assert expected
    assert await store.select(selection) == expected
    assert await store.select(selection, limit=1) == expected[:1]


async def test_an_intent_is_found_by_each_of_its_own_ids(store: Store) -> None:
    made, _ = await store.claim(replace(intent(), callback_token="a-token-of-its-own"), plan().key(""))
    await store.begin_post(made.id, made.claim, upstream=None)
    owner = await store.accept(made.id, long_id("task", 5), "RUNNING")

    assert owner is not None
    assert await store.find("id", made.id) == owner
    assert await store.find("task_id", long_id("task", 5)) == owner
    assert await store.find("callback_token", "a-token-of-its-own") == owner
    assert await store.find("callback_token", "another-token") is None


async def test_a_uuid_names_a_source_or_a_film_and_else_a_task(store: Store) -> None:
    made, source, film, task_id = await posted(store), clip().asset_id, long_id("asset", 6), long_id("task", 5)
    await store.accept(made.id, task_id, "RUNNING")
    await store.observe(task_id, "SUCCEEDED", ended=True, film=Film(film), failure=None)

    assert await store.named(uuid_of(source), caller="") == source
    assert await store.named(uuid_of(film), caller="") == film
    assert await store.named(uuid_of(task_id), caller="") == task_id
    assert await store.named(uuid_of(long_id("asset", 7)), caller="") is None
    assert await store.named(uuid_of(film), tasks_only=True, caller="") == task_id
    assert await store.named(uuid_of(task_id), tasks_only=True, caller="") == task_id
    assert await store.named(uuid_of(source), tasks_only=True, caller="") is None


async def test_what_waits_for_its_post_counts_as_spent_as_long_as_its_lease_lasts(
    store: Store, clock: SetClock
) -> None:
    await claimed(store)

    clock.now += WAITING_LEASE
    assert await store.spends(caller="") == [Spend(EPOCH, 50)]
    clock.now += 0.001
    assert await store.spends(caller="") == []


async def test_spends_are_told_oldest_first_with_their_cost(store: Store, clock: SetClock) -> None:
    await posted(store)
    clock.now += 5
    await posted(store, extension(asset_id=clip().asset_id, seed=2))
    await posted(store, extension(asset_id=clip().asset_id, seed=3, explore_mode=True))

    assert await store.spends(caller="") == [Spend(EPOCH, 50), Spend(EPOCH + 5, 50)]


async def test_a_store_tells_the_time_that_it_goes_by(store: Store, clock: SetClock) -> None:
    clock.now += 9

    assert store.now() == clock.now
