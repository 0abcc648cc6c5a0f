"""Films of this server's tasks are on disk when the tasks have ended, and results say where."""

from pathlib import Path

import anyio
import pytest

from runway_mcp.simulator.builders import add_video
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.simulator.media.films import Film
from tests.films.servers import DUNES, extended, film_world, keeping_server, rendered, until
from tests.kit.client import structured, text
from tests.kit.films import SmallFilms
from tests.kit.protocol_tasks import TakesTasks
from tests.media.boxes import film as boxes

SHORT_WAIT = 4
"""Seconds that are enough for a task on a busy machine, and too few for a film whose link is slow."""


class Undecodable(SmallFilms):
    """Films of whole boxes that hold no picture."""

    def render(self, film: Film) -> bytes:
        return boxes(4000 + film.scene)


async def test_an_own_film_is_on_disk_when_its_call_returns_and_text_and_content_say_where(
    tmp_path: Path, mode: str
) -> None:
    async with keeping_server(tmp_path, film_world()) as kept, kept.server.client(mode) as client:
        result = await client.call("extend_video", assetId=client.world.asset_id(client.clip), text_prompt=DUNES)

        saved = structured(result)["saved"]
        path = Path(saved["path"])
        assert path.read_bytes() == rendered(client.world)
        assert saved["size_bytes"] == path.stat().st_size
        assert path.parent == kept.folder
        assert path.name.startswith("over-the-dunes_ext1_15s_")
        assert f"Saved: {path} ({saved['size_bytes']} bytes)" in text(result).splitlines()
        assert kept.names == [path.name]


async def test_get_task_and_a_twin_tell_the_same_file_and_write_none(tmp_path: Path, mode: str) -> None:
    async with keeping_server(tmp_path, film_world()) as kept, kept.server.client(mode) as client:
        first = await extended(client)
        read = await client.data("get_task", taskId=first["taskId"])
        twin = await extended(client)

        assert read["saved"] == twin["saved"] == first["saved"]
        assert twin["twin"]
        assert len(kept.names) == 1


async def test_a_film_is_kept_though_nobody_waits_for_it(tmp_path: Path) -> None:
    async with keeping_server(tmp_path, film_world()) as kept, kept.server.client("auto") as client:
        begun = await extended(client, wait_seconds=0)
        await until(lambda: any(name.endswith(".mp4") for name in kept.names))

        read = await client.data("get_task", taskId=begun["taskId"], wait_seconds=10)
        assert Path(read["saved"]["path"]).name in kept.names


async def test_a_call_without_time_says_that_the_film_is_under_way_and_how_to_wait_for_it(
    tmp_path: Path, mode: str
) -> None:
    world = film_world(films=SmallFilms(filler=50_000))
    world.link_faults.append(LinkFault("slow", times=None, after_bytes=500, seconds=0.5))
    async with keeping_server(tmp_path, world, wait_seconds=SHORT_WAIT) as kept, kept.server.client(mode) as client:
        data = await extended(client)

        assert data["status"] == "SUCCEEDED"
        assert "saved" not in data
        assert "still being saved to disk" in data["summary"]
        assert "save_film" in data["summary"]
        assert not any(name.endswith(".mp4") for name in kept.names)


async def test_a_complete_film_that_is_under_way_is_waited_for_by_the_next_step(tmp_path: Path, mode: str) -> None:
    world = film_world(films=SmallFilms(filler=50_000))
    world.link_faults.append(LinkFault("slow", times=1, after_bytes=500, seconds=0.1))
    clip = add_video(world, extended=2, seconds=10, added=10)
    async with keeping_server(tmp_path, world, wait_seconds=SHORT_WAIT) as kept, kept.server.client(mode) as client:
        data = await client.extend(clip, text_prompt="on", seconds=10)

        assert "It is complete" in data["summary"]
        assert data["next_step"]["tool"] == "save_film"
        saved = data
        while "saved" not in saved:
            saved = await client.data("save_film", **data["next_step"]["arguments"])
        assert Path(saved["saved"]["path"]).name in kept.names


async def test_the_wait_for_the_file_tells_its_progress(tmp_path: Path, mode: str) -> None:
    world = film_world(films=SmallFilms(filler=4_000_000))
    world.link_faults.append(LinkFault("slow", after_bytes=200_000, seconds=0.25))
    async with keeping_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        data = await extended(client)

        assert Path(data["saved"]["path"]).name in kept.names
        assert any(" of 4.0 MB)" in note.message for note in client.told)


@pytest.mark.parametrize("mode", ["auto"])
async def test_a_link_that_died_is_replaced_by_a_fresh_one(tmp_path: Path, mode: str) -> None:
    world = film_world()
    world.link_faults.append(LinkFault("dead"))
    async with keeping_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        data = await extended(client)

        assert Path(data["saved"]["path"]).read_bytes() == rendered(world)
        assert world.requests["GET /assets/{id}"] >= 1
        assert len(kept.names) == 1


async def test_a_paid_film_is_told_with_its_file_while_upstream_is_away(tmp_path: Path, mode: str) -> None:
    world = film_world()
    async with keeping_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        first = await extended(client)
        world.faults.append(Fault(times=None, kind="status", status=503))
        twin = await extended(client)
        read = await client.data("get_task", taskId=first["taskId"])

        for told in (twin, read):
            assert told["status"] == "SUCCEEDED"
            assert told["saved"] == first["saved"]
            assert "url" not in told["video"]


async def test_a_film_that_was_deleted_at_runway_is_told_with_its_file(tmp_path: Path, mode: str) -> None:
    world = film_world()
    async with keeping_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        first = await extended(client)
        film = world.accepted[-1].artifacts[0]
        film.deleted = True
        world.tasks.remove(world.accepted[-1])
        twin = await client.call("extend_video", assetId=world.asset_id(client.clip), text_prompt=DUNES)

        data = structured(twin)
        assert (data["error"]["kind"], data["error"]["charged"]) == ("not_found", "yes")
        assert data["saved"] == first["saved"]
        assert Path(data["saved"]["path"]).name in kept.names


FAULTS: list[tuple[LinkFault, str]] = [
    (LinkFault("redirect", times=None, location="http://10.0.0.1/f.mp4"), "https"),
    (LinkFault("wrong_type", times=None), "no film"),
    (LinkFault("wrong_length", times=None, length=500), "damaged, or ends early"),
]


@pytest.mark.parametrize(("spoilt", "why"), FAULTS, ids=[fault.kind for fault, _ in FAULTS])
async def test_a_film_that_cannot_be_kept_is_told_in_one_sentence_and_fails_no_call(
    tmp_path: Path, mode: str, spoilt: LinkFault, why: str
) -> None:
    world = film_world()
    world.link_faults.append(spoilt)
    async with keeping_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        data = await extended(client)

        assert data["status"] == "SUCCEEDED"
        assert "saved" not in data
        assert "could not be saved to disk" in data["summary"]
        assert why in data["summary"]
        assert "_jwt" not in data["summary"]
        assert kept.names == []


async def test_a_film_whose_end_does_not_decode_gets_no_name(tmp_path: Path) -> None:
    async with keeping_server(tmp_path, film_world(films=Undecodable())) as kept, kept.server.client("auto") as client:
        data = await extended(client)

        assert "does not decode" in data["summary"]
        assert kept.names == []


async def test_a_disk_without_room_is_told_and_nothing_is_begun(tmp_path: Path, mode: str) -> None:
    def little(_: Path) -> int:
        return 5 * 10**8

    async with (
        keeping_server(tmp_path, film_world(), free=little) as kept,
        kept.server.client(mode) as client,
    ):
        data = await extended(client)

        assert data["status"] == "SUCCEEDED"
        assert "Only 0.5 GB are free" in data["summary"]
        assert kept.names == []


async def test_a_folder_that_cannot_be_used_is_told_with_what_to_set_and_before_it_costs_anything(
    tmp_path: Path, mode: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    world, kept_folder = film_world(), tmp_path / "file" / "films"
    async with (
        keeping_server(tmp_path, world, save_dir=kept_folder) as kept,
        kept.server.client(mode) as client,
    ):
        priced = await extended(client, dry_run=True)
        data = await extended(client)

        assert f"could not be saved to disk: the folder {kept_folder} cannot be written." in priced["summary"]
        assert "could not be saved to disk when it was tried: The folder" in data["summary"]
        assert "; save_film then saves it." in data["summary"]
        for told in (priced, data):
            assert "RUNWAY_MCP_SAVE_DIR" in told["summary"]
        assert kept.names == []


@pytest.mark.parametrize("there", [True, False])
async def test_a_folder_that_can_be_written_or_made_is_no_word_in_a_dry_run(tmp_path: Path, *, there: bool) -> None:
    folder = tmp_path / "a" / "b"
    if there:
        folder.mkdir(parents=True)
    async with keeping_server(tmp_path, film_world(), save_dir=folder) as kept, kept.server.client("auto") as client:
        priced = await extended(client, dry_run=True)

        assert "disk" not in priced["summary"]
        assert folder.exists() == there


async def test_a_film_that_was_moved_away_is_noticed_and_not_written_again_unasked(tmp_path: Path, mode: str) -> None:
    async with keeping_server(tmp_path, film_world()) as kept, kept.server.client(mode) as client:
        first = await extended(client)
        path = Path(first["saved"]["path"])
        path.rename(tmp_path / "elsewhere.mp4")
        read = await client.data("get_task", taskId=first["taskId"])

        assert "saved" not in read
        assert "moved or deleted" in read["summary"]
        assert kept.names == []


async def test_nothing_is_kept_where_nothing_says_that_it_should_be(tmp_path: Path, mode: str) -> None:
    async with (
        keeping_server(tmp_path, film_world(), save=None) as kept,
        kept.server.client(mode) as client,
    ):
        data = await extended(client)

        assert data["status"] == "SUCCEEDED"
        assert "saved" not in data
        assert "disk" not in data["summary"]
        assert kept.names == []


async def test_a_host_that_takes_protocol_tasks_gets_the_file_with_the_result(tmp_path: Path) -> None:
    world = film_world()
    async with (
        keeping_server(tmp_path, world) as kept,
        kept.server.client("auto", extensions=[TakesTasks()]) as client,
    ):
        data = await extended(client)

        assert Path(data["saved"]["path"]).name in kept.names


async def test_every_film_of_a_task_is_kept_and_told(tmp_path: Path, mode: str) -> None:
    world = film_world()
    world.script_next(outcome="several")
    async with keeping_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        made = await extended(client)
        read = await client.data("get_task", taskId=made["taskId"])

        one, other = world.accepted[-1].artifacts
        assert one.film is not None
        assert other.film is not None
        (name,) = {*kept.names} - {Path(made["saved"]["path"]).name}
        assert Path(made["saved"]["path"]).read_bytes() == world.films.render(one.film)
        assert (kept.folder / name).read_bytes() == world.films.render(other.film)
        for told in (made, read):
            assert f"The task's other films lie in the same folder: {name}." in told["summary"]


async def test_further_films_that_are_not_on_disk_are_counted(tmp_path: Path) -> None:
    world = film_world()
    world.script_next(outcome="several")
    async with keeping_server(tmp_path, world) as kept, kept.server.client("auto") as client:
        made = await extended(client)
        other = next(name for name in kept.names if name != Path(made["saved"]["path"]).name)
        (kept.folder / other).unlink()
        read = await client.data("get_task", taskId=made["taskId"])

        assert read["saved"] == made["saved"]
        assert (
            "1 more of the task's films could not be saved yet; save_film saves each by its assetId." in read["summary"]
        )


async def test_get_task_tells_the_file_of_any_film_that_was_saved_and_an_older_copy_where_the_newest_is_gone(
    tmp_path: Path, mode: str
) -> None:
    world = film_world()
    async with keeping_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        clip = world.asset_id(client.clip)
        unsaved = await client.data("get_task", taskId=clip)
        first, newest = [await client.data("save_film", assetId=clip, name=name) for name in ("one", "two")]
        assert (await client.data("get_task", taskId=clip))["saved"] == newest["saved"]
        Path(newest["saved"]["path"]).unlink()
        read = await client.data("get_task", taskId=clip)

        assert "saved" not in unsaved
        assert "disk" not in unsaved["summary"]
        assert read["saved"] == first["saved"]
        assert kept.names == ["one.mp4"]


async def test_the_films_of_one_burst_are_kept_each_once(tmp_path: Path) -> None:
    world = film_world()
    async with keeping_server(tmp_path, world) as kept, kept.server.client("auto") as client:

        async def one(seed: int) -> None:
            async with kept.server.client("auto") as own:
                await own.extend(client.clip, text_prompt=DUNES, seed=seed)

        async with anyio.create_task_group() as group:
            for seed in range(1, 6):
                group.start_soon(one, seed)
        await until(lambda: len([name for name in kept.names if name.endswith(".mp4")]) == 5)
        await anyio.lowlevel.checkpoint()

        assert len(kept.names) == 5
