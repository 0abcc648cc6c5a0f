"""A ledger that was copied, or put back, while a film waited pays nothing a second time: it looks before it posts."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.builders import add_video
from runway_mcp.simulator.world import World
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent, State
from tests.films.continuing.processes import LAPSED, LIMIT, Halt, Process, clip_world, process
from tests.kit.upstream import fault

pytestmark = pytest.mark.slow

CREATE = "POST /gen4_5/create"


async def left_in_two_folders(folder: Path, world: World, where: str) -> Intent:
    """A film whose process was killed there; its folder is copied, and the original goes on and is paid."""
    halt = Halt(where)
    async with process(folder / "original", world, halt=halt) as server:
        film = (await server.submit(wait=0)).intent
        await halt.reached.wait()
    shutil.copytree(folder / "original", folder / "copy")
    async with process(folder / "original", world, later=LAPSED) as server:
        await server.film(film)
    assert world.requests[CREATE] == 1
    return film


def folders(folder: Path) -> None:
    """Makes the folder of the original."""
    (folder / "original").mkdir()


async def settled(server: Process, film: Intent) -> Intent:
    """The film once nobody prepares it any more."""
    with anyio.fail_after(LIMIT):
        while True:
            standing = await server.tools.store.find("id", film.id)
            assert standing is not None
            if standing.state is not State.WAITING:
                return standing
            await anyio.sleep(0.05)


@pytest.mark.parametrize("where", ["before frame", "after frame", "after upload"])
@pytest.mark.parametrize("switches", [{}, {"hidden_seeds": True}, {"start_frame_told": False}])
async def test_a_copy_of_the_ledger_finds_what_the_original_paid_and_joins_it(
    tmp_path: Path, where: str, switches: dict[str, Any]
) -> None:
    folders(tmp_path)
    world = clip_world()
    world.switches = replace(world.switches, **switches)
    film = await left_in_two_folders(tmp_path, world, where)

    async with process(tmp_path / "copy", world, later=LAPSED) as server:
        done = await server.film(film)

        assert done.task_id == world.task_id(world.accepted[0])
        assert world.requests[CREATE] == 1
        assert world.requests["POST /assets"] == 1


async def test_where_upstream_does_not_show_whose_a_task_is_a_copy_posts_nothing(tmp_path: Path) -> None:
    folders(tmp_path)
    world = clip_world()
    world.switches = replace(world.switches, hidden_seeds=True, start_frame_told=False)
    film = await left_in_two_folders(tmp_path, world, "after frame")

    async with process(tmp_path / "copy", world, later=LAPSED) as server:
        standing = await settled(server, film)
        with pytest.raises(Failure) as told:
            await server.submit(wait=3)

        assert (standing.state, standing.task_id) == (State.UNCLEAR, None)
        assert (told.value.kind, told.value.charged) == ("submission_unknown", "unknown")
        assert world.requests[CREATE] == 1


async def test_a_film_that_was_left_waits_until_the_lists_can_be_read(tmp_path: Path) -> None:
    folders(tmp_path)
    world = clip_world()
    film = await left_in_two_folders(tmp_path, world, "after upload")
    fault(world, method="GET", path_prefix="/tasks", status=503, times=3)

    async with process(tmp_path / "copy", world, later=LAPSED) as server:
        done = await server.film(film)

        assert done.task_id == world.task_id(world.accepted[0])
        assert world.requests[CREATE] == 1


@pytest.mark.parametrize("where", ["before frame", "after upload"])
async def test_the_same_call_on_a_copy_finds_it_too(tmp_path: Path, where: str) -> None:
    folders(tmp_path)
    world = clip_world()
    film = await left_in_two_folders(tmp_path, world, where)

    # By then nobody takes the film up unasked.
    async with process(tmp_path / "copy", world, later=7200) as server:
        done = await server.done((await server.submit()).intent)

        assert done.id == film.id
        assert done.task_id == world.task_id(world.accepted[0])
        assert world.requests[CREATE] == 1


async def test_a_film_of_another_clip_with_the_same_words_is_no_doubt_once_it_is_owned(tmp_path: Path) -> None:
    world = clip_world()
    other = add_video(world, model="gen4", prompt="a forest", seconds=5, width=64, height=36, age=8000.0)
    world.switches = replace(world.switches, hidden_seeds=True, start_frame_told=False)
    halt = Halt("after frame")
    async with process(tmp_path, world, halt=halt) as server:
        film = (await server.submit(wait=0)).intent
        await halt.reached.wait()
    async with process(tmp_path, world) as server:
        await server.done((await server.submit(source=world.asset_id(other))).intent)
    async with process(tmp_path, world, later=LAPSED) as server:
        done = await server.film(film)

        assert done.task_id == world.task_id(world.accepted[1])
        assert world.requests[CREATE] == 2
