"""Joined films seen and saved: from their file on disk, with no request; and what is told where there is none."""

from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from runway_mcp.films.continuing.joining.files import bytes_of_film
from runway_mcp.films.continuing.steps import FilmPart, JoinMade
from runway_mcp.films.viewing import LARGEST_FILM
from runway_mcp.media.errors import TooLarge
from runway_mcp.server.contract.results.tool_results import LONGEST_RESULT
from runway_mcp.simulator.links.faults import LinkFault
from tests.agents.reading import next_call, size
from tests.films.joined import RISES, clip_world, continued, films_server, joined
from tests.kit.client import ToolClient, structured, text
from tests.kit.samples import intent
from tests.server.pictures import brightness, seen

pytestmark = pytest.mark.slow


def decoded(path: str) -> list[Image.Image]:
    """All frames of a film."""
    container: Any = av.open(path)
    with container:
        return [frame.to_image() for frame in container.decode(video=0)]


async def test_the_last_the_first_and_any_other_frame_of_a_joined_film_are_those_of_its_file(
    tmp_path: Path, mode: str
) -> None:
    async with films_server(tmp_path) as kept, kept.server.client(mode) as client:
        told = await joined(client)
        film, frames = told["film"], decoded(told["saved"]["path"])
        asked = client.world.requests.copy()
        client.world.link_faults.append(LinkFault("status", times=None))

        last, words = seen(await client.call("view_film", assetId=film["uri"]))
        first, _ = seen(await client.call("view_film", assetId=film["id"], show="first_frame"))
        other, at = seen(await client.call("view_film", assetId=film["id"], at_seconds=film["seams"][0]["at_seconds"]))

        assert brightness(last) == pytest.approx(brightness(frames[-1]), abs=1)
        assert brightness(first) == pytest.approx(brightness(frames[0]), abs=1)
        assert brightness(other) == pytest.approx(brightness(frames[3]), abs=1)
        assert abs(brightness(last) - brightness(first)) > 5
        assert f'"{Path(told["saved"]["path"]).name}" ({film["seconds"]:.1f} s, 2 parts): its last frame' in words
        assert f'its last part: "{RISES}"' in words
        assert "A continuation goes on from this frame" in words
        assert "its frame at" in at
        assert next_call(words) == (
            "extend_video",
            {"assetId": film["id"], "model": "gen4.5", "dry_run": True},
        )
        assert client.world.requests == asked


async def test_a_strip_of_a_joined_film_marks_its_seams_and_tells_how_they_look(tmp_path: Path) -> None:
    async with films_server(tmp_path) as kept, kept.server.client("auto") as client:
        told = await joined(client)
        strip, words = seen(await client.call("view_film", assetId=told["film"]["id"], show="strip"))

        (seam,) = told["film"]["seams"]
        assert strip.width > strip.height
        assert f"Seams, where an extension begins: at {seam['at_seconds']:.1f} s." in words
        look = f"The seam at {seam['at_seconds']:.1f} s can be seen: the picture jumps"
        assert seam["difference"] > 1.5 * seam["motion"]
        assert look in words
        assert look in told["summary"]


CALLS = ["the same call", "get_task", "view_film", "save_film", "its resource"]
"""What is asked about a film whose file is gone."""


async def ask(client: ToolClient, call: str, told: dict[str, Any]) -> Any:
    """What a call about a film tells."""
    film_id = told["film"]["id"]
    match call:
        case "the same call":
            return await continued(client, wait_seconds=20)
        case "get_task":
            return await client.data("get_task", taskId=film_id)
        case "view_film":
            return await client.call("view_film", assetId=film_id, show="strip")
        case "save_film":
            return await client.data("save_film", assetId=film_id)
        case _:
            return await client.mcp.read_resource(f"{told['film']['uri']}/video")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("without_parts", [False, True])
async def test_a_film_whose_file_was_deleted_is_joined_again_from_its_parts(
    tmp_path: Path, call: str, without_parts: bool
) -> None:
    async with films_server(tmp_path) as kept, kept.server.client("auto") as client:
        told = await joined(client)
        path = Path(told["saved"]["path"])
        frames = [brightness(frame) for frame in decoded(str(path))]
        paid = len(client.world.accepted)
        path.unlink()
        if without_parts:
            for part in tmp_path.glob("**/continued/*/part-*.mp4"):
                part.unlink()
        else:
            client.world.link_faults.append(LinkFault("status", times=None))

        await ask(client, call, told)
        again = await client.data("get_task", taskId=told["film"]["id"])

        assert again["status"] == "SUCCEEDED"
        assert again["saved"] == told["saved"]
        assert [brightness(frame) for frame in decoded(str(path))] == frames
        assert len(client.world.accepted) == paid


async def test_what_was_seen_of_a_film_is_shown_though_its_file_is_gone(tmp_path: Path) -> None:
    async with films_server(tmp_path) as kept, kept.server.client("auto") as client:
        told = await joined(client)
        seen(await client.call("view_film", assetId=told["film"]["id"]))
        Path(told["saved"]["path"]).unlink()

        seen(await client.call("view_film", assetId=told["film"]["id"]))
        assert not Path(told["saved"]["path"]).exists()


@pytest.mark.parametrize("call", ["the same call", "get_task", "view_film", "save_film"])
async def test_a_film_of_which_a_part_is_gone_for_good_is_told_as_paid_with_what_is_lost(
    tmp_path: Path, call: str
) -> None:
    async with films_server(tmp_path) as kept, kept.server.client("auto") as client:
        told = await joined(client)
        Path(told["saved"]["path"]).unlink()
        next(tmp_path.glob("**/continued/*/part-1.mp4")).unlink()
        client.clip.deleted = True

        answer = await ask(client, call, told)
        words = text(answer) if call == "view_film" else f"{answer['summary']} {answer['error']['message']}"

        assert "part-1.mp4" in words
        assert "another `seed`" in words
        if call == "view_film":
            assert "Error: not_found. Charged: yes." in words
        else:
            assert (answer["error"]["kind"], answer["error"]["charged"]) == ("not_found", "yes")


@pytest.mark.parametrize("call", ["the same call", "get_task", "view_film", "save_film"])
async def test_a_film_that_was_uploaded_is_had_from_there_though_file_and_parts_are_gone(
    tmp_path: Path, call: str
) -> None:
    async with films_server(tmp_path, upload_films=True) as kept, kept.server.client("auto") as client:
        told = await joined(client)
        Path(told["saved"]["path"]).unlink()
        for part in tmp_path.glob("**/continued/*/part-*.mp4"):
            part.unlink()
        client.clip.deleted = True

        answer = await ask(client, call, told)
        again = await client.data("get_task", taskId=told["film"]["id"], wait_seconds=5)

        if call == "view_film":
            seen(answer)
        elif call == "save_film":
            assert Path(answer["saved"]["path"]).stat().st_size == told["saved"]["size_bytes"]
        else:
            assert "error" not in answer
        assert again["status"] == "SUCCEEDED"
        assert again["video"]["url"]


async def test_a_folder_that_takes_no_copy_of_a_film_is_told_as_that(tmp_path: Path) -> None:
    async with films_server(tmp_path) as kept, kept.server.client("auto") as client:
        told = await joined(client)
        kept.folder.rename(kept.folder.with_name("moved"))
        kept.folder.write_text("no folder")

        failed = await client.data("save_film", assetId=told["film"]["id"], name="copy")

        assert "another server" not in failed["error"]["message"]
        assert "is not on this machine" not in failed["error"]["message"]


async def test_another_file_in_place_of_a_film_is_left_alone(tmp_path: Path) -> None:
    async with films_server(tmp_path) as kept, kept.server.client("auto") as client:
        told = await joined(client)
        path = Path(told["saved"]["path"])
        path.write_bytes(b"cut by hand")

        again = await client.data("get_task", taskId=told["film"]["id"])

        assert path.read_bytes() == b"cut by hand"
        assert Path(again["saved"]["path"]).name == f"{path.stem}-2.mp4"


async def test_a_film_that_is_not_joined_is_refused_with_the_call_that_waits_for_it(tmp_path: Path, mode: str) -> None:
    async with films_server(tmp_path, clip_world(pace=100)) as kept, kept.server.client(mode) as client:
        film_id = (await continued(client))["film"]["id"]
        for tool in ("view_film", "save_film"):
            result = await client.call(tool, assetId=film_id)

            assert f"The film {film_id} is not joined yet: it stands in the step " in text(result)
            assert "Error: invalid_request. Charged: no." in text(result)
            name, arguments = next_call(text(result))
            assert (name, arguments["taskId"]) == ("get_task", film_id)
            assert arguments["wait_seconds"] > 0


async def test_saving_a_film_tells_its_file_and_another_name_adds_a_copy_once(tmp_path: Path, mode: str) -> None:
    async with films_server(tmp_path) as kept, kept.server.client(mode) as client:
        told = await joined(client)
        film_id, path = told["film"]["id"], told["saved"]["path"]
        content = Path(path).read_bytes()

        as_it_is = await client.data("save_film", assetId=film_id)
        copy = await client.data("save_film", assetId=film_id, name="My dunes")
        again = await client.data("save_film", assetId=told["film"]["uri"], name="My dunes.mp4")
        (kept.folder / "taken.mp4").write_bytes(b"another film")
        numbered = await client.data("save_film", assetId=film_id, name="taken")

        assert size(as_it_is) < LONGEST_RESULT
        assert as_it_is["saved"] == told["saved"]
        assert as_it_is["film"]["id"] == film_id
        assert "was saved before" in as_it_is["summary"]
        assert Path(copy["saved"]["path"]).name == "My-dunes.mp4"
        assert Path(copy["saved"]["path"]).read_bytes() == content
        assert copy["summary"].startswith("The film is saved: My-dunes.mp4")
        assert "unsafe in file names" in copy["summary"]
        assert again["saved"] == copy["saved"]
        assert again["summary"].startswith("The film was saved before")
        assert Path(numbered["saved"]["path"]).name == "taken-2.mp4"
        assert "another file has that name" in numbered["summary"]
        assert (kept.folder / "taken.mp4").read_bytes() == b"another film"
        assert kept.names == sorted([Path(path).name, "My-dunes.mp4", "taken.mp4", "taken-2.mp4"])


async def test_a_film_that_was_joined_while_none_were_saved_comes_to_the_folder_under_its_own_name(
    tmp_path: Path,
) -> None:
    world = clip_world()
    async with films_server(tmp_path, world, save="never") as kept, kept.server.client("auto") as client:
        told = await joined(client)
        assert "continued" in told["saved"]["path"]
    async with films_server(tmp_path, world) as kept, kept.server.client("auto") as client:
        result = await client.call("save_film", assetId=told["film"]["id"])

        saved = Path(structured(result)["saved"]["path"])
        assert (saved.parent, saved.name[:20]) == (kept.folder.resolve(), "the-camera-rises_ext")
        assert saved.read_bytes() == Path(told["saved"]["path"]).read_bytes()


async def test_a_film_above_twenty_megabytes_is_not_given_as_bytes_and_not_read(tmp_path: Path) -> None:
    part = FilmPart("part-1.mp4", 1.0)
    made = JoinMade(str(tmp_path / "gone.mp4"), LARGEST_FILM + 1, 1.0, 24, "copied", (), (), part)

    with pytest.raises(TooLarge, match=r"20\.0 MB"):
        await bytes_of_film(intent(), made)
