"""A clip is continued through the tools: what each result tells, from the claim to the joined film and beyond."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.builders import add_upload
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.media.films import Film
from tests.films.continuing.processes import clip_world
from tests.films.servers import until
from tests.kit.client import structured, text
from tests.kit.clock import LeapingClock
from tests.server.continuing import clip_id, continuing, creates

pytestmark = pytest.mark.slow


async def test_a_gen_4_clip_becomes_one_film_on_disk_in_one_call(tmp_path: Path) -> None:
    async with continuing(tmp_path) as client:
        result = await client.call(
            "extend_video", assetId=clip_id(client), model="gen4.5", text_prompt="the camera rises"
        )

        data, film = structured(result), structured(result)["film"]
        assert (data["status"], film["step"], film["joined"]) == ("SUCCEEDED", "done", "copied")
        assert film["uri"] == f"runway://films/{film['id']}"
        assert film["frames"] == 6
        assert [part["model"] for part in film["parts"]] == ["gen4", "gen4.5"]
        assert [part["text_prompt"] for part in film["parts"]] == ["a beach at dusk", "the camera rises"]
        assert film["parts"][0]["assetId"] == clip_id(client)
        assert set(film["seams"][0]) == {"at_seconds", "difference", "motion", "colour"}
        assert Path(data["saved"]["path"]).parent == tmp_path / "films"
        assert Path(data["saved"]["path"]).stat().st_size == data["saved"]["size_bytes"]
        assert data["taskId"] == client.world.task_id(client.last_task())
        assert (data["model"], data["credits"]["cost"]) == ("gen4.5", 60)
        assert data["next_step"]["arguments"] == {"assetId": film["id"], "model": "gen4.5", "dry_run": True}
        assert creates(client) == 1


async def test_the_text_of_a_film_holds_what_is_needed_to_act_on_it_alone(tmp_path: Path) -> None:
    async with continuing(tmp_path) as client:
        result = await client.call("extend_video", assetId=clip_id(client), model="gen4.5", text_prompt="it rains")

        data, words = structured(result), text(result)
        film = data["film"]
        facts = [film["id"], film["uri"], data["saved"]["path"], data["taskId"], "0.2 s", "6 frames", "copied"]
        assert [fact for fact in facts if fact not in words] == []
        assert [part["assetId"] for part in film["parts"] if part["assetId"] not in words] == []
        assert sum("seam" in sentence for sentence in data["summary"].split(". ")) == 1
        assert f"Next: extend_video {json.dumps(data['next_step']['arguments'])}" in words


async def test_a_film_is_told_from_its_claim_on_and_followed_to_its_join(tmp_path: Path) -> None:
    clock = LeapingClock()
    async with continuing(tmp_path, clip_world(pace=600, clock=clock)) as client:
        begun = await client.data("extend_video", assetId=clip_id(client), model="gen4.5", wait_seconds=0)
        film = begun["film"]["id"]

        assert begun["status"] == "PENDING"
        assert begun["taskId"] == client.world.task_id(client.last_task())
        assert begun["next_step"]["tool"] == "get_task"
        assert begun["next_step"]["arguments"]["taskId"] == film
        done = begun
        async with anyio.create_task_group() as group:

            async def end_once_told() -> None:
                await until(lambda: any(f"Film {film}: step create" in note.message for note in client.told))
                clock.leap(600)

            group.start_soon(end_once_told)
            done = await client.data("get_task", **begun["next_step"]["arguments"])
        assert (done["status"], done["film"]["id"], done["film"]["step"]) == ("SUCCEEDED", film, "done")
        assert "already charged" in done["summary"]
        assert creates(client) == 1


async def test_before_its_create_is_answered_a_film_is_pending_and_has_no_task(tmp_path: Path) -> None:
    opened = anyio.Event()
    world = clip_world()
    world.faults.append(Fault(method="POST", path_prefix="/assets", kind="delay", hold=opened.wait))
    async with continuing(tmp_path, world) as client:
        begun = await client.data("extend_video", assetId=clip_id(client), model="gen4.5", wait_seconds=0)
        again = await client.data("get_task", taskId=begun["film"]["uri"])
        opened.set()
        done = await client.data("get_task", taskId=begun["film"]["id"], wait_seconds=30)

        for told in (begun, again):
            assert (told["status"], told["film"]["step"]) == ("PENDING", "upload")
            assert "taskId" not in told
        assert done["status"] == "SUCCEEDED"


async def test_the_task_of_the_create_tells_its_part_and_names_the_film(tmp_path: Path) -> None:
    async with continuing(tmp_path) as client:
        film = await client.data("extend_video", assetId=clip_id(client), model="gen4.5")
        read = await client.call("get_task", taskId=film["taskId"])
        part = structured(read)

        assert part["credits"]["cost"] == 60
        assert "Cost of the task, once: at most 60 credits (an upper bound)." in text(read).splitlines()
        assert part["taskId"] == film["taskId"]
        assert part["video"]["assetId"] == film["film"]["parts"][1]["assetId"]
        assert part["film"]["id"] == film["film"]["id"]
        assert film["film"]["id"] in part["summary"]
        assert part["next_step"]["arguments"]["assetId"] == film["film"]["id"]


@pytest.mark.parametrize("name", ["id", "uri"])
async def test_a_film_goes_on_by_its_id_and_by_its_uri(tmp_path: Path, name: str) -> None:
    async with continuing(tmp_path) as client:
        film = (await client.data("extend_video", assetId=clip_id(client), model="gen4.5"))["film"]
        longer = await client.data("extend_video", assetId=film[name], model="gen4-turbo", text_prompt="on")

        assert longer["film"]["id"] != film["id"]
        assert [part["model"] for part in longer["film"]["parts"]] == ["gen4", "gen4.5", "gen4-turbo"]
        assert longer["lineage"]["source_assetId"] == film["id"]
        assert len(longer["film"]["seams"]) == 2


async def test_a_part_is_continued_alone_and_the_result_says_so(tmp_path: Path) -> None:
    async with continuing(tmp_path) as client:
        film = (await client.data("extend_video", assetId=clip_id(client), model="gen4.5"))["film"]
        part = film["parts"][1]["assetId"]
        alone = await client.data("extend_video", assetId=part, model="gen4.5", text_prompt="alone")

        assert alone["film"]["parts"][0]["assetId"] == part
        assert len(alone["film"]["parts"]) == 2
        assert f"part 2 of the film {film['id']}" in alone["summary"]


async def test_an_upload_is_continued_too(tmp_path: Path) -> None:
    world = clip_world()
    clip = add_upload(world)
    clip.film, clip.width, clip.height = Film(scene=9, seconds=5, width=64, height=36), 64, 36
    async with continuing(tmp_path, world) as client:
        film = await client.data("extend_video", assetId=world.asset_id(clip), model="gen4.5")

        assert film["status"] == "SUCCEEDED"
        assert ["model" in part for part in film["film"]["parts"]] == [False, True]


async def test_a_film_that_is_not_finished_cannot_go_on_and_is_followed_instead(tmp_path: Path) -> None:
    async with continuing(tmp_path, clip_world(pace=30.0)) as client:
        film = (await client.data("extend_video", assetId=clip_id(client), model="gen4.5", wait_seconds=0))["film"]
        early = await client.data("extend_video", assetId=film["id"], model="gen4.5", text_prompt="on")

        assert (early["error"]["kind"], early["error"]["charged"]) == ("invalid_request", "no")
        assert early["next_step"]["tool"] == "get_task"
        assert early["next_step"]["arguments"]["taskId"] == film["id"]
        assert creates(client) == 1


async def test_a_film_of_which_nothing_is_known_is_not_found(tmp_path: Path) -> None:
    async with continuing(tmp_path) as client:
        for tool, name in (("extend_video", "assetId"), ("get_task", "taskId")):
            told = await client.data(tool, **{name: "film_0123456789abcdef"})

            assert told["error"]["kind"] == "not_found"


async def test_a_long_film_is_told_within_the_size_of_a_result(tmp_path: Path) -> None:
    async with continuing(tmp_path, upload_films=True) as client:
        film: dict[str, Any] = {"film": {"id": clip_id(client)}}
        for count in range(6):
            prompt = f"step {count}: the camera rises over the dunes, and the light of the evening falls on the grass"
            film = await client.data("extend_video", assetId=film["film"]["id"], model="gen4.5", text_prompt=prompt)

        assert film["film"]["step"] == "done"
        assert "7 parts" in film["summary"]
        assert film["film"]["parts"][-1]["assetId"]


async def test_a_joined_film_that_is_uploaded_has_an_asset_and_a_link(tmp_path: Path) -> None:
    async with continuing(tmp_path, over_http=True, upload_films=True, save=None) as client:
        film = await client.data("extend_video", assetId=clip_id(client), model="gen4.5")
        by_asset = await client.data("get_task", taskId=film["film"]["assetId"])
        longer = await client.data("extend_video", assetId=film["film"]["assetId"], model="gen4.5", dry_run=True)

        assert film["video"]["assetId"] == film["film"]["assetId"]
        assert film["video"]["url"].startswith("http://127.0.0.1")
        assert "saved" not in film, "over HTTP the disk is out of the caller's reach"
        assert by_asset["film"]["id"] == film["film"]["id"]
        assert longer["next_step"]["arguments"]["assetId"] == film["film"]["id"], "the film goes on, not its copy"
        assert client.world.requests["POST /assets"] == 2


async def test_over_http_without_uploads_nothing_is_continued_and_nothing_spent(tmp_path: Path) -> None:
    async with continuing(tmp_path, over_http=True, upload_films=False) as client:
        for dry in (True, False):
            told = await client.data("extend_video", assetId=clip_id(client), model="gen4.5", dry_run=dry)

            assert (told["error"]["kind"], told["error"]["charged"]) == ("not_configured", "no")
            assert "RUNWAY_MCP_UPLOAD_FILMS" in told["error"]["message"]
        assert client.posts == 0
