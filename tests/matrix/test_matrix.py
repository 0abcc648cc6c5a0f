import json
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import quote

import anyio
import pytest
from mcp.client.extension import advertise
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, ElicitResult, PromptReference, TextResourceContents

from runway_mcp.server.player.page import EXTENSION, MIME_TYPE, page
from runway_mcp.simulator.faults import Fault
from tests.kit.definitions import LISTED_WHEREVER
from tests.kit.protocol_tasks import TakesTasks
from tests.matrix.clients import ERAS, PATIENCE, Progress, TransportClient, structured

pytestmark = pytest.mark.slow


async def test_the_seat_speaks_the_revision_of_its_era(client: TransportClient) -> None:
    assert client.mcp.protocol_version == ERAS[client.mode]
    assert client.mcp.server_info
    assert client.mcp.server_info.name == "useapi-runway-mcp"
    assert client.mcp.instructions


async def test_everything_that_there_is_is_listed(client: TransportClient) -> None:
    tools = (await client.mcp.list_tools()).tools
    templates = (await client.mcp.list_resource_templates()).resource_templates
    resources = (await client.mcp.list_resources()).resources
    prompts = (await client.mcp.list_prompts()).prompts

    assert [tool.name for tool in tools] == LISTED_WHEREVER
    assert {"runway://tasks/{taskId}", "runway://assets/{assetId}"} <= {each.uri_template for each in templates}
    assert "runway://tasks" in {each.uri for each in resources}
    assert {prompt.name for prompt in prompts} == {"extend_clip", "plan_film"}


async def test_a_clip_becomes_a_film_and_is_charged_once(client: TransportClient) -> None:
    clip, charged = client.clip(), sum(client.world.charged.values())

    listed = await client.data("list_assets", limit=50)
    dry = await client.data("extend_video", assetId=clip, dry_run=True)
    film = await client.data("extend_video", assetId=clip, text_prompt="the tide comes in")

    assert clip in {asset["assetId"] for asset in listed["assets"]}
    assert (dry["status"], dry["credits"]["cost"]) == ("DRY_RUN", 50)
    assert (film["status"], film["video"]["duration_seconds"]) == ("SUCCEEDED", 15)
    assert film["text_prompt"] == "the tide comes in"
    assert sum(client.world.charged.values()) - charged == 50


@contextmanager
def held_until_told(client: TransportClient, progress: Progress, reads: str = "/tasks") -> Generator[None]:
    """Upstream's reads are held until the client has heard a word; those of tasks from the next submit on."""
    accepted = len(client.world.accepted)

    async def hold() -> None:
        if reads == "/assets" or len(client.world.accepted) > accepted:
            await progress.reached.wait()

    client.world.faults.append(Fault(method="GET", path_prefix=reads, times=None, kind="delay", hold=hold))
    try:
        yield
    finally:
        client.world.faults.clear()


@pytest.mark.parametrize(("word", "reads"), [("checking the clip", "/assets"), ("Task user:", "/tasks")])
async def test_progress_arrives_during_the_call_and_not_at_its_end(
    client: TransportClient, word: str, reads: str
) -> None:
    """Told at the end, there would be no end."""
    progress, clip = Progress(word), client.clip()
    client.world.script_next(queue=0, duration=1.5)

    with held_until_told(client, progress, reads):
        result = await client.call("extend_video", {"assetId": clip}, progress_callback=progress)

    assert structured(result)["status"] == "SUCCEEDED"
    assert len(progress.numbers) >= 2
    assert progress.numbers == sorted(set(progress.numbers))


async def test_a_film_that_takes_longer_than_the_call_is_fetched_by_the_next_step(client: TransportClient) -> None:
    client.world.script_next(queue=0, duration=0.4)
    started = await client.data("extend_video", assetId=client.clip(), wait_seconds=0)
    step = started["next_step"]
    film = await client.data(step["tool"], **step["arguments"])

    assert started["status"] in {"PENDING", "RUNNING"}
    assert (film["taskId"], film["status"]) == (started["taskId"], "SUCCEEDED")


async def test_a_call_that_is_called_off_loses_no_task_and_the_same_call_finds_it(client: TransportClient) -> None:
    clip, progress, accepted = client.clip(), Progress("Task user:"), len(client.world.accepted)
    client.world.script_next(queue=0, duration=0.4)

    with anyio.fail_after(PATIENCE), held_until_told(client, progress):
        async with anyio.create_task_group() as group:

            async def host() -> None:
                await client.mcp.call_tool("extend_video", {"assetId": clip}, progress_callback=progress)

            group.start_soon(host)
            await progress.reached.wait()
            group.cancel_scope.cancel()
    again = await client.data("extend_video", assetId=clip)
    film = await client.data("get_task", taskId=again["taskId"], wait_seconds=PATIENCE)

    assert (again["twin"], film["status"]) == (True, "SUCCEEDED")
    assert len(client.world.accepted) == accepted + 1


async def test_a_host_that_gives_up_on_a_call_finds_its_film_in_the_same_call(client: TransportClient) -> None:
    clip, accepted = client.clip(), len(client.world.accepted)
    client.world.script_next(queue=0, duration=0.8)

    with pytest.raises(MCPError, match=r"(?i)timed? ?out"):
        await client.call("extend_video", {"assetId": clip}, read_timeout_seconds=0.3)
    again = await client.data("extend_video", assetId=clip, wait_seconds=PATIENCE)

    assert again["status"] == "SUCCEEDED"
    assert len(client.world.accepted) == accepted + 1


async def test_while_one_call_waits_others_are_answered(client: TransportClient) -> None:
    clip, progress, ended = client.clip(), Progress("Task user:"), anyio.Event()
    client.world.script_next(queue=0, duration=PATIENCE)

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:

            async def host() -> None:
                await client.mcp.call_tool("extend_video", {"assetId": clip}, progress_callback=progress)
                ended.set()

            group.start_soon(host)
            await progress.reached.wait()
            running = (await client.data("list_assets"))["running"]
            assert client.world.task_id(client.world.accepted[-1]) in [task["taskId"] for task in running]
            assert not ended.is_set()
            group.cancel_scope.cancel()


async def test_the_identical_call_made_twice_at_once_is_one_submit(client: TransportClient) -> None:
    clip, accepted, told = client.clip(), len(client.world.accepted), list[str]()

    async def host() -> None:
        told.append((await client.data("extend_video", assetId=clip))["taskId"])

    async with anyio.create_task_group() as group:
        group.start_soon(host)
        group.start_soon(host)

    assert told[0] == told[1]
    assert len(client.world.accepted) == accepted + 1


async def test_failures_are_results_that_tell_of_the_money(client: TransportClient) -> None:
    broken = await client.call("extend_video", {"assetId": client.clip(), "text_prompt": "a broken film"})
    refused = await client.call("extend_video", {"assetId": client.clip(), "seconds": 7})

    assert broken.is_error
    assert refused.is_error
    assert structured(broken)["error"]["kind"] == "generation_failed"
    assert structured(refused)["error"] | {"message": ""} == {
        "kind": "invalid_request",
        "message": "",
        "charged": "no",
        "retry_safe": True,
        "retry": "after_change",
    }


async def test_what_does_not_exist_is_a_protocol_error(client: TransportClient) -> None:
    with pytest.raises(MCPError) as tool:
        await client.call("shorten_video", {})
    with pytest.raises(MCPError) as resource:
        await client.mcp.read_resource("runway://nothing")
    with pytest.raises(MCPError) as prompt:
        await client.mcp.get_prompt("nothing")

    assert [each.value.error.code for each in (tool, resource, prompt)] == [INVALID_PARAMS] * 3


async def test_resources_tell_what_results_tell_under_either_spelling(client: TransportClient) -> None:
    film = await client.data("extend_video", assetId=client.clip())
    task_uri, asset_uri = film["task_uri"], film["video"]["uri"]

    for uri in (task_uri, quote(task_uri, safe=":/"), "runway://tasks"):
        content = (await client.mcp.read_resource(uri)).contents[0]
        assert isinstance(content, TextResourceContents)
        told = json.loads(content.text)
        assert (told["tasks"][0] if uri == "runway://tasks" else told)["taskId"] == film["taskId"]
    content = (await client.mcp.read_resource(asset_uri)).contents[0]
    assert isinstance(content, TextResourceContents)
    assert json.loads(content.text)["assetId"] == film["video"]["assetId"]


async def test_who_wants_to_hear_of_a_task_hears_that_it_changed(client: TransportClient) -> None:
    client.world.script_next(queue=0, duration=20)
    started = await client.data("extend_video", assetId=client.clip(), wait_seconds=0)

    async with client.hearing(started["task_uri"]):
        await client.heard.wait(started["task_uri"])


async def test_a_spend_above_the_threshold_is_asked_about_first(client: TransportClient) -> None:
    clip, accepted = client.clip(), len(client.world.accepted)

    client.asked.answer = ElicitResult(action="decline")
    declined = await client.call("extend_video", {"assetId": clip, "seconds": 10})
    client.asked.answer = ElicitResult(action="accept", content={"ok": True})
    film = await client.data("extend_video", assetId=clip, seconds=10)

    assert structured(declined)["error"]["kind"] == "declined"
    assert film["status"] == "SUCCEEDED"
    assert ["100 credits" in question for question in client.asked.heard] == [True, True]
    assert len(client.world.accepted) == accepted + 1


async def test_prompts_are_written_and_their_arguments_completed(client: TransportClient) -> None:
    clip = client.clip()
    prompt = await client.mcp.get_prompt("extend_clip", {"wish": "the camera rises", "clip": clip})
    offered = await client.mcp.complete(PromptReference(name="extend_clip"), {"name": "clip", "value": "user:"})

    assert "the camera rises" in prompt.model_dump_json()
    assert offered.completion.values
    assert all("user:" in value for value in offered.completion.values)


async def test_a_host_that_takes_tasks_gets_the_film_in_either_era(client: TransportClient) -> None:
    async with client.endpoint.client(client.mode, extensions=[TakesTasks()]) as host:
        with anyio.fail_after(PATIENCE):
            result = await host.call_tool("extend_video", {"assetId": client.clip()})

    assert structured(result)["status"] == "SUCCEEDED"


async def test_a_host_that_shows_the_player_is_answered_at_once_and_reads_the_page(client: TransportClient) -> None:
    client.world.script_next(queue=0, duration=PATIENCE)
    shows = advertise(EXTENSION, {"mimeTypes": [MIME_TYPE]})
    async with client.endpoint.client(client.mode, extensions=[shows]) as host:
        (bound,) = [tool.meta["ui"] for tool in (await host.list_tools()).tools if tool.meta and "ui" in tool.meta]
        (contents,) = (await host.read_resource(bound["resourceUri"])).contents
        with anyio.fail_after(PATIENCE / 2):
            told = structured(await host.call_tool("extend_video", {"assetId": client.clip()}))

    assert isinstance(contents, TextResourceContents)
    assert (contents.mime_type, contents.text) == (MIME_TYPE, page())
    assert contents.meta
    assert contents.meta["ui"]["csp"]["resourceDomains"]
    assert told["status"] in ("PENDING", "RUNNING")
    assert "player" in told["summary"]
