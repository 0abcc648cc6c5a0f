from runway_mcp.tasks.intents import Film
from runway_mcp.tasks.store.protocol import Store
from runway_mcp.tasks.transitions import Selection
from tests.kit.clock import EPOCH, SetClock
from tests.kit.samples import long_id
from tests.store.steps import OTHER, posted


async def test_a_task_belongs_to_the_first_intent_that_it_was_written_to(store: Store) -> None:
    one, other = await posted(store), await posted(store, OTHER)

    owner = await store.accept(one.id, long_id("task", 5), "RUNNING")
    assert owner is not None
    assert await store.accept(other.id, long_id("task", 5), "RUNNING") is None
    kept = await store.accept(one.id, long_id("task", 6), "RUNNING")
    assert kept == owner


async def test_an_end_is_final_and_a_film_that_turns_up_takes_the_place_of_none(store: Store, clock: SetClock) -> None:
    made, task_id, film = await posted(store), long_id("task", 5), Film(long_id("asset", 5), name="dunes")
    await store.accept(made.id, task_id, "PENDING")

    empty = ("generation_failed", "no film")
    await store.observe(task_id, "SUCCEEDED", ended=True, film=None, failure=empty)
    clock.now += 90
    await store.observe(task_id, "RUNNING", ended=False, film=None, failure=None)
    assert [each.task_id for each in await store.select(Selection.WITHOUT_FILM)] == [task_id]
    await store.observe(task_id, "SUCCEEDED", ended=True, film=film, failure=None)
    await store.observe(task_id, "FAILED", ended=True, film=None, failure=("moderated", "why"))

    ended = await store.find("task_id", task_id)
    assert ended is not None
    assert (ended.status, ended.ended, ended.film, ended.failure_kind) == ("SUCCEEDED", EPOCH, film, None)


async def test_a_film_of_a_task_that_was_gone_is_kept(store: Store) -> None:
    made, task_id, film = await posted(store), long_id("task", 5), Film(long_id("asset", 5))
    await store.accept(made.id, task_id, "PENDING")

    await store.observe(task_id, "FAILED", ended=True, film=None, failure=("not_found", "gone"))
    await store.observe(task_id, "SUCCEEDED", ended=True, film=film, failure=None)

    ended = await store.find("task_id", task_id)
    assert ended is not None
    assert (ended.status, ended.film, ended.failure_kind) == ("SUCCEEDED", film, None)
