"""The store in PostgreSQL while rows of callers are held: who waits for them keeps no connection from others."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial

import anyio
import pytest

from runway_mcp.tasks.intents import State
from runway_mcp.tasks.store.postgres.store import PostgresStore
from runway_mcp.tasks.store.protocol import Availability, LedgerError
from tests.kit.postgres import new_schema
from tests.kit.samples import clip, extension
from tests.store.databases import HASTY, PATIENT, ask, caller_held, opened, waiting_backend
from tests.store.steps import posted
from tests.tasks.claims import claim

MANY = 12
"""More verbs than a process has connections."""

# Less than a verb waits for a connection or for a lock, and far more than one takes that waits for none.
_AT_ONCE = 20.0


@pytest.fixture
def url(database_url: str) -> Generator[str]:
    """The URL of an empty ledger."""
    with new_schema(database_url) as url:
        yield url


@contextmanager
def at_once() -> Generator[None]:
    """Fails if what is done took as long as a wait; a verb that has begun ends whatever cuts it off."""
    began = anyio.current_time()
    yield
    assert anyio.current_time() - began < _AT_ONCE


@pytest.mark.parametrize("verb", ["claim", "keep_waiting", "answered", "looked", "accept", "observe"])
async def test_a_caller_that_is_held_stops_no_other_caller_however_many_of_its_verbs_wait(url: str, verb: str) -> None:
    async with opened(url, PATIENT) as store:
        made = await posted(store)
        await store.accept(made.id, "user:1-task:x", "RUNNING")
        verbs: dict[str, Callable[[int], Awaitable[object]]] = {
            "claim": lambda seed: claim(store, extension(asset_id=clip().asset_id, seed=seed)),
            "keep_waiting": lambda _: store.keep_waiting(made.id, made.claim, seconds=1),
            "answered": lambda _: store.answered(made.id, made.claim, State.REFUSED, posts=1, looked=True),
            "looked": lambda _: store.looked(made, complete=True),
            "accept": lambda seed: store.accept(made.id, f"user:1-task:{seed}", "RUNNING"),
            "observe": lambda _: store.observe("user:1-task:x", "FAILED", ended=True, film=None, failure=None),
        }
        ended: list[object] = []

        async def run(seed: int) -> None:
            ended.append(await verbs[verb](seed))

        async with anyio.create_task_group() as held:
            with caller_held(url):
                for seed in range(1, MANY + 1):
                    held.start_soon(run, seed)
                await waiting_backend(url, "Lock")
                with at_once():
                    assert not (await claim(store, caller="ana"))[1]
                    assert await store.spends(caller="ben") == []
                assert ended == []

    assert len(ended) == MANY


async def test_reads_go_on_while_more_callers_are_held_than_a_process_has_connections(url: str) -> None:
    callers = [f"caller {number}" for number in range(MANY)]
    async with opened(url, PATIENT) as store, anyio.create_task_group() as held:
        with caller_held(url, *callers):
            for caller in callers:
                held.start_soon(partial(claim, store, caller=caller))
            await waiting_backend(url, "Lock")
            with at_once():
                assert await store.spends(caller="ana") == []

    assert len(ask(url, "SELECT id FROM intents")) == MANY


async def test_verbs_that_wait_for_a_row_in_vain_are_all_told_that_it_is_held(url: str) -> None:
    told: list[str] = []

    async def make(store: PostgresStore, seed: int) -> None:
        with pytest.raises(LedgerError) as caught:
            await claim(store, extension(asset_id=clip().asset_id, seed=seed))
        told.append(caught.value.trouble)

    async with opened(url, HASTY) as store:
        with caller_held(url):
            async with anyio.create_task_group() as held:
                for seed in range(1, MANY + 1):
                    held.start_soon(make, store, seed)
        assert store.reach() is Availability.REACHED

    assert len(told) == MANY
    assert all("held by another program" in each for each in told)
