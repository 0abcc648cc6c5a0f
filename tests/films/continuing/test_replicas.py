"""Films on several machines: each has its own disk, one of them joins, and another goes on for one that is gone."""

import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from anyio import CapacityLimiter

from runway_mcp.films.continuing.files import FilmFileGone, bytes_of_film, file_of
from runway_mcp.films.continuing.steps import JoinMade
from runway_mcp.media.join.joining import Joined, join_films
from tests.films.continuing.processes import LAPSED, Halt, clip_world, process
from tests.store.memory import MemoryStore, Rows

pytestmark = pytest.mark.slow


def machine(rows: Rows, *, later: float = 0.0) -> MemoryStore:
    """The ledger as one of several machines has it, whose clock is `later` by so many seconds."""
    return MemoryStore(rows, lambda: time.time() + later, is_shared=True)


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


async def test_of_two_machines_one_joins_a_film_and_both_know_it(tmp_path: Path) -> None:
    world, rows, joins = clip_world(pace=1.0), Rows(), Joins()
    async with (
        process(tmp_path / "one", world, shared=machine(rows), join=joins) as one,
        process(tmp_path / "other", world, shared=machine(rows), join=joins) as other,
    ):
        begun = (await one.submit()).intent
        done = [await each.film(begun) for each in (one, other)]

    assert joins.count == 1
    assert done[0] == done[1]
    assert len(world.tasks) == 2
    assert rows.leases[f"join:{begun.film_id}"][0] is None, "the lease is given back"


async def test_a_film_whose_machine_is_gone_before_its_create_goes_on_at_another_from_its_links(
    tmp_path: Path,
) -> None:
    world, rows, halt = clip_world(), Rows(), Halt("before POST assets")
    async with process(tmp_path / "one", world, shared=machine(rows), halt=halt) as one:
        await one.submit(wait=0)
        (begun,) = rows.intents.values()
        with anyio.move_on_after(30):
            await halt.reached.wait()
        begun = rows.intents[begun.id]
    assert halt.reached.is_set()
    assert not world.requests["POST /gen4_5/create"]

    later = machine(rows, later=LAPSED)
    async with process(tmp_path / "other", world, shared=later) as other:
        done = await other.film(begun)

    joined = JoinMade.of(done)
    assert joined is not None
    assert str(tmp_path / "other") in joined.path
    assert world.requests["POST /gen4_5/create"] == 1


async def test_a_film_whose_machine_is_gone_while_it_joins_is_joined_by_another_from_its_links(tmp_path: Path) -> None:
    world, rows, joins = clip_world(), Rows(), Joins(hangs=True)
    async with process(tmp_path / "one", world, shared=machine(rows), join=joins) as one:
        begun = (await one.submit(wait=0)).intent
        await joins.begun.wait()
        assert rows.leases[f"join:{begun.film_id}"][0] is not None
    again = Joins()
    async with process(tmp_path / "other", world, shared=machine(rows, later=LAPSED), join=again) as other:
        done = await other.film(begun)

    assert again.count == 1
    assert JoinMade.of(done) is not None
    assert world.requests["POST /gen4_5/create"] == 1


@pytest.mark.parametrize("uploads", [True, False])
async def test_a_film_of_another_machine_is_read_from_its_upload_once(tmp_path: Path, *, uploads: bool) -> None:
    world, rows = clip_world(), Rows()
    async with process(tmp_path / "one", world, shared=machine(rows), saves=False, uploads=uploads) as one:
        done = await one.done((await one.submit()).intent)
    told = JoinMade.of(done)
    assert told is not None
    content = Path(told.path).read_bytes()
    Path(told.path).unlink()
    async with process(tmp_path / "other", world, shared=machine(rows), uploads=uploads) as other:
        here = [await other.continuations.brought(done, told) for _ in range(2)]
        if uploads:
            assert here[0] == here[1]
            assert (await file_of(done, here[0])).path.is_relative_to(tmp_path / "other")
            assert await bytes_of_film(done, here[0]) == content
        else:
            assert here == [told, told]
            with pytest.raises(FilmFileGone):
                await file_of(done, here[0])
