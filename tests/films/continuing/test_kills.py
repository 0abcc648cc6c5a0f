"""A process that is killed in any step leaves a film that the next one finishes; nothing is paid or uploaded twice."""

import time
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from runway_mcp.films.continuing.preparing.call_options import with_options
from runway_mcp.films.continuing.standing import standing_of
from runway_mcp.films.continuing.steps import JoinMade
from runway_mcp.films.continuing.workspace import workspace_of
from runway_mcp.simulator.world import World
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import OPEN, Intent, State
from runway_mcp.tasks.spend.continuation import remembered_continuation
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.films.continuing.processes import LAPSED, LIMIT, Halt, clip_world, process

pytestmark = pytest.mark.slow

STEPS = [
    "before frame",
    "after frame",
    "before POST assets",
    "after POST assets",
    "before upload",
    "after upload",
    "after POST create",
    "before join",
    "after join",
]


async def killed_at(folder: Path, world: World, where: str) -> Intent:
    """The film of a process that was killed there."""
    halt = Halt(where)
    async with process(folder, world, halt=halt) as server:
        claimed = await server.submit(wait=0)
        await halt.reached.wait()
        return claimed.intent
    raise AssertionError


def assert_made_once(world: World, film: Intent) -> None:
    joined = JoinMade.of(film)
    assert joined is not None
    assert joined.frames == 6
    assert len(world.tasks) == 2
    assert sum(asset.media_type == "image" for asset in world.assets) == 1
    assert [str(each) for each in Path(joined.path).parent.iterdir()] == [joined.path]


@pytest.mark.parametrize("where", STEPS)
async def test_a_film_whose_process_was_killed_is_finished_by_the_next_process_unasked(
    tmp_path: Path, where: str
) -> None:
    world = clip_world()
    film = await killed_at(tmp_path, world, where)

    async with process(tmp_path, world, later=LAPSED) as server:
        done = await server.film(film)

        assert_made_once(world, done)


@pytest.mark.parametrize("where", ["after frame", "before upload", "before join"])
async def test_the_same_call_after_a_kill_gives_the_same_film(tmp_path: Path, where: str) -> None:
    world = clip_world()
    film = await killed_at(tmp_path, world, where)

    async with process(tmp_path, world, later=LAPSED) as server:
        again = await server.submit()
        done = await server.done(again.intent)

        assert done.id == film.id
        assert_made_once(world, done)


async def test_a_kill_as_the_create_leaves_is_looked_for_and_never_posted_again(tmp_path: Path) -> None:
    world = clip_world()
    film = await killed_at(tmp_path, world, "before POST create")

    async with process(tmp_path, world, later=LAPSED) as server:
        with pytest.raises(Failure) as told:
            await server.submit(wait=3)
        standing = await server.tools.store.find("id", film.id)

        assert (told.value.kind, told.value.charged) == ("submission_unknown", "unknown")
        assert standing is not None
        assert standing.state in OPEN
        assert standing_of(standing, None).step == "create"
        assert standing_of(standing, None).status == "PENDING"
        assert world.requests["POST /gen4_5/create"] == 0


async def test_a_film_goes_on_as_soon_as_the_lease_of_a_killed_process_has_lapsed(tmp_path: Path) -> None:
    world = clip_world()
    film = await killed_at(tmp_path, world, "before upload")
    with SqliteStore(tmp_path / "data" / "ledger.sqlite3", time.time) as store:
        left = await store.find("id", film.id)
    assert left is not None

    async with process(tmp_path, world, later=left.lease - time.time() - 2.0) as server:
        with anyio.fail_after(LIMIT / 2):
            assert_made_once(world, await server.film(film))


async def test_a_film_goes_on_at_once_after_its_process_was_stopped(tmp_path: Path) -> None:
    world, halt = clip_world(), Halt("before upload", is_killed=False)
    async with process(tmp_path, world, halt=halt) as server:
        film = (await server.submit(wait=0)).intent
        await halt.reached.wait()

    async with process(tmp_path, world) as server:
        with anyio.fail_after(LIMIT / 2):
            assert_made_once(world, await server.film(film))


async def test_a_film_that_was_claimed_long_ago_is_not_paid_unasked(tmp_path: Path) -> None:
    world = clip_world()
    film = await killed_at(tmp_path, world, "after upload")

    async with process(tmp_path, world, later=7200) as server:
        await anyio.sleep(1)  # what must not begin would begin at once
        standing = await server.tools.store.find("id", film.id)
        assert standing is not None
        assert standing.state is State.WAITING
        assert world.requests["POST /gen4_5/create"] == 0

        done = await server.done((await server.submit()).intent)

        assert done.id == film.id
        assert_made_once(world, done)


@pytest.mark.parametrize("where", ["before frame", "after frame", "after upload"])
async def test_a_film_is_finished_though_the_clock_was_set_back_since_its_process_was_killed(
    tmp_path: Path, where: str
) -> None:
    world = clip_world()
    halt = Halt(where)
    async with process(tmp_path, world, halt=halt, later=7200) as server:
        film = (await server.submit(wait=0)).intent
        await halt.reached.wait()

    async with process(tmp_path, world) as server:
        assert_made_once(world, await server.film(film))


async def test_the_same_call_goes_on_with_a_film_though_the_clock_was_set_back(tmp_path: Path) -> None:
    world = clip_world()
    halt = Halt("before frame")
    async with process(tmp_path, world, halt=halt, later=7200) as server:
        film = (await server.submit(wait=0)).intent
        await halt.reached.wait()

    async with process(tmp_path, world) as server:
        done = await server.done((await server.submit()).intent)

        assert done.id == film.id
        assert_made_once(world, done)


@pytest.mark.parametrize("jump", [-7200.0, 7200.0])
async def test_a_clock_that_jumps_while_the_frame_is_taken_stops_no_film(tmp_path: Path, jump: float) -> None:
    world = clip_world()
    ahead = [0.0]

    def require() -> None:
        ahead[0] = jump

    async with process(tmp_path, world, later=lambda: ahead[0], require=require) as server:
        begun = await server.submit(wait=0)

        assert_made_once(world, await server.done(begun.intent))


@pytest.mark.parametrize("where", ["before frame", "after upload"])
async def test_a_film_that_is_taken_up_keeps_what_its_call_asked_for_beside_the_request(
    tmp_path: Path, where: str
) -> None:
    world = clip_world()
    world.switches = replace(world.switches, delivery="lost")
    address = "http://127.0.0.1:9/called"
    halt = Halt(where)
    async with process(tmp_path, world, halt=halt) as server:
        film = (await server.submit(wait=0, reply_url=address, max_jobs=3)).intent
        await halt.reached.wait()
        plan = with_options(tmp_path / "data", film.film_id, remembered_continuation(film))
        assert (plan.asked.reply_url, plan.asked.max_jobs) == (address, 3)

    async with process(tmp_path, world, later=LAPSED) as server:
        await server.film(film)

        assert world.tasks[-1].reply_url == address
        assert not (workspace_of(tmp_path / "data", film.film_id) / "asked.json").exists()
    assert address.encode() not in (tmp_path / "data" / "ledger.sqlite3").read_bytes()
