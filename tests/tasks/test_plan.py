from pathlib import Path

import pytest

from runway_mcp.simulator.builders import add_image, add_task, add_upload, add_video
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.world import World
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.lineage import Lineage, Reach
from runway_mcp.tasks.service import TaskService
from runway_mcp.tasks.spend.plan import Plan, make_plan
from tests.kit.samples import extension
from tests.kit.upstream import fault
from tests.tasks.services import open_world

pytestmark = pytest.mark.virtual_time


async def planned(world: World, service: TaskService, asset: Asset, **fields: object) -> Plan:
    return await make_plan(service.client, extension(asset_id=world.asset_id(asset), **fields))  # pyright: ignore[reportArgumentType]


async def refusal(world: World, service: TaskService, asset: Asset, **fields: object) -> Failure:
    with pytest.raises(Failure) as caught:
        await planned(world, service, asset, **fields)
    assert caught.value.charged == "no"
    return caught.value


@pytest.mark.parametrize(
    ("model", "fields", "seconds", "cost", "longest"),
    [
        ("gen3a", {}, 5, 50, Reach(35, 200)),
        ("gen3a", {"seconds": 10}, 10, 100, Reach(40, 200)),
        ("gen3a", {"seconds": 10, "explore_mode": True}, 10, 0, Reach(40, 0)),
        ("gen3a_turbo", {}, 8, 40, Reach(34, 80)),
    ],
)
async def test_a_plan_tells_price_and_what_is_left_before_anything_is_spent(
    tmp_path: Path, model: str, fields: dict[str, object], seconds: int, cost: int, longest: Reach
) -> None:
    async with open_world(tmp_path) as (world, service):
        clip = add_video(world, model=model)

        plan = await planned(world, service, clip, **fields)

        assert (plan.seconds, plan.cost, plan.length) == (seconds, cost, 10 + seconds)
        assert plan.lineage == Lineage(world.asset_id(clip), 1, 2, seconds, clip.name, longest)
        assert plan.account == clip.email
        assert not world.accepted


async def test_what_runway_would_refuse_is_refused_here_with_the_reason(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        cases = {
            "extended 3 times": await refusal(world, service, add_video(world, extended=3, added=5)),
            "made by gen4": await refusal(world, service, add_video(world, model="gen4", seconds=5)),
            "uploaded": await refusal(world, service, add_upload(world)),
            "an image": await refusal(world, service, add_image(world)),
            "16 in two; to add 5 s, continue it with a `model`: gen4.5 for at most 60 credits": await refusal(
                world, service, add_video(world, model="gen3a_turbo"), seconds=5
            ),
            "can gain 5 s for about 50 credits or 10 s for about 100 credits": await refusal(
                world, service, add_video(world), seconds=7
            ),
            "ask for 5 s": await refusal(world, service, add_video(world, seconds=35), seconds=10),
            "no extension fits": await refusal(world, service, add_video(world, seconds=40)),
        }

        assert {reason: failure.kind for reason, failure in cases.items()} == dict.fromkeys(cases, "invalid_request")
        assert [reason for reason, failure in cases.items() if reason not in failure.message] == []


async def test_the_id_of_a_finished_task_stands_for_its_film(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        clip = world.assets[0]
        assert clip.task is not None

        plan = await make_plan(service.client, extension(asset_id=world.task_id(clip.task)))

        assert plan.source.asset_id == world.asset_id(clip)
        assert plan.parent is not None
        assert plan.parent.task_id == world.task_id(clip.task)


@pytest.mark.parametrize(
    ("script", "said"),
    [({"duration": 50.0}, "get_task"), ({"duration": 0.0, "queue": 0.0, "outcome": "fail"}, "FAILED")],
)
async def test_a_task_without_a_film_cannot_be_extended(tmp_path: Path, script: dict[str, object], said: str) -> None:
    async with open_world(tmp_path) as (world, service):
        task_id = world.task_id(add_task(world, **script))  # pyright: ignore[reportArgumentType]

        with pytest.raises(Failure, match=said):
            await make_plan(service.client, extension(asset_id=task_id))


async def test_a_clip_whose_task_was_deleted_cannot_be_extended(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        clip = world.assets[0]
        assert clip.task is not None
        clip.task.hidden = True

        assert "gone" in (await refusal(world, service, clip)).message


async def test_a_clip_that_cannot_be_read_is_not_submitted_on_a_guess(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        fault(world, method="GET", path_prefix="/tasks", kind="status", status=503, times=None)

        assert (await refusal(world, service, world.assets[0])).kind == "unavailable"
