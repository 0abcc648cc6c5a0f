"""The keeper by itself: two at once and each once, what is remembered of failures, and who waits for whom."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from runway_mcp.films.checking import check_ends
from runway_mcp.films.keeper import AT_ONCE, Keeper
from runway_mcp.films.keeping import FilmGone, Keeping
from runway_mcp.films.naming import Wanted
from runway_mcp.films.places import SavedFilm
from runway_mcp.films.records import FOLDER, Record, Records, begun_records
from runway_mcp.media.errors import DeadLink, KeepingError, NoFilm
from runway_mcp.media.files.keeping import Check
from runway_mcp.simulator.faults import Fault
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


PLACES = 5
OWN_DATA = "data-of-its-own"


@asynccontextmanager
async def small_keeper(
    kept: Kept, check: Check = check_ends, *, tried_again: Sequence[float] = ()
) -> AsyncGenerator[Keeper]:
    """A keeper with few places in a keeping server's film folder, with records of its own.

    In the server's records both would race: what was begun is also taken up by the server's keeper as it starts.
    """
    context = kept.server.context
    async with anyio.create_task_group() as group:
        yield Keeper(
            group,
            client=context.service.client,
            links=context.films.links,
            folder=kept.folder,
            data_dir=kept.folder.parent / OWN_DATA,
            check=check,
            most_waiting=PLACES,
            tried_again=tried_again,
        )
        group.cancel_scope.cancel()


async def test_more_films_than_have_a_place_wait_as_records_and_are_kept_when_there_is_one(tmp_path: Path) -> None:
    world, gate = film_world(), anyio.Event()
    world.faults.append(Fault(method="GET", path_prefix="/assets/", times=None, kind="delay", hold=gate.wait))
    async with opened(tmp_path, world) as (kept, _), small_keeper(kept) as keeper:
        for number in range(PLACES):
            await keeper.begin(wanted(world, name=f"copy-{number}.mp4"))
        beyond = await keeper.begin(wanted(world, name="beyond.mp4"))
        for number in range(3):
            await keeper.begin(wanted(world, name=f"unheld-{number}.mp4"))

        assert (beyond.outcome, beyond.waiting) == (None, True)
        assert await keeper.begin(wanted(world, name="beyond.mp4"), again=False) is beyond
        assert await keeper.place(beyond.wanted.asset_id, "", name="beyond.mp4") == "begun"
        assert len(begun_records(tmp_path / OWN_DATA)) == PLACES + 4

        gate.set()
        assert isinstance(await ended(beyond), SavedFilm)
        await until(lambda: len([name for name in kept.names if name.endswith(".mp4")]) == PLACES + 4)
        await until(lambda: not begun_records(tmp_path / OWN_DATA))


async def test_what_has_no_place_and_cannot_be_written_down_fails_at_once(tmp_path: Path) -> None:
    world = film_world()
    world.faults.append(Fault(method="GET", path_prefix="/assets/", kind="delay", times=None, hold=anyio.sleep_forever))
    refuse_records(tmp_path / OWN_DATA)
    async with opened(tmp_path, world) as (kept, _), small_keeper(kept) as keeper:
        for number in range(PLACES):
            await keeper.begin(wanted(world, name=f"copy-{number}.mp4"))
        beyond = await keeper.begin(wanted(world, name="beyond.mp4"))

        assert isinstance(beyond.outcome, KeepingError)
        assert "Too many films wait" in str(beyond.outcome)
        assert await keeper.place(beyond.wanted.asset_id, "", name="beyond.mp4") == "refused"


def refuse_records(data_dir: Path) -> None:
    """A data folder in which no record can be written."""
    data_dir.mkdir()
    (data_dir / FOLDER).write_text("in the way")


async def test_a_film_that_cannot_be_written_down_is_kept_told_and_known_as_long_as_the_process_lives(
    tmp_path: Path,
) -> None:
    world = film_world()
    refuse_records(tmp_path / DATA)
    async with opened(tmp_path, world) as (kept, keeper):
        saved = await ended(await keeper.begin(wanted(world)))

        assert isinstance(saved, SavedFilm)
        assert saved.warning is not None
        assert "could not be written down" in saved.warning
        place = await keeper.place(saved.asset_id, "")
        assert isinstance(place, SavedFilm)
        assert (place, place.warning) == (saved, saved.warning)
        assert await keeper.place(saved.asset_id, "bob") is None
        saved.path.unlink()
        assert await keeper.place(saved.asset_id, "") == "gone"
        assert kept.names == []


@pytest.mark.parametrize("own", [True, False])
async def test_after_a_failure_a_start_takes_up_own_films_and_no_wish_that_was_told_as_failed(
    tmp_path: Path, own: bool
) -> None:
    world = film_world()
    world.link_faults.append(LinkFault("dead", times=None))
    film = replace(wanted(world), own=own)
    async with opened(tmp_path, world) as (kept, keeper):
        assert isinstance(await ended(await keeper.begin(film)), DeadLink)
        assert await keeper.place(film.asset_id, "") == ("begun" if own else "refused")
    world.link_faults.clear()
    async with opened(tmp_path, world) as (kept, keeper):
        if own:
            await until(lambda: kept.names == [film.name])
        else:
            await keeper.resume()
            assert begun_records(tmp_path / DATA) == kept.names == []

        assert isinstance(await ended(await keeper.begin(film)), SavedFilm)


@pytest.mark.parametrize("trouble", [LinkFault("wrong_type"), LinkFault("dead", times=4)], ids=["page", "no link"])
async def test_an_own_film_is_tried_again_after_a_while_also_if_a_page_came_in_its_place(
    tmp_path: Path, trouble: LinkFault
) -> None:
    world = film_world()
    world.link_faults.append(trouble)
    film = replace(wanted(world), own=True)
    async with opened(tmp_path, world) as (kept, _), small_keeper(kept, tried_again=(0.01, 0.01, 0.01)) as keeper:
        assert isinstance(await ended(await keeper.begin(film)), DeadLink | NoFilm)

        await until(lambda: kept.names == [film.name])
        await until(lambda: not begun_records(tmp_path / OWN_DATA))


@pytest.mark.parametrize("own", [True, False])
async def test_what_was_no_film_at_every_try_is_given_up_and_a_wish_at_its_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, own: bool
) -> None:
    world = film_world()
    world.link_faults.append(LinkFault("wrong_type", times=None))
    film = replace(wanted(world), own=own)
    async with opened(tmp_path, world) as (kept, _), small_keeper(kept, tried_again=(0.01, 0.01)) as keeper:
        assert isinstance(await ended(await keeper.begin(film)), NoFilm)

        await until(lambda: not begun_records(tmp_path / OWN_DATA))
        assert await keeper.place(film.asset_id, "") == "refused"
        assert caplog.text.count("a film could not be kept") == (3 if own else 1)
        assert kept.names == []


async def test_what_another_process_kept_meanwhile_is_neither_begun_again_nor_given_up(tmp_path: Path) -> None:
    world = film_world(clips=2)
    world.link_faults.append(LinkFault("wrong_type", times=None))
    first, second = (replace(wanted(world, number), own=True) for number in (0, 1))
    async with opened(tmp_path, world) as (kept, _), small_keeper(kept, tried_again=(0.05,)) as keeper:
        for film in (first, second):
            assert isinstance(await ended(await keeper.begin(film)), NoFilm)
        file = kept.folder / first.name
        file.write_bytes(b"kept")
        kept_there = Record(first.asset_id, "", first.name, "kept", path=file, size=4, own=True)
        assert Records(tmp_path / OWN_DATA).note(kept_there) is None

        # The second one is tried after the first.
        await until(lambda: not begun_records(tmp_path / OWN_DATA))
        assert await keeper.place(second.asset_id, "") == "refused"
        assert await keeper.place(first.asset_id, "") == SavedFilm(first.asset_id, file, 4)


async def test_a_film_that_failed_and_waits_for_a_place_is_kept_when_there_is_one(tmp_path: Path) -> None:
    world, gate = film_world(clips=2), anyio.Event()
    world.link_faults.append(LinkFault("wrong_type", times=None))
    failed = wanted(world, 1)
    async with opened(tmp_path, world) as (kept, _), small_keeper(kept) as keeper:
        assert isinstance(await ended(await keeper.begin(failed)), NoFilm)
        world.link_faults.clear()
        world.faults.append(Fault(method="GET", path_prefix="/assets/", times=None, kind="delay", hold=gate.wait))
        for number in range(PLACES):
            await keeper.begin(wanted(world, name=f"copy-{number}.mp4"))
        again = await keeper.begin(failed)
        assert again.waiting

        gate.set()
        assert isinstance(await ended(again), SavedFilm)


async def test_a_crash_while_a_film_is_kept_ends_a_wish_and_the_server_goes_on(tmp_path: Path) -> None:
    def crash(_: Path) -> str | None:
        raise LookupError

    world = film_world()
    async with opened(tmp_path, world) as (kept, keeper), small_keeper(kept, check=crash) as crashing:
        outcome = await ended(await crashing.begin(wanted(world)))

        assert isinstance(outcome, KeepingError)
        assert "Something in this server failed" in str(outcome)
        assert begun_records(tmp_path / OWN_DATA) == []
        assert isinstance(await ended(await keeper.begin(wanted(world))), SavedFilm)


async def test_a_wish_that_the_end_of_the_process_cut_off_is_taken_up_by_the_next(tmp_path: Path) -> None:
    world = film_world()
    world.link_faults.append(LinkFault("stall", after_bytes=100))
    async with opened(tmp_path, world) as (kept, keeper):
        await keeper.begin(wanted(world))
        await until(lambda: parts(kept) and not world.link_faults)
    async with opened(tmp_path, world) as (kept, keeper):
        await until(lambda: kept.names == ["film-0.mp4"])


async def test_a_copy_is_made_from_the_file_that_is_there_and_asks_nobody(tmp_path: Path) -> None:
    world = film_world()
    async with opened(tmp_path, world) as (kept, keeper):
        saved = await ended(await keeper.begin(wanted(world)))
        world.link_faults.append(LinkFault("dead", times=None))
        asked = world.requests.total()
        copy = await ended(await keeper.begin(wanted(world, name="copy.mp4")))

        assert isinstance(saved, SavedFilm)
        assert isinstance(copy, SavedFilm)
        assert world.requests.total() == asked
        assert copy.path.read_bytes() == saved.path.read_bytes()
        assert kept.names == ["copy.mp4", "film-0.mp4"]


async def test_a_copy_of_a_file_that_was_spoilt_comes_from_its_link(tmp_path: Path) -> None:
    world = film_world()
    async with opened(tmp_path, world) as (_, keeper):
        saved = await ended(await keeper.begin(wanted(world)))
        assert isinstance(saved, SavedFilm)
        whole = saved.path.read_bytes()
        saved.path.write_bytes(bytes(saved.size))
        copy = await ended(await keeper.begin(wanted(world, name="copy.mp4")))

        assert isinstance(copy, SavedFilm)
        assert copy.path.read_bytes() == whole
        assert saved.path.read_bytes() == bytes(saved.size)


async def test_a_file_that_was_deleted_comes_again_under_its_name_also_where_that_has_a_number(tmp_path: Path) -> None:
    world = film_world(clips=2)
    async with opened(tmp_path, world) as (kept, keeper):
        beaches = [wanted(world, number, name="beach.mp4") for number in (0, 1)]
        saved = [await ended(await keeper.begin(each)) for each in beaches]
        for name in kept.names:
            (kept.folder / name).unlink()
        again = [await ended(await keeper.begin(each)) for each in reversed(beaches)]

        assert kept.names == ["beach-2.mp4", "beach.mp4"]
        assert again == [*reversed(saved)]


async def test_a_wish_without_a_name_brings_back_the_copy_that_was_the_only_file(tmp_path: Path) -> None:
    world = film_world()
    async with opened(tmp_path, world) as (_, keeper):
        named = wanted(world, name="beach.mp4")
        assert await keeper.as_before(wanted(world)) == wanted(world)
        await ended(await keeper.begin(named))

        assert await keeper.as_before(wanted(world)) == named
        await ended(await keeper.begin(wanted(world)))
        assert await keeper.as_before(wanted(world)) == wanted(world)


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
