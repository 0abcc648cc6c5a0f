"""A clip goes on and becomes one film: what is on disk, what is told, and what the same request gives again."""

from dataclasses import replace
from pathlib import Path
from stat import S_IMODE

import pytest

from runway_mcp.films.continuing.steps import FrameMade, JoinMade, parts_of
from runway_mcp.media.pictures.measures import read_film
from runway_mcp.simulator.builders import add_upload
from runway_mcp.simulator.media.clips import PaintedFilms
from runway_mcp.simulator.media.films import Film
from tests.films.continuing.processes import Process, clip_world, process

pytestmark = pytest.mark.slow


def working_files(server: Process, film_id: str) -> list[str]:
    """What lies in the working folder of a film."""
    return sorted(each.name for each in (server.folder / "data" / "continued" / film_id).iterdir())


async def test_a_clip_becomes_one_longer_film_with_every_frame_of_both_parts(tmp_path: Path) -> None:
    world = clip_world()
    async with process(tmp_path, world) as server:
        continued = await server.submit()
        done = await server.done(continued.intent)

        joined = JoinMade.of(done)
        assert joined is not None
        assert not continued.twin
        assert Path(joined.path).parent == (tmp_path / "films").resolve()
        assert Path(joined.path).name.startswith("the-camera-rises_ext1_")
        assert Path(joined.path).stat().st_size == joined.size_bytes
        assert (joined.frames, joined.joined, len(joined.seams)) == (6, "copied", 1)
        assert (await read_film(Path(joined.path), limiter=server.tools.films.decoding)).frames == 6
        assert working_files(server, done.film_id) == ["frame.png", "lock", "part-1.mp4", "part-2.mp4"]
        assert world.requests["POST /assets"] == 1
        assert world.requests["POST /gen4_5/create"] == 1


async def test_what_is_posted_names_frame_shape_length_seed_and_reference(tmp_path: Path) -> None:
    world = clip_world()
    async with process(tmp_path, world) as server:
        done = await server.done((await server.submit(seconds=8)).intent)
        task = world.tasks[-1]

        assert (task.options["seconds"], task.options["seed"]) == (8, done.seed)
        assert (task.options["width"], task.options["height"]) == (64, 36)
        assert task.parent is not None
        assert task.parent.media_type == "image"
        assert task.reply_ref == done.reply_ref


@pytest.mark.parametrize(("size", "canvas"), [((72, 40), (1280, 720)), ((36, 64), (720, 1280)), ((64, 62), (960, 960))])
async def test_the_frame_is_uploaded_in_the_size_of_the_model_and_its_shape_is_asked_for(
    tmp_path: Path, size: tuple[int, int], canvas: tuple[int, int]
) -> None:
    world = clip_world(films=PaintedFilms())
    clip = world.assets[0]
    assert clip.film is not None
    clip.film = replace(clip.film, seconds=1, width=size[0], height=size[1])
    async with process(tmp_path, world) as server:
        film = await server.submit()

        frame = FrameMade.of(film.intent)
        assert frame is not None
        assert (frame.width, frame.height) == canvas
        picture = next(asset for asset in world.assets if asset.media_type == "image")
        assert (picture.width, picture.height) == canvas
        assert world.tasks[-1].options["width"] * canvas[1] == pytest.approx(
            world.tasks[-1].options["height"] * canvas[0], rel=0.02
        )


async def test_a_film_tells_each_step_and_is_a_success_only_once_it_is_joined(tmp_path: Path) -> None:
    world = clip_world(pace=1.0)
    async with process(tmp_path, world) as server:
        begun = await server.submit(wait=0)
        told = await server.followed(begun.intent)

        assert begun.intent.task_id is None
        steps = list(dict.fromkeys(each.step for each in told))
        assert steps == [step for step in ("frame", "upload", "create", "join", "done") if step in steps]
        assert {"create", "done"} <= set(steps)
        assert [each.status for each in told if each.task_id is None] == ["PENDING"] * sum(
            each.task_id is None for each in told
        )
        assert all(each.status != "SUCCEEDED" for each in told if each.step != "done")
        assert [each.progress for each in told] == sorted(each.progress for each in told)
        assert told[-1].status == "SUCCEEDED"
        assert {each.film_id for each in told} == {begun.intent.film_id}


async def test_the_same_request_is_answered_by_its_film_and_pays_nothing(tmp_path: Path) -> None:
    world = clip_world()
    async with process(tmp_path, world) as server:
        first = await server.submit()
        done = await server.done(first.intent)
        again = await server.submit()
        given_seed_back = await server.submit(seed=done.seed)

        assert (again.intent.id, again.twin) == (done.id, True)
        assert given_seed_back.intent.id == done.id
        assert world.requests["POST /gen4_5/create"] == 1


@pytest.mark.parametrize("other", [{"seed": 7}, {"seconds": 10}, {"model": "gen4-turbo"}, {"text_prompt": "it rains"}])
async def test_another_request_is_another_film_with_the_same_frame(tmp_path: Path, other: dict[str, object]) -> None:
    world = clip_world()
    async with process(tmp_path, world) as server:
        first = await server.done((await server.submit()).intent)
        second = await server.done((await server.submit(**other)).intent)  # pyright: ignore[reportArgumentType]

        assert second.film_id != first.film_id
        assert len(world.tasks) == 3
        assert world.requests["POST /assets"] == 1


async def test_a_film_goes_on_from_all_its_original_parts(tmp_path: Path) -> None:
    world = clip_world()
    async with process(tmp_path, world) as server:
        film = await server.done((await server.submit()).intent)
        for count in (3, 4):
            film = await server.done((await server.submit(film=film, text_prompt=f"step {count}")).intent)
            joined = JoinMade.of(film)

            assert joined is not None
            assert (joined.frames, len(joined.seams)) == (3 * count, count - 1)
            assert [part.file for part in parts_of(film)] == [f"part-{number}.mp4" for number in range(1, count + 1)]
            assert film.extended_count == 0

    first = [part.text_prompt for part in parts_of(film)]
    assert first == ["a beach at dusk", "the camera rises", "step 3", "step 4"]


async def test_a_film_goes_on_though_the_files_of_its_parts_are_gone(tmp_path: Path) -> None:
    world = clip_world()
    async with process(tmp_path, world) as server:
        film = await server.done((await server.submit()).intent)
        for part in (tmp_path / "data" / "continued" / film.film_id).glob("*.mp4"):
            part.unlink()
        longer = await server.done((await server.submit(film=film)).intent)

        joined = JoinMade.of(longer)
        assert joined is not None
        assert joined.frames == 9


async def test_an_upload_can_be_continued(tmp_path: Path) -> None:
    world = clip_world()
    clip = add_upload(world)
    clip.film, clip.width, clip.height = Film(scene=9, seconds=5, width=64, height=36), 64, 36
    async with process(tmp_path, world) as server:
        done = await server.done((await server.submit(source=world.asset_id(clip))).intent)

        assert [part.model for part in parts_of(done)] == [None, "gen4.5"]


async def test_where_nothing_is_saved_the_film_stays_in_its_working_folder(tmp_path: Path) -> None:
    world = clip_world()
    async with process(tmp_path, world, saves=False) as server:
        done = await server.done((await server.submit()).intent)

        joined = JoinMade.of(done)
        assert joined is not None
        assert Path(joined.path) == tmp_path / "data" / "continued" / done.film_id / "film.mp4"
        assert not (tmp_path / "films").exists()


async def test_working_folders_are_for_this_user_alone(tmp_path: Path) -> None:
    world = clip_world()
    async with process(tmp_path, world) as server:
        done = await server.done((await server.submit()).intent)

        folder = tmp_path / "data" / "continued"
        assert [S_IMODE(each.stat().st_mode) for each in (folder, folder / done.film_id)] == [0o700, 0o700]
        assert S_IMODE((tmp_path / "data" / "uploads").stat().st_mode) == 0o700


async def test_a_picture_that_the_model_shows_again_is_seen_once(tmp_path: Path) -> None:
    world = clip_world(films=PaintedFilms())
    clip = world.assets[0]
    async with process(tmp_path, world) as server:
        joined = JoinMade.of(await server.done((await server.submit()).intent))

        assert clip.film is not None
        assert joined is not None
        assert (joined.frames, joined.dropped) == (clip.film.frames + 5 * 24 - 1, (1,))
        assert (await read_film(Path(joined.path), limiter=server.tools.films.decoding)).frames == joined.frames
        assert joined.seams[0].difference < 3
