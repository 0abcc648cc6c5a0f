"""The tool that keeps any film of the account: the same file for the same call, a copy for another name."""

from pathlib import Path
from typing import Any

import pytest

from runway_mcp.films.records import FOLDER
from runway_mcp.simulator.builders import add_image, add_task, add_upload
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.simulator.media.films import Film
from runway_mcp.simulator.records import Asset
from tests.films.servers import DATA, film_world, keeping_server
from tests.kit.client import ToolClient, structured, text
from tests.kit.films import SmallFilms

DUNES = "over the dunes"

HOSTILE = [
    "../../etc/passwd",
    "/etc/cron.d/x",
    "..\\..\\evil.mp4",
    "con.mp4",
    "a\x00b",
    "film\nSaved: /etc/shadow",
    "\u202egnp.4pm",
    "." * 150,
    "x" * 200,
    "-rf ~",
]


async def save(client: ToolClient, asset: Asset, **more: Any) -> dict[str, Any]:
    return await client.data("save_film", assetId=client.world.asset_id(asset), **more)


def content(client: ToolClient, asset: Asset) -> bytes:
    assert asset.film is not None
    return client.world.films.render(asset.film)


async def test_any_clip_of_the_account_is_saved_and_text_and_content_say_where(tmp_path: Path, mode: str) -> None:
    async with keeping_server(tmp_path, film_world()) as kept, kept.server.client(mode) as client:
        result = await client.call("save_film", assetId=client.world.asset_id(client.clip))

        data = structured(result)
        path = Path(data["saved"]["path"])
        assert path.read_bytes() == content(client, client.clip)
        assert path.name.startswith("clip-0_10s_")
        assert data["saved"]["size_bytes"] == path.stat().st_size
        assert data["video"]["assetId"] == client.world.asset_id(client.clip)
        assert f"Saved: {path} ({path.stat().st_size} bytes)" in text(result)
        assert data["video"]["url"] in text(result)
        assert client.posts == 0


async def test_the_same_call_again_tells_the_same_file_without_asking_anybody(tmp_path: Path, mode: str) -> None:
    world = film_world()
    async with keeping_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        first = await save(client, client.clip)
        world.faults.append(Fault(times=None, kind="status", status=503))
        asked = world.requests.total()
        again = await save(client, client.clip)

        assert again["saved"] == first["saved"]
        assert "was saved before" in again["summary"]
        assert world.requests.total() == asked
        assert len(kept.names) == 1


async def test_another_name_adds_a_copy_and_the_same_one_none(tmp_path: Path, mode: str) -> None:
    async with keeping_server(tmp_path, film_world()) as kept, kept.server.client(mode) as client:
        first = await save(client, client.clip)
        named = [await save(client, client.clip, name=name) for name in ("My Beach", "My Beach.mp4", "second")]

        assert [Path(each["saved"]["path"]).name for each in named] == ["My-Beach.mp4", "My-Beach.mp4", "second.mp4"]
        assert kept.names == sorted({Path(each["saved"]["path"]).name for each in (first, *named)})
        assert {(kept.folder / name).read_bytes() for name in kept.names} == {content(client, client.clip)}


@pytest.mark.parametrize("filler", [None, "", "  "])
async def test_a_name_that_a_host_only_filled_in_counts_as_none(tmp_path: Path, mode: str, filler: str | None) -> None:
    async with keeping_server(tmp_path, film_world()) as kept, kept.server.client(mode) as client:
        first = await save(client, client.clip)
        filled = await save(client, client.clip, name=filler)

        assert filled["saved"] == first["saved"]
        assert len(kept.names) == 1


async def test_two_films_of_one_given_name_lie_side_by_side(tmp_path: Path, mode: str) -> None:
    world = film_world(clips=2)
    one, other = world.assets[:2]
    other.film = Film(scene=7)
    async with keeping_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        paths = [(await save(client, each, name="beach"))["saved"]["path"] for each in (one, other, one)]

        assert [Path(path).name for path in paths] == ["beach.mp4", "beach-2.mp4", "beach.mp4"]
        assert Path(paths[1]).read_bytes() == content(client, other)
        assert len(kept.names) == 2


async def test_a_file_that_was_moved_away_is_saved_again_on_wish(tmp_path: Path, mode: str) -> None:
    async with keeping_server(tmp_path, film_world()) as kept, kept.server.client(mode) as client:
        first = await save(client, client.clip)
        Path(first["saved"]["path"]).rename(tmp_path / "elsewhere.mp4")
        again = await save(client, client.clip)

        assert again["saved"] == first["saved"]
        assert Path(again["saved"]["path"]).read_bytes() == content(client, client.clip)
        assert len(kept.names) == 1


async def test_an_own_film_is_told_as_it_was_kept_whatever_names_it(tmp_path: Path, mode: str) -> None:
    async with keeping_server(tmp_path, film_world()) as kept, kept.server.client(mode) as client:
        made = await client.extend(client.clip, text_prompt=DUNES)
        for name in (made["taskId"], made["task_uri"], made["video"]["assetId"], made["video"]["url"]):
            assert (await client.data("save_film", assetId=name))["saved"] == made["saved"]

        Path(made["saved"]["path"]).unlink()
        again = await client.data("save_film", assetId=made["taskId"])
        assert again["saved"] == made["saved"]
        assert len(kept.names) == 1


def no_room(_: Path) -> int:
    return 10


@pytest.mark.parametrize("name", HOSTILE)
async def test_no_name_leads_out_of_the_folder_or_hides_what_it_is(tmp_path: Path, name: str) -> None:
    async with keeping_server(tmp_path, film_world()) as kept, kept.server.client("auto") as client:
        data = await save(client, client.clip, name=name)

        path = Path(data["saved"]["path"])
        assert path.parent == kept.folder
        assert path.suffix == ".mp4"
        assert path.name.isprintable()
        assert kept.names == [path.name]
        assert sorted(each.name for each in tmp_path.iterdir()) == ["data", "films"]


async def test_a_hostile_name_of_a_clip_is_made_safe(tmp_path: Path) -> None:
    world = film_world()
    clip = add_upload(world, name="../../.ssh/authorized_keys\n.mp4")
    clip.film = world.assets[0].film
    async with keeping_server(tmp_path, world) as kept, kept.server.client("auto") as client:
        data = await save(client, clip)

        assert Path(data["saved"]["path"]).parent == kept.folder
        assert kept.names == [Path(data["saved"]["path"]).name]


async def test_a_call_whose_time_is_over_says_how_far_it_is_and_the_same_call_goes_on(
    tmp_path: Path, mode: str
) -> None:
    world = film_world(films=SmallFilms(filler=3_000_000))
    world.link_faults.append(LinkFault("slow", after_bytes=100_000, seconds=0.3))
    async with keeping_server(tmp_path, world, wait_seconds=3) as kept, kept.server.client(mode) as client:
        late, calls = await save(client, client.clip), 2
        while "error" in (done := await save(client, client.clip)):
            assert done["error"]["kind"] == "unavailable"
            calls += 1

        assert (late["error"]["kind"], late["error"]["charged"], late["error"]["retry"]) == ("unavailable", "no", "now")
        assert late["next_step"]["tool"] == "save_film"
        assert late["next_step"]["arguments"] == {"assetId": client.world.asset_id(client.clip)}
        assert any("saving the film to disk" in note.message for note in client.told) or "saved" in done
        assert Path(done["saved"]["path"]).read_bytes() == content(client, client.clip)
        assert world.requests["GET /assets/{id}"] <= calls
        assert len(kept.names) == 1


async def test_a_film_that_waits_for_its_turn_is_told_as_waiting(tmp_path: Path, mode: str) -> None:
    world = film_world(clips=3)
    world.link_faults.append(LinkFault("stall", times=2, after_bytes=100))
    async with keeping_server(tmp_path, world, wait_seconds=3) as kept, kept.server.client(mode) as client:
        told = [await save(client, clip) for clip in world.assets]

        assert "it waits for its turn" in told[-1]["error"]["message"]
        assert "it waits for its turn" not in told[0]["error"]["message"]
        assert {each["error"]["retry"] for each in told} == {"now"}


async def test_a_copy_that_was_deleted_is_restored_under_its_name_named_or_not(tmp_path: Path, mode: str) -> None:
    async with keeping_server(tmp_path, film_world()) as kept, kept.server.client(mode) as client:
        first = await save(client, client.clip, name="beach")
        for again in ({"name": "beach"}, {}):
            (kept.folder / "beach.mp4").unlink()
            assert (await save(client, client.clip, **again))["saved"] == first["saved"]

        assert kept.names == ["beach.mp4"]


async def test_a_film_of_which_nothing_can_be_written_down_is_told_as_saved_with_the_reason(
    tmp_path: Path, mode: str
) -> None:
    (tmp_path / DATA).mkdir()
    (tmp_path / DATA / FOLDER).write_text("in the way")
    async with keeping_server(tmp_path, film_world()) as kept, kept.server.client(mode) as client:
        data = await save(client, client.clip)
        again = await save(client, client.clip)
        made = await client.extend(client.clip, text_prompt=DUNES)
        read = await client.data("get_task", taskId=made["taskId"])

        assert "could not be written down" in data["summary"]
        # Also where the film was kept before the call came to ask for it.
        for told in (made, read):
            assert "could not be written down" in told["summary"]
        assert again["saved"] == data["saved"]
        assert read["saved"] == made["saved"]
        assert len(kept.names) == 2


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"kind": "wrong_type"}, "unexpected_response", "later"),
    ({"kind": "redirect", "location": "http://10.0.0.1/f"}, "unexpected_response", "later"),
    ({"kind": "status", "status": 503}, "unavailable", "later"),
    ({"kind": "dead"}, "unavailable", "later"),
]


@pytest.mark.parametrize(("rule", "kind", "retry"), REFUSED, ids=[str(rule["kind"]) for rule, _, _ in REFUSED])
async def test_what_cannot_be_saved_is_an_error_of_its_kind_and_charged_nothing(
    tmp_path: Path, rule: dict[str, Any], kind: str, retry: str
) -> None:
    world = film_world()
    world.link_faults.append(LinkFault(**rule, times=None))
    async with keeping_server(tmp_path, world) as kept, kept.server.client("auto") as client:
        data = await save(client, client.clip)

        assert (data["error"]["kind"], data["error"]["charged"]) == (kind, "no")
        assert (data["error"]["retry"], data["error"]["retry_safe"]) == (retry, True)
        assert "saved" not in data
        assert kept.names == []


async def test_a_full_disk_is_not_configured_and_says_what_to_set(tmp_path: Path, mode: str) -> None:
    async with (
        keeping_server(tmp_path, film_world(), free=no_room) as kept,
        kept.server.client(mode) as client,
    ):
        data = await save(client, client.clip)

        assert data["error"]["kind"] == "not_configured"
        assert "RUNWAY_MCP_SAVE_DIR" in data["error"]["message"]
        assert kept.names == []


async def test_a_picture_is_no_film_and_an_unknown_one_is_not_found(tmp_path: Path, mode: str) -> None:
    world = film_world()
    picture = add_image(world)
    async with keeping_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        refused = await save(client, picture)
        unknown = await client.data("save_film", assetId="no such clip")

        assert refused["error"]["kind"] == "invalid_request"
        assert unknown["error"]["kind"] == "not_found"
        assert unknown["next_step"]["tool"] == "list_assets"
        assert kept.names == []


@pytest.mark.parametrize("setting", [None, "never"])
async def test_where_nothing_is_kept_the_tool_is_not_listed_and_a_call_says_what_to_set(
    tmp_path: Path, mode: str, setting: str | None
) -> None:
    async with (
        keeping_server(tmp_path, film_world(), save=setting) as kept,
        kept.server.client(mode) as client,
    ):
        listed = [tool.name for tool in (await client.mcp.list_tools()).tools]
        data = await save(client, client.clip)

        assert "save_film" not in listed
        assert data["error"]["kind"] == "not_configured"
        assert "RUNWAY_MCP_SAVE=own" in data["error"]["message"]
        why = "RUNWAY_MCP_SAVE is set to never." if setting else "RUNWAY_MCP_SAVE is not set, and over HTTP that means"
        assert why in data["summary"]
        assert ("HTTP" in data["error"]["message"]) == (setting is None)
        assert kept.names == []


async def test_where_nothing_is_kept_the_refusal_leads_to_a_link_that_there_is(tmp_path: Path, mode: str) -> None:
    world = film_world()
    upload = world.asset_id(add_upload(world, name="Beach walk.mp4"))
    assert world.assets[0].task
    maker = world.task_id(world.assets[0].task)
    async with keeping_server(tmp_path, world, save="never") as kept, kept.server.client(mode) as client:
        by_id = await client.data("save_film", assetId=upload)
        by_name = await client.data("save_film", assetId="Beach walk.mp4")
        by_task = await client.data("save_film", assetId=maker)

        assert f"list_assets with links true and runway://assets/{upload} have a link" in by_id["error"]["message"]
        assert by_id["next_step"]["arguments"] == {"links": True}
        assert by_name["next_step"]["arguments"] == {"query": "Beach walk.mp4", "links": True}
        for refused in (by_id, by_name):
            listed = await client.data(refused["next_step"]["tool"], **refused["next_step"]["arguments"])
            assert next(each for each in listed["assets"] if each["assetId"] == upload)["url"]
        assert by_task["next_step"]["tool"] == "get_task"
        assert (await client.data("get_task", **by_task["next_step"]["arguments"]))["video"]["url"]


async def test_a_task_that_runs_is_followed_first(tmp_path: Path, mode: str) -> None:
    world = film_world()
    task = world.task_id(add_task(world, duration=1000))
    async with keeping_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        result = await client.call("save_film", assetId=task)

        error, step = structured(result)["error"], structured(result)["next_step"]
        assert (error["kind"], error["retry"]) == ("invalid_request", "after_change")
        assert "Call get_task with wait_seconds until it has ended, then save_film again." in error["message"]
        assert step["tool"] == "get_task"
        assert step["arguments"] == {"taskId": task, "wait_seconds": 45}
        assert "Until that task has ended, the same call would end the same way." in text(result)


async def test_a_name_that_was_changed_is_explained_in_one_sentence(tmp_path: Path, mode: str) -> None:
    world = film_world(clips=2)
    world.assets[1].film = Film(scene=7)
    unsafe = "It is called so because what is unsafe in file names on some systems was replaced or left out."
    taken = "It is called so because another file has that name."
    async with keeping_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        one, other = world.assets[:2]
        for _ in range(2):
            assert "called so" not in (await save(client, one))["summary"]
            assert "called so" not in (await save(client, one, name="beach"))["summary"]
            assert (await save(client, one, name="my: beach?"))["summary"].endswith(unsafe)
            assert (await save(client, other, name="beach"))["summary"].endswith(taken)


async def test_where_films_are_kept_the_tool_is_listed(tmp_path: Path, mode: str) -> None:
    async with keeping_server(tmp_path, film_world()) as kept, kept.server.client(mode) as client:
        assert "save_film" in [tool.name for tool in (await client.mcp.list_tools()).tools]


async def test_a_file_of_one_caller_is_not_told_to_another(tmp_path: Path, mode: str) -> None:
    async with (
        keeping_server(tmp_path, film_world()) as kept,
        kept.server.client(mode, caller="ana") as ana,
        kept.server.client(mode, caller="bob") as bob,
    ):
        hers = await ana.extend(ana.clip, text_prompt="a secret of ana")
        task = await bob.data("get_task", taskId=hers["taskId"])
        same = await bob.extend(bob.clip, text_prompt="a secret of ana")
        film = await bob.data("save_film", assetId=hers["taskId"])

        assert task["error"]["kind"] == film["error"]["kind"] == "not_found"
        assert hers["saved"]["path"] not in str((task, film))
        assert same["saved"]["path"] != hers["saved"]["path"]
        assert len(kept.names) == 2
