"""Plans of continuations: what is priced, what is refused, and which requests are the same."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from runway_mcp.runway.models import Extension
from runway_mcp.simulator.builders import add_image, add_upload, add_video
from runway_mcp.tasks.catalogue import CREATE_MODELS
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent, Step
from runway_mcp.tasks.recall import remembered_task
from runway_mcp.tasks.service import TaskService
from runway_mcp.tasks.spend.continuation import (
    Continuation,
    continuation_key,
    make_continuation,
    remembered_continuation,
)
from runway_mcp.tasks.spend.drafts import draft
from runway_mcp.tasks.spend.plan import key_of, make_plan
from runway_mcp.tasks.spend.refusals import arguments_key
from tests.kit.samples import extension, intent
from tests.tasks.services import open_world

pytestmark = pytest.mark.virtual_time

GEN45 = CREATE_MODELS["gen4.5"]


async def planned(
    service: TaskService, source: str, *, model: str = "gen4.5", film: Intent | None = None, **fields: Any
) -> Continuation:
    """The plan to continue a source."""
    asked = extension(**{"asset_id": source, "text_prompt": "the camera rises", **fields})
    return await make_continuation(service.client, asked, CREATE_MODELS[model], film=film)


def joined_film(plan: Continuation, *, seconds: float = 15.0) -> Intent:
    """The intent of a plan as its join left it."""
    made = {"seconds": seconds, "size_bytes": 1000}
    return replace(draft(plan), steps=(Step("frame", 0.0, {}), Step("join", 0.0, made)))


@pytest.mark.parametrize(
    ("model", "given", "seconds", "cost"),
    [
        ("gen4.5", {}, 5, 60),
        ("gen4.5", {"seconds": 8}, 8, 96),
        ("gen4.5", {"seconds": 10, "explore_mode": True}, 10, 0),
        ("gen4", {"seconds": 10}, 10, 120),
        ("gen4-turbo", {}, 5, 25),
    ],
)
async def test_any_clip_is_priced_by_the_model_that_continues_it(
    tmp_path: Path, model: str, given: dict[str, Any], seconds: int, cost: int
) -> None:
    async with open_world(tmp_path) as (world, service):
        vertical = add_video(world, model="gen4", seconds=5, width=720, height=1280)
        told = await planned(service, world.asset_id(vertical), model=model, **given)

        assert (told.seconds, told.cost, told.length) == (seconds, cost, 5 + seconds)
        assert (told.aspect_ratio, told.account) == ("9:16", vertical.email)
        assert told.lineage.extended_count == 0


async def test_uploads_and_clips_at_the_end_of_their_chain_can_be_continued(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        spent = add_video(world, model="gen3a", seconds=10, extended=3)
        for clip in (add_upload(world), spent, world.assets[0]):
            assert (await planned(service, world.asset_id(clip))).cost == 60


async def test_a_picture_cannot_be_continued(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        with pytest.raises(Failure, match="only videos") as told:
            await planned(service, world.asset_id(add_image(world)))

        assert told.value.kind == "invalid_request"


async def test_a_continuation_and_an_extension_of_the_same_clip_are_two_requests(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        source = world.asset_id(world.assets[0])
        asked = extension(asset_id=source, text_prompt="the camera rises", seconds=5)
        continuation = await make_continuation(service.client, asked, GEN45)
        native = await make_plan(service.client, asked)
        await service.submissions.claim(continuation, caller="")

        found = {
            name: await service.submissions.earlier(asked, caller="", model=model)
            for name, model in (("native", None), ("same", GEN45), ("other", CREATE_MODELS["gen4"]))
        }
        _, is_earlier = await service.submissions.claim(native, caller="")

        assert found["same"] is not None
        assert (found["native"], found["other"], is_earlier) == (None, None, False)
        assert continuation.key("") == continuation_key(asked, GEN45, source, caller="")
        assert native.key("") == key_of(asked, source, "gen3a", caller="")


async def test_the_ledger_knows_a_request_by_each_spelling_of_its_source_though_upstream_is_away(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as (world, service):
        clip = add_video(world, model="gen4", seconds=5)
        assert clip.task is not None
        plan = await planned(service, world.asset_id(clip))
        made, _ = await service.submissions.claim(plan, caller="")
        for spelling in (world.asset_id(clip), clip.uuid, world.task_id(clip.task)):
            asked = extension(asset_id=spelling, text_prompt="the camera rises")
            found = await service.submissions.earlier(asked, caller="", model=GEN45)
            assert found is not None
            assert found.id == made.id


async def test_a_quote_for_one_model_covers_no_other(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        source = world.asset_id(world.assets[0])
        plans = [await planned(service, source, model=model, seconds=10) for model in CREATE_MODELS]
        native = await make_plan(service.client, extension(asset_id=source, text_prompt="the camera rises", seconds=10))

        assert len({arguments_key(plan, "") for plan in (*plans, native)}) == len(CREATE_MODELS) + 1


async def test_the_task_of_a_continuation_is_remembered_as_no_extension(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        made = draft(await planned(service, world.asset_id(world.assets[0])))
        told = remembered_task(made, world.task_id(world.tasks[0])).options

        assert made.parent_task_id is not None
        assert (told.extended_from_task_id, told.extended_count) == (None, None)


@pytest.mark.parametrize("given", [{}, {"seed": 7, "seconds": 8, "reply_ref": "mine"}, {"explore_mode": True}])
async def test_a_plan_from_the_ledger_is_the_same_request(tmp_path: Path, given: dict[str, Any]) -> None:
    async with open_world(tmp_path) as (world, service):
        plan = await planned(service, world.asset_id(world.assets[0]), **given)
        made = draft(plan, caller="ana")

        told = remembered_continuation(made)

        assert told.key("ana") == plan.key("ana")
        assert (told.model, told.seconds, told.cost, told.account) == (
            plan.model,
            plan.seconds,
            plan.cost,
            plan.account,
        )
        assert draft(told, caller="ana").idempotency_key == made.idempotency_key


class Stronger(Extension):
    """An extension with an option that only its own endpoint takes."""

    motion_strength: int | None = Field(default=None, validation_alias="motionStrength")


async def test_an_option_that_only_the_extension_has_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        source = world.asset_id(world.assets[0])

        with pytest.raises(Failure, match=r"motionStrength: Gen-4\.5 has none") as told:
            await make_continuation(service.client, Stronger(asset_id=source, motion_strength=3), GEN45)
        plan = await make_continuation(service.client, Stronger(asset_id=source), GEN45)

        assert (told.value.kind, told.value.about, plan.cost) == ("invalid_request", "motionStrength", 60)


async def test_a_film_goes_on_as_itself_and_not_as_one_of_its_parts(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        first = await planned(service, world.asset_id(world.assets[0]))
        film = joined_film(first)
        again = await planned(service, film.film_id, film=film, seconds=10)

        assert (again.source.asset_id, again.length, again.account) == (film.film_id, 25.0, first.account)
        assert again.lineage.extended_count == 0
        assert remembered_continuation(draft(again), film=film).key("") == again.key("")


async def test_a_film_that_is_not_joined_does_not_go_on(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        film = draft(await planned(service, world.asset_id(world.assets[0])))
        with pytest.raises(Failure, match="not finished"):
            await planned(service, film.film_id, film=film)


def test_a_model_that_is_no_longer_known_continues_nothing() -> None:
    with pytest.raises(Failure, match="gen9"):
        remembered_continuation(replace(intent(), task_type="gen9"))
