from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CompleteRequestParams,
    Completion,
    CompletionArgument,
    PromptReference,
    ResourceTemplateReference,
)

from runway_mcp.data_folder import LEDGER
from runway_mcp.server.completion import KEPT_SECONDS, PATIENCE_SECONDS, Completions
from runway_mcp.server.context import ServerContext
from runway_mcp.simulator.builders import add_image, add_task, add_upload, add_video
from runway_mcp.simulator.faults import Fault
from tests.kit.client import ToolClient
from tests.kit.server import open_client, open_server
from tests.kit.upstream import virtual_world

pytestmark = pytest.mark.virtual_time

TASK = ResourceTemplateReference(uri="runway://tasks/{taskId}")
ASSET = ResourceTemplateReference(uri="runway://assets/{assetId}")
EXTEND, PLAN = PromptReference(name="extend_clip"), PromptReference(name="plan_film")


async def offered(
    client: ToolClient, ref: ResourceTemplateReference | PromptReference, name: str, typed: str
) -> Completion:
    """What the server offers for what was typed."""
    with anyio.fail_after(60):
        return (await client.mcp.complete(ref, {"name": name, "value": typed})).completion


async def values(
    client: ToolClient, ref: ResourceTemplateReference | PromptReference, name: str, typed: str
) -> list[str]:
    return (await offered(client, ref, name, typed)).values


async def test_assets_are_offered_newest_first_by_the_beginning_of_their_id(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    old, image, young = add_upload(world, age=900), add_image(world, age=500), add_video(world, age=60)
    world.switch(asset_order="oldest")
    async with open_client(world, tmp_path, mode) as client:
        ids = [world.asset_id(asset) for asset in (young, image, old)]

        everything = await offered(client, ASSET, "assetId", "")

        assert (everything.values, everything.total, everything.has_more) == (ids, 3, False)
        assert await values(client, ASSET, "assetId", ids[1][:-20]) == [ids[1]]
        assert await values(client, ASSET, "assetId", "nothing like it") == []


async def test_tasks_are_offered_as_assets_are_and_so_are_those_that_upstream_does_not_show(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(pace=900)
    world.switch(late_in_lists=600, task_order="oldest")
    stranger = add_task(world, age=1800)
    async with open_client(world, tmp_path, mode) as client:
        ours = (await client.extend(client.clip, text_prompt="over the dunes", wait_seconds=0))["taskId"]
        assert client.clip.task is not None

        assert await values(client, TASK, "taskId", "user:1234-") == [
            ours,
            world.task_id(stranger),
            world.task_id(client.clip.task),
        ]
        assert await values(client, TASK, "taskId", "over the d") == [ours]


@pytest.mark.parametrize("ending", ["", "%", "%4"])
@pytest.mark.parametrize("beginning", ["", "runway://assets/"])
async def test_what_was_typed_may_be_percent_encoded_or_the_beginning_of_a_uri(
    tmp_path: Path, beginning: str, ending: str
) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        asset_id = client.world.asset_id(client.clip)
        typed = quote(beginning + asset_id.partition("@")[0], safe="") + ending

        assert await values(client, ASSET, "assetId", typed) == [asset_id]


@pytest.mark.parametrize("typed", ["{uuid}", "Gen-3 Alpha 358", "a quiet", "BEACH at", "dusk.mp4 (user:1234"])
async def test_a_clip_may_be_meant_by_its_name_a_word_of_it_or_what_differs_in_its_id(
    tmp_path: Path, typed: str
) -> None:
    world = virtual_world(clips=0)
    beach = add_video(world, prompt="a quiet beach at dusk")
    add_video(world, name="pier.mp4")
    async with open_client(world, tmp_path, "auto") as client:
        typed = typed.format(uuid=beach.uuid[:8])

        assert await values(client, ASSET, "assetId", typed) == [world.asset_id(beach)]


@pytest.mark.parametrize("prompt", [EXTEND, PLAN])
async def test_a_prompts_clip_is_offered_with_its_name_before_its_id(
    tmp_path: Path, mode: str, prompt: PromptReference
) -> None:
    world = virtual_world(clips=0)
    named, nameless = add_video(world, name="pier\n(at night).mp4", age=60), add_video(world, age=600)
    nameless.name = ""
    add_image(world)
    async with open_client(world, tmp_path, mode) as client:
        assert await values(client, prompt, "clip", "") == [
            f"pier (at night).mp4 ({world.asset_id(named)})",
            world.asset_id(nameless),
        ]
        assert len(await values(client, prompt, "clip", "pier (at")) == 1


async def test_an_extension_of_5_8_or_10_seconds_is_offered_and_words_are_not(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        assert await values(client, EXTEND, "seconds", "") == ["5", "8", "10"]
        assert await values(client, EXTEND, "seconds", "1") == ["10"]
        for ref, name in ((EXTEND, "wish"), (PLAN, "story"), (PLAN, "seconds"), (TASK, "assetId"), (ASSET, "x")):
            assert (await offered(client, ref, name, "")).model_dump() == {"values": [], "total": 0, "has_more": False}
        assert not client.world.requests


async def test_a_hundred_values_are_given_at_most_and_more_are_owned_up_to(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=50)
    for _ in range(70):
        add_task(world, queue=0, duration=0, outcome="cancel", age=7200)
    async with open_client(world, tmp_path, mode) as client:
        assets, tasks = await offered(client, ASSET, "assetId", ""), await offered(client, TASK, "taskId", "")

        assert (len(assets.values), assets.total, assets.has_more) == (50, None, True)
        assert (len(tasks.values), tasks.total, tasks.has_more) == (100, None, True)


async def test_key_strokes_share_a_page_and_a_later_one_sees_what_has_come(tmp_path: Path) -> None:
    world = virtual_world()
    async with open_client(world, tmp_path, "auto") as client:
        async with anyio.create_task_group() as keys:
            for typed in ("", "u", "us", "use"):
                keys.start_soon(values, client, ASSET, "assetId", typed)
        add_video(world)
        before = await values(client, ASSET, "assetId", "")
        await anyio.sleep(KEPT_SECONDS)
        after = await values(client, ASSET, "assetId", "")

        assert (len(before), len(after)) == (1, 2)
        assert world.requests == {"GET /assets": 2}


@pytest.mark.parametrize(
    "rule", [{"status": 500}, {"status": 401}, {"status": 429}, {"body": "<html>", "status": 200, "content_type": "x"}]
)
async def test_an_upstream_that_refuses_gives_no_values(tmp_path: Path, mode: str, rule: dict[str, Any]) -> None:
    world = virtual_world()
    world.faults += [Fault(times=None, **rule)]
    async with open_client(world, tmp_path, mode) as client:
        for ref, name in ((ASSET, "assetId"), (TASK, "taskId"), (EXTEND, "clip")):
            assert await values(client, ref, name, "") == []


async def test_an_upstream_that_hangs_keeps_nobody_who_types_and_is_not_asked_at_each_key(tmp_path: Path) -> None:
    world = virtual_world()
    world.faults += [Fault(path_prefix="/assets", times=1, kind="delay", seconds=900)]
    async with open_client(world, tmp_path, "auto") as client:
        began = anyio.current_time()
        async with anyio.create_task_group() as keys:
            for typed in ("", "u"):
                keys.start_soon(values, client, ASSET, "assetId", typed)
        assert await values(client, ASSET, "assetId", "us") == []

        assert anyio.current_time() - began <= PATIENCE_SECONDS
        assert world.requests["GET /assets"] == 1
        await anyio.sleep(10)
        assert len(await values(client, ASSET, "assetId", "us")) == 1


async def test_a_key_that_waits_behind_one_that_was_taken_back_is_answered_in_time_all_the_same(tmp_path: Path) -> None:
    world = virtual_world()
    world.faults += [Fault(path_prefix="/assets", times=None, kind="delay", seconds=900)]
    async with open_client(world, tmp_path, "auto") as client, anyio.create_task_group() as keys:
        first = anyio.CancelScope()

        async def strike() -> None:
            with first:
                await values(client, ASSET, "assetId", "")

        async def take_back() -> None:
            await anyio.sleep(2)
            first.cancel()

        keys.start_soon(strike)
        keys.start_soon(take_back)
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()

        assert await values(client, ASSET, "assetId", "u") == []
        assert anyio.current_time() - began <= PATIENCE_SECONDS
        assert world.requests["GET /assets"] == 2


@pytest.mark.parametrize("email", [None, "director@example.com"])
async def test_of_several_accounts_the_one_that_is_set_or_was_used_last_is_looked_at(
    tmp_path: Path, email: str | None
) -> None:
    world = virtual_world(accounts=2, pace=900)
    async with open_client(world, tmp_path, "auto", email=email) as client:
        before = await values(client, ASSET, "assetId", "")
        await client.extend(client.clip, wait_seconds=0)
        await anyio.sleep(KEPT_SECONDS)

        assert len(before) == (1 if email else 0)
        assert await values(client, ASSET, "assetId", "") == [world.asset_id(client.clip)]


async def test_a_ledger_that_cannot_be_read_leaves_what_upstream_lists(tmp_path: Path) -> None:
    (tmp_path / LEDGER).write_bytes(b"this is no database, whatever it is" * 99)
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        assert len(await values(client, TASK, "taskId", "")) == 1


async def test_without_a_token_nothing_is_offered(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode, token=None) as client:
        assert await values(client, ASSET, "assetId", "") == []


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        (PromptReference(name="make_film"), "The prompts are extend_clip, plan_film."),
        (
            ResourceTemplateReference(uri="file:///{path}"),
            "There are runway://tasks/{taskId}, runway://assets/{assetId}, ",
        ),
    ],
)
async def test_what_does_not_exist_cannot_be_completed(
    tmp_path: Path, mode: str, ref: ResourceTemplateReference | PromptReference, says: str
) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        with pytest.raises(MCPError) as caught:
            await values(client, ref, "clip", "")

        assert caught.value.code == INVALID_PARAMS
        assert says in caught.value.message


@dataclass(frozen=True)
class OfCaller:
    """What is open for whoever asks, as one caller reaches it."""

    context: ServerContext

    def for_caller(self, _: str, **__: Any) -> ServerContext:
        return self.context


async def test_nothing_stays_of_callers_who_have_left(tmp_path: Path) -> None:
    completions, sizes = Completions(), list[int]()
    async with open_server(virtual_world(), tmp_path) as server:
        service = server.context.open_service
        assert service is not None
        for number in range(20):
            for_him = replace(server.context, open_service=service.for_caller(f"caller-{number}"))
            ctx: Any = SimpleNamespace(request=None, lifespan_context=OfCaller(for_him))
            for ref, name in ((ASSET, "assetId"), (TASK, "taskId")):
                argument = CompletionArgument(name=name, value="")
                await completions.complete(ctx, CompleteRequestParams(ref=ref, argument=argument))
            await anyio.sleep(KEPT_SECONDS + 1)
            sizes.append(sum(map(len, vars(completions).values())))

    assert set(sizes) == {2}
