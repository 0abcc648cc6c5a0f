"""Continuing is paid once: whatever is repeated, lost, cut off or restarted between claim and join."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.builders import add_video
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.run import running
from tests.films.continuing.processes import clip_world
from tests.films.servers import until
from tests.kit.client import structured, text
from tests.kit.clock import LeapingClock
from tests.kit.protocol_tasks import TakesTasks, TaskHandle, called
from tests.server.continuing import clip_id, continuing, continuing_at, continuing_server, creates

pytestmark = pytest.mark.slow

GB = 10**9


class Disk:
    """A disk that fills up: how much of it is free, in bytes."""

    def __init__(self) -> None:
        self.left = 100 * GB

    def free(self, _path: Path) -> int:
        return self.left


async def test_the_same_request_gets_the_film_that_was_made(tmp_path: Path) -> None:
    async with continuing(tmp_path) as client:
        asked = {"assetId": clip_id(client), "model": "gen4.5", "text_prompt": "on"}
        film = await client.data("extend_video", **asked)
        again = await client.data("extend_video", **asked)
        with_its_seed = await client.data("extend_video", **asked, seed=film["seed"])
        priced = await client.data("extend_video", **asked, dry_run=True)
        other = await client.data("extend_video", **asked, seed=7)

        for twin in (again, with_its_seed):
            assert (twin["film"]["id"], twin["twin"], twin["credits"]["cost"]) == (film["film"]["id"], True, 0)
            assert twin["summary"].startswith("Nothing new was made or charged: this is the film of ")
        assert (priced["twin"], priced["credits"]["cost"]) == (True, 0)
        assert priced["next_step"]["arguments"]["taskId"] == film["film"]["id"]
        assert other["film"]["id"] != film["film"]["id"]
        assert creates(client) == 2


async def test_the_upload_of_a_film_is_the_film_by_each_of_its_names(tmp_path: Path) -> None:
    async with continuing(tmp_path, over_http=True, upload_films=True, save=None) as client:
        first = await client.data("extend_video", assetId=clip_id(client), model="gen4.5")
        asked = {"model": "gen4-turbo", "text_prompt": "on"}
        longer = await client.data("extend_video", assetId=first["film"]["id"], **asked)
        upload = first["video"]
        for name in (upload["assetId"], upload["assetId"].rpartition("asset:")[2], upload["url"]):
            again = await client.data("extend_video", assetId=name, **asked)
            assert (again["film"]["id"], again["twin"]) == (longer["film"]["id"], True)

        assert creates(client) == 2


async def test_a_film_that_is_too_large_for_an_upload_is_whole_without_one(tmp_path: Path) -> None:
    world = clip_world()

    async def shrink() -> None:
        world.switch(largest_upload=100)

    # The frame has been uploaded by then, and the film has not.
    world.faults.append(Fault(method="POST", path_prefix="/gen4_5", kind="delay", hold=shrink))
    async with continuing(tmp_path, world, upload_films=True) as client:
        film = await client.data("extend_video", assetId=clip_id(client), model="gen4.5")

        assert (film["status"], film["film"]["step"]) == ("SUCCEEDED", "done")
        assert "assetId" not in film["film"]
        assert Path(film["saved"]["path"]).is_file()
        assert "The film lies on the server's disk and has no link." in film["summary"]


async def test_two_calls_at_once_make_one_film(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    async with continuing(tmp_path, clip_world(pace=1.0)) as client, anyio.create_task_group() as both:

        async def call() -> None:
            result = await client.mcp.call_tool("extend_video", {"assetId": clip_id(client), "model": "gen4.5"})
            told.append(structured(result))

        both.start_soon(call)
        both.start_soon(call)
    assert {each["film"]["id"] for each in told} == {told[0]["film"]["id"]}
    assert sorted("twin" in each for each in told) == [False, True]
    assert creates(client) == 1


async def test_a_call_that_is_cut_off_leaves_its_film_to_the_same_call(tmp_path: Path) -> None:
    opened, reached = anyio.Event(), anyio.Event()

    async def hold() -> None:
        reached.set()
        await opened.wait()

    world = clip_world()
    world.faults.append(Fault(method="POST", path_prefix="/gen4_5", kind="delay", hold=hold))
    async with continuing(tmp_path, world) as client:
        asked = {"assetId": clip_id(client), "model": "gen4.5"}
        async with anyio.create_task_group() as cut:
            cut.start_soon(client.mcp.call_tool, "extend_video", asked)
            await reached.wait()
            cut.cancel_scope.cancel()
        opened.set()
        film = await client.data("extend_video", **asked, wait_seconds=30)

        assert (film["status"], film["twin"]) == ("SUCCEEDED", True)
        assert creates(client) == 1


async def test_a_create_without_a_clear_answer_is_found_and_never_posted_again(tmp_path: Path) -> None:
    world = clip_world()
    world.faults.append(Fault(method="POST", path_prefix="/gen4_5", status=502, handled=True))
    async with continuing(tmp_path, world) as client:
        film = await client.data("extend_video", assetId=clip_id(client), model="gen4.5", wait_seconds=30)

        assert film["status"] == "SUCCEEDED"
        assert creates(client) == 1


async def test_a_create_that_nothing_shows_is_told_as_unknown_and_looked_for_by_the_same_call(tmp_path: Path) -> None:
    world = clip_world()
    world.switch(late_in_lists=600, late_in_scheduler=600)
    world.faults.append(Fault(method="POST", path_prefix="/gen4_5", status=502, handled=True))
    async with continuing(tmp_path, world) as client:
        asked = {"assetId": clip_id(client), "model": "gen4.5", "text_prompt": "on"}
        lost = await client.call("extend_video", **asked, wait_seconds=0)
        told = structured(lost)
        by_film = await client.data("get_task", taskId=told["film"]["id"])
        world.switch(late_in_lists=0, late_in_scheduler=0)
        found = await client.data(by_film["next_step"]["tool"], **by_film["next_step"]["arguments"], wait_seconds=40)

        for each in (told, by_film):
            assert each["error"]["kind"] == "submission_unknown"
            assert each["error"]["charged"] == "unknown"
            assert each["next_step"]["tool"] == "extend_video"
            assert each["next_step"]["arguments"]["model"] == "gen4.5"
        assert "never submits" in text(lost)
        assert (found["status"], found["film"]["id"]) == ("SUCCEEDED", told["film"]["id"])
        assert creates(client) == 1


async def test_a_join_that_fails_was_charged_and_the_same_call_joins_again_free(tmp_path: Path) -> None:
    disk, clock = Disk(), LeapingClock()
    async with continuing(tmp_path, clip_world(pace=600, clock=clock), free=disk.free) as client:
        asked = {"assetId": clip_id(client), "model": "gen4.5", "text_prompt": "on"}
        begun = await client.data("extend_video", **asked, wait_seconds=0)
        await until(lambda: client.world.accepted)
        disk.left = GB
        clock.leap(600)
        failed = await client.call("get_task", taskId=begun["film"]["id"], wait_seconds=30)
        told = structured(failed)
        disk.left = 100 * GB
        film = await client.data(told["next_step"]["tool"], **told["next_step"]["arguments"], wait_seconds=30)

        assert (told["error"]["kind"], told["error"]["charged"]) == ("unavailable", "yes")
        assert (told["error"]["retry"], told["error"]["retry_safe"]) == ("now", True)
        assert told["film"]["step"] == "join"
        assert told["next_step"]["arguments"] == {
            "assetId": clip_id(client),
            "text_prompt": "on",
            "seconds": 5,
            "model": "gen4.5",
            "dry_run": False,
        }
        assert "GB" in text(failed)
        assert (film["status"], film["film"]["id"]) == ("SUCCEEDED", begun["film"]["id"])
        assert creates(client) == 1


async def test_a_restart_goes_on_with_a_film_whatever_its_step(tmp_path: Path) -> None:
    world = clip_world(pace=1.0)
    async with running(world) as url:
        async with continuing_at(url, world, tmp_path) as client:
            asked = {"assetId": clip_id(client), "model": "gen4.5"}
            begun = await client.data("extend_video", **asked, wait_seconds=0)
        async with continuing_at(url, world, tmp_path) as client:
            film = await client.data("get_task", taskId=begun["film"]["id"], wait_seconds=30)
            again = await client.data("extend_video", **asked)

    assert (film["status"], again["film"]["id"]) == ("SUCCEEDED", begun["film"]["id"])
    assert creates(client) == 1


async def test_a_paid_film_comes_back_though_its_source_is_gone(tmp_path: Path) -> None:
    world = clip_world()
    async with continuing(tmp_path, world, continue_with="gen4.5") as client:
        named = clip_id(client)
        film = await client.data("extend_video", assetId=named, model="gen4.5")
        world.assets.remove(client.clip)
        again = await client.data("extend_video", assetId=named, model="gen4.5")

        assert (again["film"]["id"], again["twin"]) == (film["film"]["id"], True)
        assert again["saved"] == film["saved"]
        assert creates(client) == 1


@pytest.mark.parametrize("model", [{}, {"model": "gen4.5"}])
async def test_a_film_of_a_clip_that_was_named_comes_back_while_upstream_is_away(
    tmp_path: Path, model: dict[str, str]
) -> None:
    world = clip_world()
    async with continuing(tmp_path, world, continue_with="gen4.5") as client:
        asked = {"assetId": world.assets[0].name, **model}
        film = await client.data("extend_video", **asked)
        world.faults.append(Fault(times=None, status=503))
        again = await client.data("extend_video", **asked, wait_seconds=12)
        priced = await client.data("extend_video", **asked, dry_run=True)

        assert (again["film"]["id"], again["twin"]) == (film["film"]["id"], True)
        assert (priced["twin"], priced["credits"]["cost"]) == (True, 0)
        assert creates(client) == 1


async def test_a_name_that_is_another_clips_by_now_spends_nothing_where_upstream_flaps(tmp_path: Path) -> None:
    world = clip_world()
    async with running(world) as url:
        name = world.assets[0].name
        asked = {"assetId": name, "text_prompt": "on"}
        async with continuing_at(url, world, tmp_path, continue_with="gen4.5") as client:
            film = await client.data("extend_video", **asked)
        world.assets[0].name = "renamed.mp4"
        add_video(world, model="gen4", prompt="another", seconds=5, name=name, age=10.0)
        async with continuing_at(url, world, tmp_path) as client:
            # The first look fails with all its repeats, the next one would succeed.
            world.faults.append(Fault(method="GET", path_prefix="/assets", times=3, status=503))
            again = await client.data("extend_video", **asked, wait_seconds=30)
            refused = await client.data("extend_video", **asked, wait_seconds=30)

            assert (again["film"]["id"], again["twin"]) == (film["film"]["id"], True)
            assert refused["error"]["kind"] == "invalid_request"
            assert creates(client) == 1


async def test_a_create_that_fails_is_told_and_another_take_uses_the_same_frame(tmp_path: Path) -> None:
    world = clip_world()
    async with continuing(tmp_path, world) as client:
        asked = {"assetId": clip_id(client), "model": "gen4.5", "text_prompt": "it is broken"}
        failed = await client.data("extend_video", **asked)
        again = await client.data("extend_video", **asked)
        by_film = await client.data("get_task", taskId=failed["film"]["id"])
        await client.data("extend_video", **asked, seed=7)

        assert (failed["status"], failed["error"]["kind"]) == ("FAILED", "generation_failed")
        assert again["error"]["kind"] == by_film["error"]["kind"] == "generation_failed"
        assert creates(client) == 2
        assert world.requests["POST /assets"] == 1


async def test_a_moderated_create_answers_so_for_good_and_is_not_posted_again(tmp_path: Path) -> None:
    async with continuing(tmp_path) as client:
        asked = {"assetId": clip_id(client), "model": "gen4.5", "text_prompt": "something forbidden"}
        for _ in range(2):
            told = await client.data("extend_video", **asked)

            assert (told["error"]["kind"], told["error"]["retry_safe"]) == ("moderated", False)
        assert creates(client) == 1


@pytest.mark.parametrize("then", ["gen4", None])
@pytest.mark.parametrize("of_film", [False, True])
async def test_a_request_without_a_model_stays_the_same_when_another_one_is_set(
    tmp_path: Path, then: str | None, of_film: bool
) -> None:
    world = clip_world()
    async with running(world) as url:
        async with continuing_at(url, world, tmp_path, continue_with="gen4.5") as client:
            named = clip_id(client)
            if of_film:
                named = (await client.data("extend_video", assetId=named, model="gen4"))["film"]["id"]
            asked: dict[str, Any] = {"assetId": named, "text_prompt": "on"}
            film = await client.data("extend_video", **asked)
        async with continuing_at(url, world, tmp_path, continue_with=then) as client:
            again = await client.data("extend_video", **asked)
            by_auto = await client.data("extend_video", **asked, model="auto")
            priced = await client.data("extend_video", **asked, dry_run=True)

            for twin in (again, by_auto):
                assert (twin["film"]["id"], twin["twin"], twin["credits"]["cost"]) == (film["film"]["id"], True, 0)
            assert (priced["twin"], priced["credits"]["cost"]) == (True, 0)
            assert creates(client) == 1 + of_film


async def test_a_request_that_named_its_model_is_another_one_than_one_that_names_none(tmp_path: Path) -> None:
    async with continuing(tmp_path, continue_with="gen4") as client:
        named = await client.data("extend_video", assetId=clip_id(client), model="gen4.5")
        unnamed = await client.data("extend_video", assetId=clip_id(client))

        assert unnamed["film"]["id"] != named["film"]["id"]
        assert unnamed["model"] == "gen4"


async def test_another_callers_film_does_not_exist(tmp_path: Path) -> None:
    async with continuing_server(clip_world(), tmp_path) as server:
        async with server.client("auto", caller="one") as client:
            film = (await client.data("extend_video", assetId=clip_id(client), model="gen4.5"))["film"]["id"]
        async with server.client("auto", caller="other") as client:
            told = await client.data("get_task", taskId=film)
            continued = await client.data("extend_video", assetId=film, model="gen4.5")

            assert told["error"]["kind"] == continued["error"]["kind"] == "not_found"
            assert creates(client) == 1


async def test_a_host_that_takes_tasks_follows_the_film_from_its_claim_to_its_join(tmp_path: Path) -> None:
    async with (
        continuing_server(clip_world(), tmp_path) as server,
        server.client("auto", extensions=[TakesTasks()]) as client,
    ):
        handle = await called(client.mcp, "extend_video", assetId=clip_id(client), model="gen4.5")
        assert isinstance(handle, TaskHandle)
        film = await client.data("extend_video", assetId=clip_id(client), model="gen4.5")

        assert handle.task_id.startswith("film_")
        assert (film["status"], film["film"]["id"]) == ("SUCCEEDED", handle.task_id)
        assert creates(client) == 1


async def test_a_call_that_waits_for_its_create_is_told_the_film_once_the_server_is_told_to_stop(
    tmp_path: Path,
) -> None:
    world, arrived, released = clip_world(), anyio.Event(), anyio.Event()
    told: list[dict[str, Any]] = []

    async def hold() -> None:
        arrived.set()
        await released.wait()

    world.faults.append(Fault(method="POST", path_prefix="/gen4_5", kind="delay", hold=hold))
    async with continuing_server(world, tmp_path) as server, server.client("auto") as client:
        asked: dict[str, Any] = {"assetId": clip_id(client), "model": "gen4.5", "text_prompt": "on"}

        async def call() -> None:
            told.append(await client.data("extend_video", **asked, wait_seconds=45))

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await arrived.wait()
            server.context.waits.end_all()
        assert client.took < 40
        released.set()
        film = await client.data("get_task", taskId=told[0]["film"]["id"])
        while film["status"] != "SUCCEEDED":
            film = await client.data("get_task", taskId=told[0]["film"]["id"])
        again = await client.data("extend_video", **asked)

        assert told[0]["status"] == "PENDING"
        assert told[0]["next_step"]["tool"] == "get_task"
        assert told[0]["next_step"]["arguments"]["taskId"] == told[0]["film"]["id"]
        assert (again["film"]["id"], again["twin"]) == (told[0]["film"]["id"], True)
        assert creates(client) == 1
