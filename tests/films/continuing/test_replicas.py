"""Films on several machines: each has its own disk, one of them joins, and another goes on for one that is gone."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest
from anyio import CapacityLimiter

from runway_mcp.films.continuing.joining.files import FilmFileGone, bytes_of_film, file_of
from runway_mcp.films.continuing.steps import JoinMade
from runway_mcp.media.join.joining import Joined, join_films
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.store.postgres.store import PostgresStore
from runway_mcp.tasks.store.protocol import LEASE_SECONDS, Store
from runway_mcp.tasks.transitions import Selection
from tests.films.continuing.processes import LAPSED, Halt, clip_world, process
from tests.kit.postgres import new_schema
from tests.store.memory import MemoryStore
from tests.store.memory_replicas import Rows

pytestmark = pytest.mark.slow


Opener = Callable[[Callable[[], float]], Store]
"""Opens one more store on a ledger that machines share, with a clock."""


class Machines:
    """A ledger that several machines share."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener

    def machine(self, *, later: float = 0.0) -> Store:
        """The ledger as one of them has it, whose clock is `later` by so many seconds."""
        return self._opener(lambda: time.time() + later)

    async def holds(self, lease: str) -> bool:
        """Whether one of them has a lease."""
        replicas = self.machine().replicas
        assert replicas is not None
        if await replicas.take(lease, seconds=LEASE_SECONDS) > 0:
            return True
        await replicas.give_back(lease)
        return False

    async def only(self) -> Intent:
        """The one intent that there is."""
        store = self.machine()
        (found,) = {each.id: each for kind in Selection for each in await store.select(kind)}.values()
        return found


@pytest.fixture(params=["memory", "postgres"])
async def machines(request: pytest.FixtureRequest) -> AsyncIterator[Machines]:
    """A ledger in memory, and one in PostgreSQL."""
    if request.param == "memory":
        rows = Rows()
        yield Machines(lambda clock: MemoryStore(rows, clock, is_shared=True))
        return
    async with AsyncExitStack() as opened:
        url = opened.enter_context(new_schema(request.getfixturevalue("database_url")))

        def opener(clock: Callable[[], float]) -> Store:
            store = PostgresStore(url, clock=clock)
            opened.push_async_callback(store.close)
            return store

        yield Machines(opener)


class Joins:
    """Joins films, and counts how often; with `hangs` the first one never ends."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.count = 0
        self.begun = anyio.Event()
        self._hangs = hangs

    async def __call__(
        self, parts: Sequence[Path], target: Path, *, limiter: CapacityLimiter, undouble: bool
    ) -> Joined:
        """The film that the parts are."""
        self.count += 1
        self.begun.set()
        if self._hangs:
            await anyio.sleep_forever()
        return await join_films(parts, target, limiter=limiter, undouble=undouble)


async def test_of_two_machines_one_joins_a_film_and_both_know_it(tmp_path: Path, machines: Machines) -> None:
    world, joins = clip_world(pace=1.0), Joins()
    async with (
        process(tmp_path / "one", world, shared=machines.machine(), join=joins) as one,
        process(tmp_path / "other", world, shared=machines.machine(), join=joins) as other,
    ):
        begun = (await one.submit()).intent
        done = [await each.film(begun) for each in (one, other)]

    assert joins.count == 1
    assert done[0] == done[1]
    assert len(world.tasks) == 2
    assert not await machines.holds(f"join:{begun.film_id}"), "the lease is given back"


async def test_a_film_whose_machine_is_gone_before_its_create_goes_on_at_another_from_its_links(
    tmp_path: Path, machines: Machines
) -> None:
    world, halt = clip_world(), Halt("before POST assets")
    async with process(tmp_path / "one", world, shared=machines.machine(), halt=halt) as one:
        await one.submit(wait=0)
        with anyio.move_on_after(30):
            await halt.reached.wait()
        begun = await machines.only()
    assert halt.reached.is_set()
    assert not world.requests["POST /gen4_5/create"]

    later = machines.machine(later=LAPSED)
    async with process(tmp_path / "other", world, shared=later) as other:
        done = await other.film(begun)

    joined = JoinMade.of(done)
    assert joined is not None
    assert str(tmp_path / "other") in joined.path
    assert world.requests["POST /gen4_5/create"] == 1


async def test_a_film_whose_machine_is_gone_while_it_joins_is_joined_by_another_from_its_links(
    tmp_path: Path, machines: Machines
) -> None:
    world, joins = clip_world(), Joins(hangs=True)
    async with process(tmp_path / "one", world, shared=machines.machine(), join=joins) as one:
        begun = (await one.submit(wait=0)).intent
        await joins.begun.wait()
        assert await machines.holds(f"join:{begun.film_id}")
    again = Joins()
    async with process(tmp_path / "other", world, shared=machines.machine(later=LAPSED), join=again) as other:
        done = await other.film(begun)

    assert again.count == 1
    assert JoinMade.of(done) is not None
    assert world.requests["POST /gen4_5/create"] == 1


async def test_a_film_whose_machine_was_killed_while_it_joined_is_joined_as_soon_as_that_lease_has_lapsed(
    tmp_path: Path, machines: Machines
) -> None:
    world, joins = clip_world(), Joins(hangs=True)
    async with process(tmp_path / "one", world, shared=machines.machine(), join=joins) as one:
        begun = (await one.submit(wait=0)).intent
        await joins.begun.wait()
    killed = machines.machine().replicas
    assert killed is not None
    assert await killed.take(f"join:{begun.film_id}", seconds=3.0) == 0
    async with process(tmp_path / "other", world, shared=machines.machine()) as other:
        # Less than the lease of one that would begin anew.
        with anyio.fail_after(LEASE_SECONDS - 1):
            done = await other.film(begun)

    assert JoinMade.of(done) is not None
    assert world.requests["POST /gen4_5/create"] == 1


@pytest.mark.parametrize("uploads", [True, False])
async def test_a_film_of_another_machine_is_read_from_its_upload_once(
    tmp_path: Path, machines: Machines, *, uploads: bool
) -> None:
    world = clip_world()
    async with process(tmp_path / "one", world, shared=machines.machine(), saves=False, uploads=uploads) as one:
        done = await one.done((await one.submit()).intent)
    told = JoinMade.of(done)
    assert told is not None
    content = Path(told.path).read_bytes()
    Path(told.path).unlink()
    async with process(tmp_path / "other", world, shared=machines.machine(), uploads=uploads) as other:
        here = [await other.continuations.brought(done, told) for _ in range(2)]
        if uploads:
            assert here[0] == here[1]
            assert (await file_of(done, here[0])).path.is_relative_to(tmp_path / "other")
            assert await bytes_of_film(done, here[0]) == content
        else:
            assert here == [told, told]
            with pytest.raises(FilmFileGone):
                await file_of(done, here[0])
