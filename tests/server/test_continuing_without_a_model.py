"""A call that names no model is one wish, whatever became of earlier requests of a model, and whatever is set."""

import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.films.continuing.preparing.preparations_under_way import RESUMED_SECONDS
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.run import running
from tests.films.continuing.processes import LAPSED, Halt, clip_world, process, unnamed
from tests.server.continuing import clip_id, continuing_at

pytestmark = pytest.mark.slow


async def test_a_call_without_a_model_that_goes_on_with_a_refused_request_of_that_model_stays_the_same(
    tmp_path: Path,
) -> None:
    world = clip_world()
    async with running(world) as url:
        async with continuing_at(url, world, tmp_path, continue_with="gen4.5") as client:
            asked: dict[str, Any] = {"assetId": clip_id(client), "text_prompt": "on"}
            world.faults.append(
                Fault(method="POST", path_prefix="/gen4_5", status=412, body={"error": "Not enough credits."})
            )
            refused = await client.data("extend_video", **asked, model="gen4.5")
            assert refused["error"]["charged"] == "no"
            film = await client.data("extend_video", **asked)
        async with continuing_at(url, world, tmp_path, continue_with="gen4") as client:
            again = await client.data("extend_video", **asked)

    assert film["status"] == "SUCCEEDED"
    assert len(world.accepted) == 1
    assert (again["film"]["id"], again["twin"]) == (film["film"]["id"], True)


async def test_a_dry_run_of_a_call_whose_film_was_left_names_the_model_of_that_film_whatever_is_set(
    tmp_path: Path,
) -> None:
    world, halt = clip_world(), Halt("before upload")
    async with process(tmp_path, world, halt=halt) as server:
        plan = await unnamed(server, "gen4")
        await server.continuations.submit(server.service.submissions, plan, caller="", deadline=0.0)
        await halt.reached.wait()
    async with (
        running(world) as url,
        continuing_at(url, world, tmp_path, continue_with="gen4.5", now=lambda: time.time() + LAPSED) as client,
    ):
        asked = {"assetId": clip_id(client), "text_prompt": "the camera rises"}
        step = (await client.data("extend_video", **asked, dry_run=True))["next_step"]
        assert step["arguments"]["model"] == "gen4"
        with anyio.fail_after(120):
            while (film := await client.data(step["tool"], **step["arguments"]))["status"] != "SUCCEEDED":
                assert "error" not in film

    assert len(world.accepted) == 1


async def test_a_film_that_was_left_for_an_hour_leads_to_its_price_and_spends_nothing_by_that(tmp_path: Path) -> None:
    world, halt = clip_world(), Halt("before upload")
    async with process(tmp_path, world, halt=halt) as server:
        plan = await unnamed(server, "gen4")
        left = await server.continuations.submit(server.service.submissions, plan, caller="", deadline=0.0)
        await halt.reached.wait()
    late = RESUMED_SECONDS + 60
    async with (
        running(world) as url,
        continuing_at(url, world, tmp_path, continue_with="gen4-turbo", now=lambda: time.time() + late) as client,
    ):
        told = await client.data("get_task", taskId=left.intent.film_id)
        priced = await client.data(told["next_step"]["tool"], **told["next_step"]["arguments"])

    assert "It was left before anything was submitted" in told["summary"]
    assert (priced["status"], priced["model"]) == ("DRY_RUN", "gen4")
    assert not world.accepted
