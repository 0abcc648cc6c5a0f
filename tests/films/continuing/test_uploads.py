"""Uploads of a frame: one for each account and frame, unless the first stays unseen for a minute."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from runway_mcp.films.continuing.dependencies import Dependencies
from runway_mcp.films.continuing.preparing.frame import Frame
from runway_mcp.films.continuing.preparing.uploads import FOLDER, FRAME_NAME, LOOKING_SECONDS, uploaded
from runway_mcp.films.opening import open_films
from runway_mcp.runway.client import RunwayClient
from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.world import TOKEN, World
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import UPLOAD, Intent
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.kit.clock import SetClock
from tests.kit.samples import extension
from tests.kit.upstream import URL, Upstream, fault
from tests.store.steps import claimed

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
FRAME = Frame(PNG, 1, 1, "5f")
UPLOADS = {"method": "POST", "path_prefix": "/assets"}
LIST = {"method": "GET", "path_prefix": "/assets"}


@dataclass(frozen=True)
class Uploads:
    """A process that uploads frames; its clock passes as it pauses."""

    tools: Dependencies
    clock: SetClock
    world: World

    async def intent(self, seed: int = 1) -> Intent:
        """A film of its own."""
        made = await claimed_film(self.tools, seed)
        return replace(made, account=next(iter(self.world.accounts)))

    @property
    def pictures(self) -> list[str]:
        """The names of the frames that were uploaded."""
        return [asset.name for asset in self.world.assets if asset.name.startswith(FRAME_NAME)]


async def claimed_film(tools: Dependencies, seed: int) -> Intent:
    """The intent of a film that is prepared."""
    return await claimed(tools.store, extension(seed=seed))


@asynccontextmanager
async def uploads(
    folder: Path,
    world: World,
    clock: SetClock,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    user: str | None = None,
) -> AsyncGenerator[Uploads]:
    """A process over a world and a data folder, for a user of useapi.net if its token names one."""

    async def pause(seconds: float) -> None:
        clock.now += seconds
        await anyio.lowlevel.checkpoint()

    async with (
        open_films(url=URL, data_dir=folder) as films,
        RunwayClient(url=URL, token=world.token, transport=transport or Upstream(world), patience=0) as client,
    ):
        with SqliteStore(folder / "ledger.sqlite3", clock) as store:
            tools = Dependencies(client, store, films, folder, None, pause=pause, user=user)
            yield Uploads(tools, clock, world)


def timed_world(clock: SetClock, *, token: str = TOKEN, **switches: Any) -> World:
    """A world on the test's clock."""
    world = small_world(clock=lambda: clock.now, wall=lambda: clock.now, token=token)
    world.switches = replace(world.switches, **switches)
    return world


async def test_a_frame_is_uploaded_once_under_an_unguessable_name_for_however_many_films(tmp_path: Path) -> None:
    clock = SetClock()
    world = timed_world(clock)
    async with uploads(tmp_path, world, clock) as process:
        told = [await uploaded(process.tools, await process.intent(seed), FRAME) for seed in (1, 2, 3)]

        assert len({asset_id for _, asset_id in told}) == 1
        assert len(process.pictures) == 1
        assert len(process.pictures[0].removeprefix(FRAME_NAME)) >= 32
        step = told[0][0].step(UPLOAD)
        assert step is not None
        assert step.made["asset_id"] == told[0][1]
        assert step.made["file"] in str(world.assets[-1].uuid) + ".png"


async def test_another_frame_and_another_account_have_uploads_of_their_own(tmp_path: Path) -> None:
    clock = SetClock()
    world = timed_world(clock)
    async with uploads(tmp_path, world, clock) as process:
        film = await process.intent()
        await uploaded(process.tools, film, FRAME)
        await uploaded(process.tools, await process.intent(2), replace(FRAME, digest="77"))

        assert len(process.pictures) == 2
        assert len(set(process.pictures)) == 2


USERS = {"user:1234-": TOKEN, "user:5678-": "user:5678-another"}
"""The users of useapi.net with the token of each."""


async def test_each_user_has_an_upload_of_his_own_in_an_account_of_the_same_name(tmp_path: Path) -> None:
    clock = SetClock()
    worlds = {user: timed_world(clock, token=token) for user, token in USERS.items()}
    for seed, user in enumerate([*USERS, *USERS], 1):
        # That a foreign id is none of this account's could not be read.
        fault(worlds[user], **LIST, status=503, times=None)
        async with uploads(tmp_path, worlds[user], clock, user=user) as process:
            _, asset_id = await uploaded(process.tools, await process.intent(seed), FRAME)
            assert asset_id.startswith(user)
            assert len(process.pictures) == 1


@pytest.mark.parametrize(("user", "count"), [("user:1234-", 1), ("user:5678-", 2)])
async def test_an_upload_from_before_users_were_told_apart_serves_its_own_user(
    tmp_path: Path, user: str, count: int
) -> None:
    clock = SetClock()
    world = timed_world(clock)
    async with uploads(tmp_path, world, clock) as process:
        _, before = await uploaded(process.tools, await process.intent(), FRAME)
    async with uploads(tmp_path, world, clock, user=user) as process:
        for seed in (2, 3):
            await uploaded(process.tools, await process.intent(seed), FRAME)
        assert world.requests["POST /assets"] == count
    async with uploads(tmp_path, world, clock) as process:
        assert (await uploaded(process.tools, await process.intent(4), FRAME))[1] == before


@pytest.mark.parametrize("kind", ["reset_after", "status"])
async def test_an_upload_whose_answer_is_lost_is_found_by_its_name(tmp_path: Path, kind: str) -> None:
    clock = SetClock()
    world = timed_world(clock, late_uploads=40.0)
    fault(world, **UPLOADS, kind=kind, status=502, handled=True)
    async with uploads(tmp_path, world, clock) as process:
        _, asset_id = await uploaded(process.tools, await process.intent(), FRAME)

        assert len(process.pictures) == 1
        assert asset_id == world.asset_id(world.assets[-1])


async def test_an_upload_that_stays_unseen_for_a_minute_is_made_a_second_time(tmp_path: Path) -> None:
    clock = SetClock()
    world = timed_world(clock)
    begun = clock.now
    fault(world, **UPLOADS, kind="reset")
    async with uploads(tmp_path, world, clock) as process:
        await uploaded(process.tools, await process.intent(), FRAME)

        assert len(process.pictures) == 1
        assert clock.now - begun >= LOOKING_SECONDS
        assert world.requests["POST /assets"] == 2


async def test_nothing_is_uploaded_again_while_the_list_cannot_be_read(tmp_path: Path) -> None:
    clock = SetClock()
    world = timed_world(clock)
    fault(world, **UPLOADS, kind="reset_after")
    fault(world, **LIST, status=503, times=None)
    async with uploads(tmp_path, world, clock) as process:
        film = await process.intent()
        with pytest.raises(Failure) as told:
            await uploaded(process.tools, film, FRAME)
        world.faults.clear()
        _, asset_id = await uploaded(process.tools, film, FRAME)

        assert (told.value.kind, told.value.charged) == ("unavailable", "no")
        assert world.requests["POST /assets"] == 1
        assert asset_id == world.asset_id(world.assets[-1])


async def test_two_uploads_that_stay_unseen_end_the_try_at_no_cost(tmp_path: Path) -> None:
    clock = SetClock()
    world = timed_world(clock)
    fault(world, **UPLOADS, kind="reset", times=None)
    async with uploads(tmp_path, world, clock) as process:
        with pytest.raises(Failure) as told:
            await uploaded(process.tools, await process.intent(), FRAME)

        assert (told.value.kind, told.value.charged, told.value.repeat) == ("unavailable", "no", "later")
        assert world.requests["POST /assets"] == 2


@pytest.mark.parametrize(("status", "kind"), [(401, "unauthorized"), (402, "subscription"), (596, "account")])
async def test_a_refused_upload_is_told_as_it_is_and_tried_anew_by_the_next_call(
    tmp_path: Path, status: int, kind: str
) -> None:
    clock = SetClock()
    world = timed_world(clock)
    begun = clock.now
    fault(world, **UPLOADS, status=status)
    async with uploads(tmp_path, world, clock) as process:
        film = await process.intent()
        with pytest.raises(Failure) as told:
            await uploaded(process.tools, film, FRAME)
        await uploaded(process.tools, film, FRAME)

        assert (told.value.kind, told.value.charged) == (kind, "no")
        assert len(process.pictures) == 1
        assert clock.now == begun


@pytest.mark.parametrize(("status", "kind"), [(400, "invalid_request"), (404, "not_found"), (429, "busy")])
@pytest.mark.parametrize("handled", [True, False])
async def test_an_upload_that_was_refused_and_may_have_arrived_is_looked_for_by_the_next_call(
    tmp_path: Path, status: int, kind: str, handled: bool
) -> None:
    clock = SetClock()
    world = timed_world(clock, late_uploads=40.0)
    begun = clock.now
    fault(world, **UPLOADS, status=status, handled=handled)
    async with uploads(tmp_path, world, clock) as process:
        film = await process.intent()
        with pytest.raises(Failure) as told:
            await uploaded(process.tools, film, FRAME)
        await uploaded(process.tools, film, FRAME)

        assert (told.value.kind, told.value.charged) == (kind, "no")
        assert len(process.pictures) == 1
        assert clock.now - begun >= (40.0 if handled else LOOKING_SECONDS)


async def test_an_upload_that_was_deleted_is_made_anew(tmp_path: Path) -> None:
    clock = SetClock()
    world = timed_world(clock)
    async with uploads(tmp_path, world, clock) as process:
        _, first = await uploaded(process.tools, await process.intent(1), FRAME)
        world.assets[-1].deleted = True
        _, second = await uploaded(process.tools, await process.intent(2), FRAME)

        assert first != second
        assert len(process.pictures) == 2


async def test_two_processes_upload_a_frame_once(tmp_path: Path) -> None:
    clock = SetClock()
    world = timed_world(clock)
    gate = anyio.Event()
    fault(world, **UPLOADS, kind="delay_after", hold=gate.wait)
    async with uploads(tmp_path, world, clock) as one, uploads(tmp_path, world, clock) as other:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as both:
                both.start_soon(uploaded, one.tools, await one.intent(1), FRAME)
                while world.requests["POST /assets"] == 0:  # noqa: ASYNC110  no event tells of a request
                    await anyio.sleep(0.01)
                both.start_soon(uploaded, other.tools, await other.intent(2), FRAME)
                await anyio.sleep(0.05)
                gate.set()

        assert len(one.pictures) == 1


async def test_a_process_that_died_as_its_upload_left_is_followed_by_one_that_looks(tmp_path: Path) -> None:
    clock = SetClock()
    world = timed_world(clock)
    arrived = anyio.Event()

    async def hold() -> None:
        arrived.set()
        await anyio.sleep_forever()

    fault(world, **UPLOADS, kind="delay_after", hold=hold)
    async with uploads(tmp_path, world, clock) as dying, anyio.create_task_group() as calls:
        calls.start_soon(uploaded, dying.tools, await dying.intent(1), FRAME)
        with anyio.fail_after(30):
            await arrived.wait()
        calls.cancel_scope.cancel()
    async with uploads(tmp_path, world, clock) as process:
        _, asset_id = await uploaded(process.tools, await process.intent(2), FRAME)

        assert len(process.pictures) == 1
        assert asset_id == world.asset_id(world.assets[-1])


async def test_a_record_that_cannot_be_read_is_made_anew_and_holds_no_link(tmp_path: Path) -> None:
    clock = SetClock()
    world = timed_world(clock)
    async with uploads(tmp_path, world, clock) as process:
        await uploaded(process.tools, await process.intent(1), FRAME)
        record = next((tmp_path / FOLDER).glob("*.json"))
        told = json.loads(record.read_text())
        record.write_text("{")
        await uploaded(process.tools, await process.intent(2), FRAME)

        assert "http" not in json.dumps(told)
        assert len(process.pictures) == 2
