"""Films of several parts by their ids, URIs and names: which tools take them, and what is told of one that is none."""

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.films.joined import clip_world, films_server, joined
from tests.kit.client import text

pytestmark = pytest.mark.slow

NIGHT = "night falls"
NAMED_BY = (("view_film", "assetId"), ("get_task", "taskId"), ("save_film", "assetId"), ("extend_video", "assetId"))


async def test_an_id_that_is_nearly_that_of_a_film_names_the_film(tmp_path: Path, mode: str) -> None:
    async with films_server(tmp_path) as kept, kept.server.client(mode) as client:
        told = await joined(client)
        film_id = told["film"]["id"]
        typo = film_id[:-1] + ("0" if film_id[-1] != "0" else "1")
        for tool, argument in NAMED_BY:
            result = await client.call(tool, **{argument: typo}, **({"dry_run": True} if "extend" in tool else {}))

            assert result.is_error
            assert film_id in text(result).partition("The nearest are")[2]
            assert text(result).partition("The nearest are")[2].count(";") == 2


async def test_every_tool_takes_a_film_by_its_id_and_by_its_uri(tmp_path: Path, mode: str) -> None:
    async with films_server(tmp_path) as kept, kept.server.client(mode) as client:
        film = (await joined(client))["film"]
        for named in (film["id"], film["uri"], f" {film['id'].upper()} ", quote(film["uri"], safe="")):
            assert (await client.data("get_task", taskId=named))["film"]["id"] == film["id"]
            assert not (await client.call("view_film", assetId=named)).is_error
            assert (await client.data("save_film", assetId=named))["film"]["id"] == film["id"]
            priced = await client.data("extend_video", assetId=named, text_prompt=NIGHT, dry_run=True)
            assert priced["status"] == "DRY_RUN"


async def test_every_tool_that_spends_nothing_takes_a_film_by_the_name_that_is_listed(
    tmp_path: Path, mode: str
) -> None:
    async with films_server(tmp_path) as kept, kept.server.client(mode) as client:
        told = await joined(client)
        film_id, posts = told["film"]["id"], client.posts
        (name,) = [each["name"] for each in (await client.data("list_assets"))["films"]]

        assert (await client.data("get_task", taskId=name))["film"]["id"] == film_id
        assert not (await client.call("view_film", assetId=name)).is_error
        assert (await client.data("save_film", assetId=name))["film"]["id"] == film_id
        for given in ({}, {"model": "gen4-turbo"}, {"dry_run": True}):
            refused = await client.data("extend_video", assetId=name, text_prompt=NIGHT, **given)
            assert refused["error"]["kind"] == "not_found"
            assert film_id in refused["error"]["message"].partition("The nearest are")[2].partition(";")[0]
        assert client.posts == posts


async def test_a_name_that_a_film_and_a_clip_have_is_refused_with_both_ids_where_nothing_is_spent(
    tmp_path: Path,
) -> None:
    async with films_server(tmp_path) as kept, kept.server.client("auto") as client:
        told = await joined(client)
        client.clip.name = Path(told["saved"]["path"]).name
        posts = client.posts
        for tool, argument in NAMED_BY[:-1]:
            result = await client.call(tool, **{argument: client.clip.name})

            assert result.is_error
            assert told["film"]["id"] in text(result)
            assert client.world.asset_id(client.clip) in text(result)
        priced = await client.data("extend_video", assetId=client.clip.name, model="gen4.5", dry_run=True)
        assert priced["next_step"]["arguments"]["assetId"] == client.world.asset_id(client.clip)
        assert client.posts == posts


async def test_a_name_that_is_nearly_that_of_a_film_names_the_film_first(tmp_path: Path) -> None:
    async with films_server(tmp_path) as kept, kept.server.client("auto") as client:
        told = await joined(client)
        nearly = Path(told["saved"]["path"]).stem
        for tool, argument in NAMED_BY:
            result = await client.call(tool, **{argument: nearly})

            assert result.is_error
            assert told["film"]["id"] in text(result).partition("The nearest are")[2].partition(";")[0]


async def test_the_name_of_another_callers_film_is_unknown(tmp_path: Path) -> None:
    async with films_server(tmp_path) as kept, kept.server.client("auto", caller="maker") as client:
        told = await joined(client)
        async with kept.server.client("auto", caller="stranger") as stranger:
            for tool, argument in NAMED_BY:
                result = await stranger.call(tool, **{argument: Path(told["saved"]["path"]).name})

                assert result.is_error
                assert told["film"]["id"] not in text(result)


async def test_a_film_id_that_somebody_gave_an_asset_as_its_name_is_a_name(tmp_path: Path) -> None:
    world = clip_world()
    world.assets[0].name = "film_beach"
    async with films_server(tmp_path, world) as kept, kept.server.client("auto") as client:
        assert not (await client.call("view_film", assetId="film_beach")).is_error
