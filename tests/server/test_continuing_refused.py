"""A clip that Runway refuses to extend is continued once, and never extended as well."""

from pathlib import Path
from typing import Any

import pytest

from runway_mcp.simulator.builders import add_video
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from tests.films.continuing.processes import clip_world
from tests.server.continuing import continuing, continuing_at, creates

pytestmark = pytest.mark.slow


def gen3_world(**fields: Any) -> World:
    """A world whose clips of Gen-3 Runway does not extend any more."""
    world = clip_world()
    add_video(world, prompt="an old clip", age=8000.0, **fields)
    world.switch(gen3_gone=True)
    return world


async def test_a_clip_that_runway_extends_no_more_is_priced_as_a_continuation_from_then_on(tmp_path: Path) -> None:
    world = gen3_world()
    old = world.asset_id(world.assets[1])
    async with continuing(tmp_path, world) as client:
        refused = await client.data("extend_video", assetId=old, text_prompt="on")
        priced = await client.data("extend_video", assetId=old, text_prompt="on", dry_run=True)

        assert (refused["error"]["kind"], refused["error"]["charged"]) == ("invalid_request", "no")
        assert refused["next_step"]["arguments"]["model"] == "gen4.5"
        assert (priced["status"], priced["model"]) == ("DRY_RUN", "gen4.5")
        assert creates(client) == 0


async def test_a_clip_that_runway_extends_no_more_is_continued_once_with_the_model_that_is_set(tmp_path: Path) -> None:
    world = gen3_world()
    old = world.asset_id(world.assets[1])
    async with continuing(tmp_path, world, continue_with="gen4.5") as client:
        film = await client.data("extend_video", assetId=old, text_prompt="on")
        again = await client.data("extend_video", assetId=old, text_prompt="on")

        assert film["status"] == "SUCCEEDED"
        assert (again["film"]["id"], again["twin"], again["credits"]["cost"]) == (film["film"]["id"], True, 0)
        assert creates(client) == 1


async def test_a_request_that_was_continued_stays_so_though_runway_extends_its_clip_again(tmp_path: Path) -> None:
    world = gen3_world()
    old = world.asset_id(world.assets[1])
    async with continuing(tmp_path, world, continue_with="gen4.5") as client:
        film = await client.data("extend_video", assetId=old, text_prompt="on")
    world.switch(gen3_gone=False)
    async with continuing(tmp_path, world, continue_with="gen4.5") as client:
        priced = await client.data("extend_video", assetId=old, text_prompt="on", dry_run=True)
        again = await client.data("extend_video", assetId=old, text_prompt="on")

        assert (priced["twin"], priced["credits"]["cost"]) == (True, 0)
        assert (again["film"]["id"], again["twin"]) == (film["film"]["id"], True)
        assert creates(client) == 1
        assert len(world.accepted) == 1


async def test_what_a_dry_run_says_was_submitted_before_is_not_paid_when_runway_extends_again(tmp_path: Path) -> None:
    world = gen3_world()
    async with continuing(tmp_path, world) as client:
        wish = {"assetId": world.asset_id(world.assets[1]), "text_prompt": "on"}
        refused = await client.data("extend_video", **wish)
        film = await client.data("extend_video", **refused["next_step"]["arguments"])
        world.switch(gen3_gone=False)
        priced = await client.data("extend_video", **wish, dry_run=True)
        again = await client.data("extend_video", **wish)

        assert "would charge nothing" in priced["summary"]
        assert (again["film"]["id"], again["twin"]) == (film["film"]["id"], True)
        assert len(world.accepted) == 1


async def test_a_refused_extension_that_is_continued_is_charged_once_across_a_restart(tmp_path: Path) -> None:
    world = clip_world()
    old = world.asset_id(add_video(world, prompt="an old clip"))
    world.switch(gen3_gone=True)
    films: list[str] = []
    async with running(world) as url:
        for paid in (1, 1):
            async with continuing_at(url, world, tmp_path, continue_with="gen4.5") as client:
                films.append((await client.data("extend_video", assetId=old))["film"]["id"])

                assert creates(client) == paid
    assert films[0] == films[1]


@pytest.mark.parametrize("later", [0.0, 6.0, 12.0])
@pytest.mark.parametrize("wait", [0, 40])
async def test_an_extension_that_was_refused_after_acceptance_is_not_continued_as_well(
    tmp_path: Path, later: float, wait: int
) -> None:
    world = clip_world(pace=2.0)
    old = world.asset_id(add_video(world, prompt="an old clip"))
    world.switch(late_in_lists=later, late_in_scheduler=later)
    world.faults.append(
        Fault("POST", "/gen3/extend", status=400, body={"error": "Gen-3 is no longer supported."}, handled=True)
    )
    async with continuing(tmp_path, world, continue_with="gen4.5") as client:
        told = await client.data("extend_video", assetId=old, text_prompt="on", wait_seconds=wait)
        if "taskId" not in told:
            followed = await client.data("get_task", taskId=told["film"]["id"], wait_seconds=40)
            assert (followed["error"]["kind"], followed["error"]["charged"]) == ("unavailable", "no")
            told = await client.data("extend_video", assetId=old, text_prompt="on", wait_seconds=40)

        assert told["taskId"] == world.task_id(world.accepted[0])
        assert told["model"] == "gen3a"
        assert creates(client) == 0
        assert len(world.accepted) == 1


async def test_the_clip_that_was_refused_goes_on_though_its_name_is_another_clips_by_then(tmp_path: Path) -> None:
    world = clip_world()
    old = add_video(world, prompt="an old clip", name="beach.mp4")

    async def renamed() -> None:
        old.name = "beach before.mp4"
        add_video(world, model="gen4", prompt="another", seconds=5, name="beach.mp4", age=10.0)

    world.switch(gen3_gone=True)
    world.faults.append(Fault("POST", "/gen3/extend", kind="delay", hold=renamed))
    async with continuing(tmp_path, world, continue_with="gen4.5") as client:
        film = await client.data("extend_video", assetId="beach.mp4", text_prompt="on")
        again = await client.data("extend_video", assetId=world.asset_id(old), text_prompt="on")

        assert film["status"] == "SUCCEEDED"
        assert (again["film"]["id"], again["twin"]) == (film["film"]["id"], True)
        assert creates(client) == 1
