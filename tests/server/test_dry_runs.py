from pathlib import Path
from typing import Any

import pytest

from runway_mcp.simulator.builders import add_video
from runway_mcp.simulator.faults import Fault
from tests.kit.server import open_client
from tests.kit.upstream import virtual_world

pytestmark = pytest.mark.virtual_time

DRY: dict[str, Any] = {"text_prompt": "the camera rises", "seconds": 10, "dry_run": True}


async def test_a_dry_run_prices_and_submits_nothing_and_its_next_step_is_the_real_call(
    tmp_path: Path, mode: str
) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        data = await client.extend(client.clip, **DRY)

        assert data["status"] == "DRY_RUN"
        assert "taskId" not in data
        assert data["credits"] == {"cost": 100, "remaining": 2250}
        assert data["lineage"]["extended_count"] == 1
        assert data["lineage"]["extensions_left"] == 2
        assert client.posts == 0
        done = await client.data(data["next_step"]["tool"], **data["next_step"]["arguments"])
        assert done["status"] == "SUCCEEDED"
        assert client.posts == 1


@pytest.mark.parametrize(
    ("used", "unlimited", "arguments", "says"),
    [
        (0, False, {}, "50 credits (an estimate, 2250 are left)"),
        (0, True, {"exploreMode": True}, "no credits (explore mode, on an Unlimited plan)"),
        (0, False, {"exploreMode": True}, "Whether the account has that plan shows only when it is submitted"),
        (
            0,
            False,
            {"seconds": 10},
            "exploreMode (no credits, but slower; needs an Unlimited plan, and is refused at no cost without it); or ",
        ),
        (0, False, {"seconds": 5}, "cropped to 1280x720: gen4-turbo for about 25 credits."),
    ],
)
async def test_a_dry_run_says_in_a_sentence_what_it_would_cost(
    tmp_path: Path, used: int, unlimited: bool, arguments: dict[str, Any], says: str
) -> None:
    async with open_client(virtual_world(used=used, unlimited=unlimited), tmp_path, "auto") as client:
        data = await client.extend(client.clip, dry_run=True, **arguments)

        assert says in data["summary"]


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (5, "35 s long (40 s with `seconds`: 10) and complete: no extension is left, only a model can continue it."),
        (10, "40 s long and complete: no extension is left, only a model can continue it."),
    ],
)
async def test_a_dry_run_of_the_last_extension_says_what_its_seconds_give_up(
    tmp_path: Path, seconds: int, says: str
) -> None:
    world = virtual_world()
    clip = add_video(world, extended=2, seconds=10, added=10)
    async with open_client(world, tmp_path, "auto") as client:
        told = await client.extend(clip, dry_run=True, seconds=seconds)

        assert says in told["summary"]


async def test_a_dry_run_of_a_turbo_clip_names_what_adds_other_seconds(tmp_path: Path) -> None:
    world = virtual_world()
    clip = add_video(world, model="gen3a_turbo")
    async with open_client(world, tmp_path, "auto") as client:
        told = await client.extend(clip, dry_run=True)

        assert told["lineage"]["added_seconds"] == 8
        assert "5 s with gen4-turbo for about 25 credits, or 10 s with gen4-turbo for about 50" in told["summary"]


@pytest.mark.parametrize("arguments", [{"exploreMode": True}, {"seconds": 10, "exploreMode": True}])
async def test_a_dry_run_that_costs_nothing_names_no_cheaper_model(tmp_path: Path, arguments: dict[str, Any]) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        assert "For less" not in (await client.extend(client.clip, dry_run=True, **arguments))["summary"]


async def test_a_dry_run_of_explore_mode_says_that_the_account_has_the_plan_once_a_film_was_made_so(
    tmp_path: Path, mode: str
) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        asked = {"text_prompt": "on", "exploreMode": True}
        unseen = await client.extend(client.clip, **asked, dry_run=True)
        film = await client.extend(client.clip, **asked)
        seen = await client.data("extend_video", assetId=film["video"]["assetId"], exploreMode=True, dry_run=True)

        paid = await client.data("extend_video", assetId=film["video"]["assetId"], dry_run=True)
        assert "exploreMode (no credits, but slower; the account has the plan for it)" in paid["summary"]
        assert "shows only when it is submitted" in unseen["summary"]
        assert "The account has that plan: a film was made so on " in seen["summary"]
        assert "shows only when it is submitted" not in seen["summary"]


async def test_a_dry_run_that_the_account_cannot_pay_suggests_no_submit(tmp_path: Path) -> None:
    async with open_client(virtual_world(used=2240), tmp_path, "auto") as client:
        data = await client.extend(client.clip, dry_run=True)

        assert data["credits"] == {"cost": 50, "remaining": 10}
        assert "more than the account has" in data["summary"]
        assert "next_step" not in data


async def test_a_dry_run_without_a_readable_balance_is_a_dry_run_all_the_same(tmp_path: Path) -> None:
    world = virtual_world()
    world.faults += [Fault(path_prefix="/features", times=None, status=500)]
    async with open_client(world, tmp_path, "auto") as client:
        data = await client.extend(client.clip, dry_run=True)

        assert data["credits"] == {"cost": 50}
        assert data["next_step"]["tool"] == "extend_video"


async def test_a_balance_that_never_comes_holds_a_dry_run_up_for_three_seconds(tmp_path: Path) -> None:
    world = virtual_world()
    world.faults += [Fault(path_prefix="/features", times=None, kind="delay", seconds=500)]
    async with open_client(world, tmp_path, "auto") as client:
        data = await client.extend(client.clip, dry_run=True)

        assert data["credits"] == {"cost": 50}
        assert client.took == pytest.approx(3)
