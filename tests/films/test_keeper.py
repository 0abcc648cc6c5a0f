"""The keeper by itself: two at once and each once, what is remembered of failures, and who waits for whom."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from runway_mcp.films.keeper import AT_ONCE, MOST_WAITING, FilmGone, Keeper, Keeping, SavedFilm
from runway_mcp.films.naming import Wanted
from runway_mcp.films.records import begun_records
from runway_mcp.media.errors import KeepingError, NoFilm
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.simulator.media.films import Film
from runway_mcp.simulator.world import World
from tests.films.servers import DATA, LIMIT, Kept, film_world, keeping_server, until


async def quiet(_: Keeping) -> None:
    """Nobody is told."""


async def ended(keeping: Keeping) -> SavedFilm | Exception | None:
    """How a keeping ended."""
    await keeping.wait(deadline=anyio.current_time() + LIMIT, tell=quiet)
    return keeping.outcome


@asynccontextmanager
async def opened(folder: Path, world: World) -> AsyncGenerator[tuple[Kept, Keeper]]:
    """A keeping server, and its keeper."""
    for number, asset in enumerate(world.assets):
        asset.film = Film(scene=number)
    async with keeping_server(folder, world) as kept:
        assert kept.server.context.keeper is not None
        yield kept, kept.server.context.keeper


def wanted(world: World, number: int = 0, *, name: str | None = None, caller: str = "") -> Wanted:
    """A clip of the world, without a link."""
    return Wanted(world.asset_id(world.assets[number]), caller, name or f"film-{number}.mp4")


def parts(kept: Kept) -> list[str]:
    return [name for name in kept.names if name.endswith(".part")]


async def test_no_more_than_two_films_are_fetched_at_once(tmp_path: Path) -> None:
    world = film_world(clips=6)
    world.link_faults.append(LinkFault("stall", times=None, after_bytes=100))
    async with opened(tmp_path, world) as (kept, keeper):
        for number in range(6):
            await keeper.begin(wanted(world, number))
        await until(lambda: len(parts(kept)) == AT_ONCE)
        await until(lambda: world.requests["GET /assets/{id}"] >= AT_ONCE)

        assert len(parts(kept)) == AT_ONCE
        assert world.requests["GET /assets/{id}"] == AT_ONCE


async def test_a_film_that_is_wished_for_by_many_is_fetched_once(tmp_path: Path) -> None:
    world = film_world()
    async with opened(tmp_path, world) as (kept, keeper):
        keepings = [await keeper.begin(wanted(world)) for _ in range(20)]
        outcomes = [await ended(each) for each in keepings]

        assert len(set(map(id, keepings))) == 1
        assert all(isinstance(each, SavedFilm) for each in outcomes)
        assert kept.names == ["film-0.mp4"]
        assert world.requests["GET /assets/{id}"] == 1


async def test_two_names_of_one_film_wait_for_each_other(tmp_path: Path) -> None:
    world = film_world()
    async with opened(tmp_path, world) as (kept, keeper):
        keepings = [await keeper.begin(wanted(world, name=name)) for name in ("one.mp4", "two.mp4")]
        outcomes = [await ended(each) for each in keepings]

        assert all(isinstance(each, SavedFilm) for each in outcomes)
        assert kept.names == ["one.mp4", "two.mp4"]


async def test_a_failure_is_remembered_until_the_film_is_wished_for_again(tmp_path: Path) -> None:
    world = film_world()
    world.link_faults.append(LinkFault("wrong_type"))
    async with opened(tmp_path, world) as (kept, keeper):
        first = await keeper.begin(wanted(world))
        assert isinstance(await ended(first), NoFilm)
        assert await keeper.begin(wanted(world), again=False) is first
        assert await keeper.place(first.wanted.asset_id, "") == "refused"

        again = await keeper.begin(wanted(world))
        assert isinstance(await ended(again), SavedFilm)
        assert kept.names == ["film-0.mp4"]


async def test_a_film_that_is_gone_at_runway_is_told_so(tmp_path: Path) -> None:
    world = film_world()
    async with opened(tmp_path, world) as (kept, keeper):
        film = wanted(world)
        world.assets[0].deleted = True

        assert isinstance(await ended(await keeper.begin(film)), FilmGone)
        assert kept.names == []


async def test_too_many_films_are_written_down_for_the_next_start_and_told(tmp_path: Path) -> None:
    world = film_world()
    world.link_faults.append(LinkFault("stall", times=None, after_bytes=100))
    async with opened(tmp_path, world) as (_, keeper):
        for number in range(MOST_WAITING):
            await keeper.begin(wanted(world, name=f"copy-{number}.mp4"))
        beyond = await keeper.begin(wanted(world, name="beyond.mp4"))

        assert isinstance(beyond.outcome, KeepingError)
        assert "when the server starts again" in str(beyond.outcome)
    assert len(begun_records(tmp_path / DATA)) == MOST_WAITING + 1


@pytest.mark.parametrize("caller", ["ana", ""])
async def test_what_a_caller_wished_for_is_known_to_that_caller_alone(tmp_path: Path, caller: str) -> None:
    world = film_world()
    async with opened(tmp_path, world) as (_, keeper):
        saved = await ended(await keeper.begin(wanted(world, caller=caller)))

        assert isinstance(saved, SavedFilm)
        assert await keeper.place(saved.asset_id, caller) == saved
        assert await keeper.place(saved.asset_id, "bob") is None


async def test_the_uuid_of_a_film_names_it_as_well_as_its_id(tmp_path: Path) -> None:
    world = film_world()
    async with opened(tmp_path, world) as (_, keeper):
        saved = await ended(await keeper.begin(wanted(world)))

        assert await keeper.place(world.assets[0].uuid.upper(), "") == saved
