"""More films than a page holds: each is listed once, and upstream is asked for no page that it has not."""

from dataclasses import replace
from pathlib import Path

import pytest

from runway_mcp.films.continuing.steps import FilmPart, JoinMade
from runway_mcp.runway.models import Extension
from runway_mcp.server.context import ServerContext
from runway_mcp.tasks.intents import Film
from tests.kit.client import ToolClient
from tests.kit.samples import extension, intent, long_id, plan
from tests.kit.server import open_server
from tests.kit.upstream import virtual_world

pytestmark = pytest.mark.virtual_time

MANY = 120


async def with_films(context: ServerContext, count: int) -> list[str]:
    """Writes so many joined films to the ledger; returns their ids, the newest first."""
    store, made = context.service.ledger.store, list[str]()
    for number in range(count):
        wish: Extension = extension(seed=number + 1)
        drafted = replace(intent(wish, now=store.now()), task_type="gen4.5")
        film, _ = await store.claim(drafted, plan(wish).key(""))
        await store.begin_post(film.id, film.claim, upstream=None)
        task_id = long_id("task", 1000 + number)
        await store.accept(film.id, task_id, "RUNNING")
        asset = Film(long_id("asset", 1000 + number))
        await store.observe(task_id, "SUCCEEDED", ended=True, film=asset, failure=None)
        part = FilmPart("part-2.mp4", 5.0, asset.asset_id, "gen4.5")
        join = JoinMade(f"/films/{number}.mp4", 10, 10.0, 240, "copied", (), (), part)
        assert await store.end_step(film.id, film.claim, "join", join.made()) is not None
        made.insert(0, f"runway://films/{film.film_id}")
    return made


async def pages(client: ToolClient) -> list[list[str]]:
    """The URIs of films on each page of the list."""
    cursor, told = None, list[list[str]]()
    while cursor is not None or not told:
        page = await client.mcp.list_resources(cursor=cursor)
        told.append([each.uri for each in page.resources if each.uri.startswith("runway://films/")])
        cursor = page.next_cursor
    return told


async def test_more_films_than_tasks_are_listed_page_by_page(tmp_path: Path, mode: str) -> None:
    async with open_server(virtual_world(), tmp_path) as server, server.client(mode) as client:
        uris = await with_films(server.context, MANY)
        told = await pages(client)

        assert [len(page) for page in told] == [50, 50, 20]
        assert sorted(uri for page in told for uri in page) == sorted(uris)
        assert server.world.requests["GET /tasks"] == 1


async def test_a_listing_of_assets_goes_on_as_long_as_there_are_films(tmp_path: Path, mode: str) -> None:
    async with open_server(virtual_world(), tmp_path) as server, server.client(mode) as client:
        uris = await with_films(server.context, 45)
        data = await client.data("list_assets", limit=20)
        found = [each["id"] for each in data["films"]]
        while "next_offset" in data:
            data = await client.data(data["next_step"]["tool"], **data["next_step"]["arguments"])
            found += [each["id"] for each in data["films"]]

        assert sorted(f"runway://films/{each}" for each in found) == sorted(uris)
        assert data["assets"] == []
