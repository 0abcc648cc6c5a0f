"""Which clip a look at a film shows, by whatever it is named, and what a second look costs."""

from pathlib import Path
from urllib.parse import quote

import pytest

from runway_mcp.films.chains import Seams
from runway_mcp.films.viewing import View
from runway_mcp.server.viewing import clip_named, picture_for, seams_for
from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from runway_mcp.tasks.failures import Failure
from tests.films.servers import until
from tests.kit.server import open_server
from tests.kit.upstream import extended_clips, virtual_world
from tests.server.pictures import brightness, chain_world, clip_of, films_client, give, grey_world, seen

NEXT = "Next: extend_video {"


def nothing_serves(world: World) -> None:
    """From now on neither the API nor any link answers."""
    world.faults.append(Fault(times=None, status=503))
    world.link_faults.append(LinkFault("status", times=None, status=503))


async def test_a_second_look_costs_no_request_at_all(tmp_path: Path, mode: str) -> None:
    world = chain_world(tmp_path)
    async with films_client(world, tmp_path, mode) as client:
        clip = world.asset_id(world.assets[-1])
        shows = ("last_frame", "first_frame", "strip")
        first = [seen(await client.call("view_film", assetId=clip, show=show)) for show in shows]
        asked = world.requests.copy()
        nothing_serves(world)
        second = [seen(await client.call("view_film", assetId=clip, show=show)) for show in shows]

        assert [told for _, told in first] == [told for _, told in second]
        assert [picture.tobytes() for picture, _ in first] == [picture.tobytes() for picture, _ in second]
        assert world.requests == asked


async def test_a_restart_keeps_the_pictures(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        seen(await client.call("view_film", assetId=clip_of(world)))
    world.link_faults.append(LinkFault("status", times=None, status=503))
    async with films_client(world, tmp_path, "auto") as client:
        picture, _ = seen(await client.call("view_film", assetId=clip_of(world)))

        assert brightness(picture) > 245


async def test_a_link_that_has_died_is_replaced_by_a_fresh_one(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        world.link_faults.append(LinkFault("dead"))
        picture, _ = seen(await client.call("view_film", assetId=clip_of(world)))

        assert brightness(picture) > 245
        assert world.requests["GET /assets/{id}"] == 2


def names_of(world: World) -> dict[str, str]:
    """Everything that names the first clip of a world."""
    clip, asset_id = world.assets[0], clip_of(world)
    assert clip.task is not None
    return {
        "assetId": asset_id,
        "taskId": world.task_id(clip.task),
        "uuid": clip.uuid,
        "URI": f"runway://assets/{asset_id}",
        "encoded URI of a picture": f"runway://assets/{quote(asset_id, safe='')}/frames/last",
        "URI of its task": f"runway://tasks/{world.task_id(clip.task)}",
        "link": f"{world.origin}/files/{clip.uuid}.mp4?_jwt=dead",
        "name": clip.name,
    }


@pytest.mark.parametrize("kind", names_of(small_world()))
async def test_whatever_names_a_clip_shows_it(tmp_path: Path, kind: str) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        _, told = seen(await client.call("view_film", assetId=names_of(world)[kind]))

        assert f'{NEXT}"assetId": "{clip_of(world)}"' in told


async def test_a_film_whose_asset_is_gone_is_seen_by_its_task(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    (clip,) = world.assets
    async with films_client(world, tmp_path, "auto") as client:
        world.faults.append(Fault("GET", "/assets/", times=None, status=404, body={"error": "gone"}))
        world.link_faults.append(LinkFault("dead"))
        assert clip.task
        picture, _ = seen(await client.call("view_film", assetId=world.task_id(clip.task)))

        assert brightness(picture) > 245


async def test_a_look_that_took_too_long_goes_on_for_the_next_one(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with running(world) as url, open_server(world, tmp_path / "data", url=url) as server:
        clip = await clip_named(server.context, clip_of(world))
        world.link_faults.append(LinkFault("slow", after_bytes=200, seconds=0.5))
        with pytest.raises(Failure, match="in time"):
            await picture_for(server.context, clip, View(), seconds=2)
        await until(lambda: not world.link_faults)
        world.link_faults.append(LinkFault("status", times=None))

        assert (await picture_for(server.context, clip, View(), seconds=30)).width == 64


async def test_a_clip_whose_maker_cannot_be_read_is_shown_and_read_again_at_the_next_look(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        rule = Fault("GET", "/tasks/", times=None, status=503)
        world.faults.append(rule)
        _, unsure = seen(await client.call("view_film", assetId=clip_of(world)))
        world.faults.clear()
        _, sure = seen(await client.call("view_film", assetId=clip_of(world)))

        assert "Next:" not in unsure
        assert "cannot be extended" not in unsure
        assert NEXT in sure


@pytest.mark.virtual_time
async def test_a_chain_that_does_not_answer_leaves_the_seams_unknown(tmp_path: Path) -> None:
    world = virtual_world(clips=0)
    (_, film) = extended_clips(world, "a", "b")
    async with open_server(world, tmp_path) as server:
        clip = await clip_named(server.context, world.asset_id(film))
        world.faults.append(Fault("GET", "/tasks", times=None, kind="delay", seconds=1000))

        assert await seams_for(server.context, clip) == Seams(whole=False)
        world.faults.clear()
        assert await seams_for(server.context, clip) == Seams((10.0,))


async def test_of_another_callers_clip_is_told_what_can_be_done_with_it_and_not_its_words(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    world.pace = 0.2
    async with running(world) as url, open_server(world, tmp_path / "data", url=url) as server:
        async with server.client("auto", caller="ana") as ana:
            film = (await ana.extend(ana.clip, text_prompt="the tide comes in"))["video"]["assetId"]
            for asset in world.assets:
                give(asset, tmp_path, 20, 20, rate=1)
            _, told_to_ana = seen(await ana.call("view_film", assetId=film))
        async with server.client("auto", caller="bob") as bob:
            _, told_to_bob = seen(await bob.call("view_film", assetId=film))

        assert "the tide comes in" in told_to_ana
        about = "text_prompt of this clip"
        assert [line for line in told_to_bob.splitlines()[1:] if about not in line] == [
            line for line in told_to_ana.splitlines()[1:] if about not in line
        ]
        assert "No text_prompt of this clip is known" in told_to_bob
        assert f'{NEXT}"assetId": "{film}"' in told_to_bob
