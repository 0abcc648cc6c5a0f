"""A join that fails is told as paid and is made again by the same call; two processes join once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from anyio import CapacityLimiter

from runway_mcp.films.continuing.steps import JoinMade
from runway_mcp.media.errors import JoinFailed
from runway_mcp.media.join.joining import Joined, join_films
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.tasks.intents import Intent
from tests.films.continuing.processes import LAPSED, Halt, Process, clip_world, process

pytestmark = pytest.mark.slow


class CountedJoins:
    """Joins films, and counts how often; the first `failing` ones fail."""

    def __init__(self, failing: int = 0) -> None:
        self.count = 0
        self._failing = failing

    async def __call__(
        self, parts: Sequence[Path], target: Path, *, limiter: CapacityLimiter, undouble: bool
    ) -> Joined:
        """The film that the parts are."""
        self.count += 1
        if self.count <= self._failing:
            raise JoinFailed("frame 3 of the joined film is not that of part 1")
        return await join_films(parts, target, limiter=limiter, undouble=undouble)


async def unjoined(server: Process, **fields: Any) -> Intent:
    """A film whose part is made and whose join has failed."""
    film = (await server.submit(**fields)).intent
    last = (await server.followed(film))[-1]
    standing = await server.tools.store.find("id", film.id)
    assert standing is not None
    assert (last.step, last.status) == ("join", "RUNNING")
    return standing


async def test_a_join_that_fails_is_told_as_paid_and_the_same_call_joins_again(tmp_path: Path) -> None:
    world = clip_world()
    async with process(tmp_path, world, join=CountedJoins(failing=1)) as server:
        film = await unjoined(server)
        told = server.continuations.failure_of(film)
        again = await server.submit()
        done = await server.done(again.intent)

        assert told is not None
        assert (told.kind, told.charged, told.repeat, told.retry_safe) == ("unavailable", "yes", "now", True)
        assert "frame 3" in told.message
        assert (done.id, again.twin) == (film.id, True)
        assert len(world.tasks) == 2


async def test_a_join_that_failed_is_made_again_after_a_restart(tmp_path: Path) -> None:
    world = clip_world()
    async with process(tmp_path, world, join=CountedJoins(failing=1)) as server:
        film = await unjoined(server)
    async with process(tmp_path, world) as server:
        done = await server.film(film)

        assert done.id == film.id


async def test_what_was_joined_and_proven_before_a_kill_is_not_joined_again(tmp_path: Path) -> None:
    world = clip_world()
    halt = Halt("before join")
    async with process(tmp_path, world, halt=halt) as server:
        film = (await server.submit(wait=0)).intent
        await halt.reached.wait()
    joins = CountedJoins()
    async with process(tmp_path, world, later=LAPSED, join=joins) as server:
        joined = JoinMade.of(await server.film(film))

        assert joins.count == 0
        assert joined is not None
        assert [each.name for each in (tmp_path / "films").iterdir()] == [Path(joined.path).name]


async def test_two_processes_join_a_film_once(tmp_path: Path) -> None:
    world = clip_world()
    async with process(tmp_path, world, join=CountedJoins(failing=1)) as server:
        film = await unjoined(server)
    joins = CountedJoins()
    async with process(tmp_path, world, join=joins) as one, process(tmp_path, world, join=joins) as other:
        done = [await each.film(film) for each in (one, other)]

        assert joins.count == 1
        assert done[0].steps == done[1].steps
        assert len(list((tmp_path / "films").iterdir())) == 1


async def test_a_part_that_cannot_be_fetched_is_told_as_paid_and_fetched_later(tmp_path: Path) -> None:
    world = clip_world()
    async with process(tmp_path, world) as server:
        film = (await server.submit()).intent
        world.link_faults.append(LinkFault("wrong_type", times=1))
        last = (await server.followed(film))[-1]
        told = server.continuations.failure_of(film)
        done = await server.done((await server.submit()).intent)

        assert last.step == "join"
        assert told is not None
        assert (told.kind, told.charged) == ("unavailable", "yes")
        assert JoinMade.of(done) is not None


async def test_a_full_disk_at_the_join_is_told_as_paid_and_mended_by_room(tmp_path: Path) -> None:
    world = clip_world()
    free = [10**12]

    def room(_: Path) -> int:
        return free[0]

    async with process(tmp_path, world, free=room) as server:
        film = (await server.submit()).intent
        free[0] = 10
        last = (await server.followed(film))[-1]
        told = server.continuations.failure_of(film)
        free[0] = 10**12
        done = await server.done((await server.submit()).intent)

        assert last.step == "join"
        assert told is not None
        assert (told.kind, told.charged) == ("unavailable", "yes")
        assert "GB are free" in told.message
        assert done.id == film.id


async def test_a_task_that_fails_ends_the_film_and_joins_nothing(tmp_path: Path) -> None:
    world = clip_world()
    world.script_next(outcome="fail")
    joins = CountedJoins()
    async with process(tmp_path, world, join=joins) as server:
        film = (await server.submit()).intent
        last = (await server.followed(film))[-1]
        again = await server.submit()

        assert (last.step, last.status, last.has_ended) == ("create", "FAILED", True)
        assert (again.intent.id, again.twin) == (film.id, True)
        assert joins.count == 0
        assert len(world.tasks) == 2
