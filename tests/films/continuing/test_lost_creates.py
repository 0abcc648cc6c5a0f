"""A create whose answer is lost is found, and never posted again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runway_mcp.simulator.world import World
from tests.films.continuing.processes import Process, clip_world, process
from tests.kit.upstream import fault

pytestmark = pytest.mark.slow

CREATE = {"method": "POST", "path_prefix": "/gen4_5/create"}


def switched(world: World, **switches: Any) -> World:
    """The world with these switches."""
    world.switches = replace(world.switches, **switches)
    return world


async def made_once(server: Process, world: World, **fields: Any) -> None:
    """Submits, follows to the end, and checks that one task was made and one film came of it."""
    done = await server.done((await server.submit(wait=30, **fields)).intent)

    assert len(world.tasks) == 2
    assert world.requests["POST /gen4_5/create"] == 1
    assert done.task_id == world.task_id(world.tasks[-1])


@pytest.mark.parametrize("rule", [{"kind": "reset_after"}, {"kind": "status", "status": 502, "handled": True}])
@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"hidden_seeds": True},
        {"start_frame_told": False},
    ],
)
async def test_a_running_create_is_found_by_its_reference_and_a_finished_one_by_what_upstream_tells(
    tmp_path: Path, rule: dict[str, Any], switches: dict[str, Any]
) -> None:
    world = switched(clip_world(pace=2.0), **switches)
    fault(world, **CREATE, **rule)
    async with process(tmp_path, world) as server:
        await made_once(server, world)


@pytest.mark.parametrize(
    ("switches", "given"),
    [
        ({}, {}),
        ({"hidden_seeds": True}, {}),
        ({"start_frame_told": False}, {}),
        ({}, {"seed": 5}),
        ({"hidden_seeds": True}, {"seed": 5}),
    ],
)
async def test_a_create_that_ended_before_anybody_looked_is_found_by_its_seed_or_by_its_frame(
    tmp_path: Path, switches: dict[str, Any], given: dict[str, Any]
) -> None:
    world = switched(clip_world(pace=0.01), **switches)
    fault(world, **CREATE, kind="reset_after")
    # The scheduler, where a running task shows its reference, cannot be read until the task has ended.
    fault(world, method="GET", path_prefix="/scheduler", status=503, times=1)
    async with process(tmp_path, world) as server:
        await made_once(server, world, **given)


@pytest.mark.parametrize(("hidden", "given"), [(True, {}), (False, {"seed": 5})])
async def test_where_upstream_shows_no_frame_and_no_seed_of_ours_nothing_is_posted_again(
    tmp_path: Path, hidden: bool, given: dict[str, Any]
) -> None:
    world = switched(clip_world(pace=0.01), hidden_seeds=hidden, start_frame_told=False)
    fault(world, **CREATE, kind="reset_after")
    fault(world, method="GET", path_prefix="/scheduler", status=503, times=3)
    async with process(tmp_path, world) as server:
        begun = await server.submit(wait=5, **given)

        assert begun.intent.task_id is None
        assert world.requests["POST /gen4_5/create"] == 1
        assert len(world.tasks) == 2
