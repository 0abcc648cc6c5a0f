"""A call that names no model is one wish, whatever became of earlier requests of a model, and whatever is set."""

from pathlib import Path
from typing import Any

import pytest

from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.run import running
from tests.films.continuing.processes import clip_world
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
