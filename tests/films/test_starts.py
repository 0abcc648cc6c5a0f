"""Which films a start takes up: those that were begun or that nobody could begin, and none that ended under `never`."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import anyio
import pytest

from runway_mcp.data_folder import LEDGER
from runway_mcp.films.keeper import Keeper
from runway_mcp.films.keeping import Keeping
from runway_mcp.films.naming import Wanted
from runway_mcp.films.own_films import SINCE, forget_kept_since, kept_since, resume_keeping
from runway_mcp.films.places import SavedFilm
from runway_mcp.films.records import FOLDER
from runway_mcp.server.reads import kept_film, task_of
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.tasks.history import owning_intent
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from runway_mcp.tasks.transitions import Selection
from tests.films.servers import DATA, LIMIT, extended, film_world, keeping_server, rendered, until
from tests.kit.clock import wall_clock
from tests.kit.films import SmallFilms
from tests.kit.upstream import virtual_world
from tests.tasks.leaving import ledger_away, left
from tests.tasks.services import open_service


async def quiet(_: Keeping) -> None:
    """Nobody is told."""


async def test_a_restart_goes_on_with_what_was_begun(tmp_path: Path) -> None:
    world = film_world(films=SmallFilms(filler=3_000_000))
    world.link_faults.append(LinkFault("stall", after_bytes=2_000_000))
    async with keeping_server(tmp_path, world, wait_seconds=1) as kept, kept.server.client("auto") as client:
        first = await extended(client)
        assert "saved" not in first
        await until(lambda: any((kept.folder / n).stat().st_size > 10**6 for n in kept.names if n.endswith(".part")))
    async with keeping_server(tmp_path, world) as kept:
        await until(lambda: [name.endswith(".mp4") for name in kept.names] == [True])

        assert (kept.folder / kept.names[0]).read_bytes() == rendered(world)


async def test_a_start_takes_up_a_film_that_ended_when_nobody_could_begin_to_keep_it(tmp_path: Path) -> None:
    world = film_world()
    async with keeping_server(tmp_path, world) as kept, kept.server.client("auto") as client:
        first = await extended(client)
    # As if the process had died between the ledger's entry and the film's.
    Path(first["saved"]["path"]).unlink()
    shutil.rmtree(tmp_path / DATA / FOLDER)
    async with keeping_server(tmp_path, world) as kept:
        await until(lambda: any(name.endswith(".mp4") for name in kept.names))
        keeper = kept.server.context.keeper
        assert keeper is not None
        keeping = await keeper.begin(Wanted(first["video"]["assetId"], "", kept.names[0]))
        await keeping.wait(deadline=anyio.current_time() + 10, tell=quiet)

        assert isinstance(keeping.outcome, SavedFilm)
        assert len(kept.names) == 1


async def test_a_film_that_ended_while_none_were_kept_is_saved_on_wish_alone(tmp_path: Path, mode: str) -> None:
    world = film_world()
    async with keeping_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        await extended(client, seed=1)
    async with keeping_server(tmp_path, world, save="never") as kept, kept.server.client(mode) as client:
        made = await extended(client, seed=2)
    async with keeping_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        before = kept.names
        for told in (
            await client.data("get_task", taskId=made["taskId"], wait_seconds=5),
            await extended(client, seed=2),
        ):
            assert "saved" not in told
            assert "This server knows of no file of the film; save_film saves it." in told["summary"]
        assert kept.names == before

        saved = await client.data("save_film", assetId=made["taskId"])
        read = await client.data("get_task", taskId=made["taskId"])
        assert read["saved"] == saved["saved"]
        assert Path(read["saved"]["path"]).read_bytes() == rendered(world)


async def test_only_the_first_read_that_sees_the_end_of_a_task_begins_to_keep_its_film(tmp_path: Path) -> None:
    world = film_world()
    async with keeping_server(tmp_path, world, save="never") as kept, kept.server.client("auto") as client:
        made = await extended(client)
    async with keeping_server(tmp_path, world) as kept:
        context = kept.server.context
        task = await task_of(context, made["taskId"])
        known = await owning_intent(context.service, task.task_id)
        assert known is not None
        later = await kept_film(context, task, known, seconds=LIMIT)
        first = await kept_film(context, task, replace(known, film=None), seconds=LIMIT)

        assert later is None
        assert first is not None
        assert kept.names == [first.path.name]


def test_since_when_films_are_kept_is_the_first_start_that_keeps_them_until_one_keeps_none(tmp_path: Path) -> None:
    folder = tmp_path / "data"

    assert [kept_since(folder, now) for now in (10.0, 20.0)] == [10.0, 10.0]
    forget_kept_since(folder)
    assert kept_since(folder, 30.0) == 30.0
    # A clock that went back, and what is no number.
    assert kept_since(folder, 5.0) == 5.0
    (folder / SINCE).write_text("yesterday")
    assert [kept_since(folder, now) for now in (40.0, 50.0)] == [40.0, 40.0]


def test_a_data_folder_that_refuses_ends_no_start(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")

    assert kept_since(tmp_path / "data", 10.0) == 10.0
    forget_kept_since(tmp_path / "data")


class NotesFilms:
    """A keeper that notes which films it is told to keep, and fails with those of one task."""

    def __init__(self, failing: str) -> None:
        self.begun: list[str] = []
        self._failing = failing

    async def resume(self) -> None:
        """Nothing was begun."""

    async def place(self, asset_id: str, _: str) -> None:
        """No film is anywhere."""
        if asset_id == self._failing:
            raise OSError("a fault")

    async def begin(self, wanted: Wanted, *, again: bool) -> None:
        """Notes a film."""
        assert not again
        self.begun.append(wanted.asset_id)


@pytest.mark.virtual_time
async def test_films_that_nobody_could_begin_are_taken_up_though_the_ledger_came_late_and_beside_a_fault(
    tmp_path: Path,
) -> None:
    world, folder = virtual_world(), tmp_path / "data"
    tasks = await left(world, folder, count=2)
    async with open_service(world, folder):
        await anyio.sleep(600)
    with SqliteStore(folder / LEDGER, wall_clock) as store:
        films = {each.task_id: each.film.asset_id for each in await store.select(Selection.SUCCEEDED) if each.film}
    keeper = NotesFilms(failing=films[tasks[1]])
    with SqliteStore(folder / LEDGER, wall_clock) as store:
        async with anyio.create_task_group() as group, ledger_away(folder):
            group.start_soon(partial(resume_keeping, cast("Keeper", keeper), store, since=0.0))
            await anyio.sleep(60)
            assert keeper.begun == []

    assert keeper.begun == [films[tasks[0]]]
