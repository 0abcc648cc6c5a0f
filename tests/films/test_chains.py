"""Where the extensions of a film begin, as its chain of tasks tells."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from runway_mcp.films.chains import Clip, Seams, seams_of
from runway_mcp.runway.client import RunwayClient
from runway_mcp.simulator.builders import add_upload, add_video
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.world import TOKEN, World
from tests.kit.samples import clip, task
from tests.kit.upstream import URL, Upstream, extended_clips, fault, virtual_world

pytestmark = pytest.mark.virtual_time


@asynccontextmanager
async def client_of(world: World) -> AsyncGenerator[RunwayClient]:
    async with RunwayClient(url=URL, token=TOKEN, transport=Upstream(world)) as client:
        yield client


async def seams_in(world: World, film: Asset) -> tuple[Seams, int]:
    """The seams of a film of the world, and how many tasks were read for them."""
    async with client_of(world) as client:
        maker = await client.task(world.task_id(film.task)) if film.task else None
        named = Clip(await client.asset(world.asset_id(film)), maker)
        before = world.requests["GET /tasks/{id}"]
        seams = await seams_of(client, named, patience=0.0)
        return seams, world.requests["GET /tasks/{id}"] - before


@pytest.mark.parametrize(
    ("model", "step", "extended", "seconds"),
    [
        ("gen3a", 10, 0, ()),
        ("gen3a", 10, 1, (10,)),
        ("gen3a", 5, 3, (10, 15, 20)),
        ("gen3a", 10, 3, (10, 20, 30)),
        ("gen3a_turbo", 8, 2, (10, 18)),
    ],
)
async def test_each_film_that_was_extended_ends_where_a_seam_is(
    model: str, step: int, extended: int, seconds: tuple[float, ...]
) -> None:
    world = virtual_world(clips=0)
    film = add_video(world, model=model, added=step, extended=extended)

    seams, reads = await seams_in(world, film)

    assert seams == Seams(seconds)
    assert reads == extended <= 3


async def test_seams_are_at_real_lengths_not_at_the_seconds_that_were_asked_for() -> None:
    world = virtual_world(clips=0)
    films = extended_clips(world, "a", "b", "c")
    for film, length in zip(films, (10.54, 21.08, 31.62), strict=True):
        film.duration = length

    seams, _ = await seams_in(world, films[-1])

    assert seams == Seams((10.54, 21.08))


async def test_where_the_film_before_cannot_be_read_its_length_follows_from_the_seconds_added() -> None:
    world = virtual_world(clips=0)
    films = extended_clips(world, "a", "b", "c")
    assert films[0].task
    assert films[1].task
    fault(world, path_prefix=f"/tasks/{world.task_id(films[0].task)}", status=404, times=None, body={"error": "gone"})

    assert (await seams_in(world, films[2]))[0] == Seams((10, 20))
    assert (await seams_in(world, films[1]))[0] == Seams((10,))

    world.faults.clear()
    fault(world, path_prefix=f"/tasks/{world.task_id(films[1].task)}", status=404, times=None, body={"error": "gone"})

    assert (await seams_in(world, films[2]))[0] == Seams((20,), whole=False)


async def test_without_any_length_the_seams_are_unknown() -> None:
    world = virtual_world()
    fault(world, status=404, times=None, body={"error": "gone"})
    async with client_of(world) as client:
        maker = task(2, options={"extended_from_task_id": task(1).task_id, "extended_count": 2, "seconds": 10})

        assert await seams_of(client, Clip(clip(metadata=None), maker), patience=0.0) == Seams((), whole=False)
        assert await seams_of(client, Clip(clip(), maker), patience=0.0) == Seams((), whole=False)


async def test_a_length_that_the_asset_lacks_is_told_by_its_task() -> None:
    artifact = {"assetId": clip().asset_id, "metadata": {"duration": 15.0}}

    assert Clip(clip(metadata=None), task(artifacts=[artifact])).length == 15
    assert Clip(clip(), task(artifacts=[artifact])).length == 10
    assert Clip(clip(metadata=None), None).length is None


async def test_an_upload_and_an_extension_that_is_a_film_of_its_own_have_no_seams() -> None:
    world = virtual_world(clips=0)
    upload = add_upload(world)
    film = extended_clips(world, "a", "b")[-1]
    film.duration = 10

    assert await seams_in(world, upload) == (Seams(), 0)
    assert (await seams_in(world, film))[0] == Seams()


async def test_of_a_clip_whose_maker_could_not_be_read_no_seam_is_known() -> None:
    world = virtual_world(clips=0)
    film = extended_clips(world, "a", "b")[-1]
    async with client_of(world) as client:
        unread = Clip(await client.asset(world.asset_id(film)), None)

        assert await seams_of(client, unread, patience=0.0) == Seams(whole=False)
