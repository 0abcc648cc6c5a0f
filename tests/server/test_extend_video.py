from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.builders import add_task, add_upload, add_video, small_world
from runway_mcp.simulator.faults import Fault
from tests.kit.client import links, structured, text
from tests.kit.server import open_client
from tests.kit.upstream import virtual_world

pytestmark = pytest.mark.virtual_time


async def test_the_longer_film_comes_back_whole_with_its_lineage_and_price(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        source = client.world.asset_id(client.clip)

        result = await client.call("extend_video", assetId=source, text_prompt="over the dunes", seconds=10, seed=7)

        data, task = structured(result), client.last_task()
        task_id, film = client.world.task_id(task), client.world.asset_id(task.artifacts[0])
        assert data["status"] == "SUCCEEDED"
        assert (data["taskId"], data["task_uri"]) == (task_id, f"runway://tasks/{task_id}")
        assert (data["model"], data["text_prompt"], data["seed"]) == ("gen3a", "over the dunes", 7)
        assert data["video"]["assetId"] == film
        assert data["video"]["uri"] == f"runway://assets/{film}"
        assert data["video"]["duration_seconds"] == 20
        assert data["video"]["url"].startswith("http://127.0.0.1/files/")
        assert data["video"]["url_expires_at"].startswith("2027-01-16T14:00:")
        assert data["video"]["mime_type"] == "video/mp4"
        assert (data["video"]["width"], data["video"]["height"]) == (1280, 768)
        assert data["lineage"] == {
            "source_assetId": source,
            "extended_count": 1,
            "extensions_left": 2,
            "added_seconds": 10,
            "source_name": client.clip.name,
            "longest_seconds": 40,
            "cost_to_longest": 200,
        }
        assert data["credits"] == {"cost": 100, "remaining": 2150}
        assert data["next_step"]["tool"] == "extend_video"
        assert data["next_step"]["arguments"] == {"assetId": film, "seconds": 10, "dry_run": True}
        assert links(result) == []
        assert data["video"]["url"] in text(result)
        assert "null" not in str(data)
        assert client.posts == 1


async def test_a_submit_that_goes_on_says_that_it_was_submitted_once_and_for_how_much(
    tmp_path: Path, mode: str
) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        told = await client.extend(client.clip, wait_seconds=0)

        assert told["summary"].startswith("Submitted once, for about 50 credits (an estimate). The task is ")
        again = await client.data("get_task", taskId=told["taskId"])
        assert "Submitted once" not in again["summary"]


async def test_a_task_that_outlasts_the_wait_is_no_error_and_names_the_next_call(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(pace=80), tmp_path, mode) as client:
        result = await client.call("extend_video", assetId=client.world.asset_id(client.clip))

        assert client.took == pytest.approx(45)
        data, task_id = structured(result), client.world.task_id(client.last_task())
        assert data["status"] == "RUNNING"
        assert data["next_step"]["tool"] == "get_task"
        assert data["next_step"]["arguments"] == {"taskId": task_id, "wait_seconds": 45}
        assert 0 < data["progress"] < 1
        assert f"{data['progress'] * 100:.0f} %" in data["summary"]
        assert task_id in text(result)


@pytest.mark.parametrize(
    ("wanted", "setting", "waited", "note"),
    [
        (None, 25, 25, None),
        (10, 45, 10, None),
        (300, 45, 45, "wait_seconds was cut from 300 to 45"),
        (0, 45, 0, None),
        ("30", 25, 25, "wait_seconds was cut from 30 to 25"),
    ],
)
async def test_the_wait_counts_from_the_arrival_and_is_capped_by_the_setting(
    tmp_path: Path, wanted: object, setting: int, waited: float, note: str | None
) -> None:
    world = virtual_world(pace=300)
    world.faults += [Fault(path_prefix="/assets", kind="delay", seconds=3)] if waited else []
    async with open_client(world, tmp_path, "auto", wait_seconds=setting) as client:
        data = await client.extend(client.clip, **({} if wanted is None else {"wait_seconds": wanted}))

        assert client.took == pytest.approx(waited, abs=0.01)
        assert client.posts == 1
        assert data["taskId"]
        assert (note or "this server's limit") in data["summary"] if note else "was cut" not in data["summary"]


async def test_a_failure_says_too_that_the_wait_was_cut(tmp_path: Path) -> None:
    world = virtual_world()
    world.faults += [Fault(method="POST", status=400, body={"error": "No."})]
    async with open_client(world, tmp_path, "auto") as client:
        data = await client.extend(client.clip, wait_seconds=100)

        assert data["error"]["kind"] == "invalid_request"
        assert data["summary"].endswith("wait_seconds was cut from 100 to 45, this server's limit.")


async def test_the_identical_call_gets_the_running_task_and_no_second_one(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(pace=300), tmp_path, mode) as client:
        first = await client.extend(client.clip, wait_seconds=0)
        second = await client.extend(client.clip, wait_seconds=5)

        assert second["taskId"] == first["taskId"]
        assert "twin" not in first
        assert second["twin"] is True
        assert second["summary"].startswith("Nothing new was submitted or charged: this request was submitted before")
        assert client.posts == 1


@pytest.mark.parametrize("form", ["runway://assets/{}", "runway%3A%2F%2Fassets%2F{}"])
async def test_an_asset_may_be_named_by_its_uri(tmp_path: Path, form: str) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        data = await client.data("extend_video", assetId=form.format(client.world.asset_id(client.clip)), dry_run=True)

        assert data["status"] == "DRY_RUN"


@pytest.mark.parametrize("form", ["{}", "runway://tasks/{}"])
async def test_a_clip_may_be_named_by_the_finished_task_that_made_it(tmp_path: Path, form: str) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        maker = client.clip.task
        assert maker is not None

        data = await client.data("extend_video", assetId=form.format(client.world.task_id(maker)), dry_run=True)

        assert data["lineage"]["source_assetId"] == client.world.asset_id(client.clip)


async def test_a_task_that_still_runs_cannot_be_extended_and_the_next_call_waits_for_it(tmp_path: Path) -> None:
    async with open_client(virtual_world(pace=300), tmp_path, "auto") as client:
        first = await client.extend(client.clip, wait_seconds=0)

        data = await client.data("extend_video", assetId=first["taskId"])

        assert data["error"]["kind"] == "invalid_request"
        assert data["error"]["charged"] == "no"
        assert data["next_step"]["tool"] == "get_task"
        assert data["next_step"]["arguments"]["taskId"] == first["taskId"]


async def test_the_third_extension_is_the_last_and_the_fourth_is_refused_free_of_charge(tmp_path: Path) -> None:
    world = virtual_world()
    clip = add_video(world, extended=2, seconds=5, added=5)
    async with open_client(world, tmp_path, "auto") as client:
        third = await client.extend(clip)
        fourth = await client.data("extend_video", assetId=third["video"]["assetId"], seconds=10)

        assert third["lineage"]["extensions_left"] == 0
        assert "next_step" not in third
        assert fourth["error"]["kind"] == "invalid_request"
        assert fourth["error"]["charged"] == "no"
        way_on = {"assetId": third["video"]["assetId"], "seconds": 10, "model": "gen4.5", "dry_run": False}
        assert fourth["next_step"]["arguments"] == way_on
        assert client.posts == 1


async def test_an_upload_is_refused_before_anything_is_submitted(tmp_path: Path) -> None:
    world = virtual_world()
    upload = add_upload(world)
    async with open_client(world, tmp_path, "auto") as client:
        data = await client.extend(upload)

        assert data["error"]["kind"] == "invalid_request"
        assert "uploaded" in data["summary"]
        assert client.posts == 0


async def test_a_turbo_clip_gains_eight_seconds_and_takes_no_other_wish(tmp_path: Path) -> None:
    world = virtual_world()
    clip = add_video(world, model="gen3a_turbo")
    async with open_client(world, tmp_path, "auto") as client:
        refused = await client.extend(clip, seconds=5)
        priced = await client.data("extend_video", **refused["next_step"]["arguments"])
        done = await client.extend(clip)

        assert refused["error"]["kind"] == "invalid_request"
        assert (priced["status"], priced["credits"]["cost"]) == ("DRY_RUN", 40)
        assert done["video"]["duration_seconds"] == 18
        assert done["model"] == "gen3a_turbo"


async def test_a_task_with_several_films_gives_them_all(tmp_path: Path) -> None:
    world = virtual_world()
    world.script_next(outcome="several")
    async with open_client(world, tmp_path, "auto", resource_links=True) as client:
        result = await client.call("extend_video", assetId=client.world.asset_id(client.clip))

        data = structured(result)
        films = [data["video"], *data["more_videos"]]
        assert [film["assetId"] for film in films] == [world.asset_id(asset) for asset in client.last_task().artifacts]
        assert len(films) == 2
        assert {film["uri"] for film in films} < set(links(result))


async def test_a_status_that_nobody_documented_is_kept_and_is_no_end(tmp_path: Path) -> None:
    world = virtual_world(pace=300)
    world.switch(running_word="PROCESSING")
    async with open_client(world, tmp_path, "auto") as client:
        data = await client.extend(client.clip)

        assert data["status"] == "PROCESSING"
        assert '"PROCESSING"' in data["summary"]
        assert data["next_step"]["tool"] == "get_task"


async def test_a_queued_task_tells_upstreams_estimate(tmp_path: Path) -> None:
    world = virtual_world(slots=1, pace=300)
    add_task(world, queue=0, duration=90)
    async with open_client(world, tmp_path, "auto") as client:
        data = await client.extend(client.clip, wait_seconds=10)

        assert data["status"] == "PENDING"
        assert data["estimatedTimeToStartSeconds"] == pytest.approx(80, abs=6)
        assert "Runway estimates a start in" in data["summary"]


async def test_calls_that_never_get_an_answer_to_their_checks_end_in_time_with_nothing_spent(tmp_path: Path) -> None:
    world = virtual_world()
    world.faults += [Fault(path_prefix="/assets", times=None, kind="delay", seconds=500)]
    async with open_client(world, tmp_path, "auto") as client:
        data = await client.extend(client.clip)

        assert client.took <= 45
        assert data["error"]["kind"] == "unavailable"
        assert data["error"]["charged"] == "no"
        assert data["next_step"]["arguments"] == {"assetId": world.asset_id(client.clip)}
        assert client.posts == 0


async def test_a_second_server_on_the_same_folder_knows_the_task_of_the_first(tmp_path: Path) -> None:
    world = virtual_world(pace=300)
    async with open_client(world, tmp_path, "auto") as client:
        first = await client.extend(client.clip, wait_seconds=0)
    async with open_client(world, tmp_path, "auto") as client:
        again = await client.extend(client.clip, wait_seconds=0)

        assert again["taskId"] == first["taskId"]
        assert client.posts == 1


async def test_what_the_caller_said_reaches_upstream_and_comes_back(tmp_path: Path) -> None:
    async with open_client(virtual_world(pace=300), tmp_path, "auto") as client:
        data = await client.extend(
            client.clip,
            seed="9",
            exploreMode="true",
            replyUrl="https://hooks.example.com/x",
            replyRef="mine",
            maxJobs=3.0,
            wait_seconds=0,
        )

        task = client.last_task()
        assert (task.options["seed"], task.options["exploreMode"]) == (9, True)
        assert (task.reply_url, task.reply_ref) == ("https://hooks.example.com/x", "mine")
        assert (data["seed"], data["replyRef"], data["credits"]["cost"]) == (9, "mine", 0)


async def test_a_cancelled_call_leaves_its_task_running(tmp_path: Path, mode: str) -> None:
    async with open_client(small_world(clock=anyio.current_time), tmp_path, mode) as client:
        with anyio.move_on_after(2):
            await client.extend(client.clip)

        at_once = await client.extend(client.clip)
        took = client.took
        awaited = await client.extend(client.clip, wait_seconds=30)

        assert (at_once["status"], awaited["status"], took) == ("RUNNING", "SUCCEEDED", 0)
        assert at_once["twin"] is awaited["twin"] is True
        assert client.posts == 1


async def test_a_host_that_calls_again_every_minute_is_charged_once_and_ends_with_the_film(
    tmp_path: Path, mode: str
) -> None:
    async with open_client(virtual_world(pace=170), tmp_path, mode) as client:
        began, told = anyio.current_time(), list[dict[str, Any]]()
        for second in (0, 60, 120, 180):
            await anyio.sleep(began + second - anyio.current_time())
            told.append(await client.extend(client.clip, text_prompt="over the dunes"))

        assert client.posts == 1
        assert len({each["taskId"] for each in told}) == 1
        assert [each["status"] for each in told[1:]] == ["RUNNING", "RUNNING", "SUCCEEDED"]
        assert told[-1]["video"]["duration_seconds"] == 15
