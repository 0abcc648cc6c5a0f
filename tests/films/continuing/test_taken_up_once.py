"""A film that was left is taken up once, as its call asked for it, and only if nothing else was paid since."""

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.films.continuing.joining.files import is_there
from runway_mcp.films.continuing.steps import JoinMade
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import JOIN, Intent
from runway_mcp.tasks.spend.drafts import draft
from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.films.continuing.processes import LAPSED, Halt, clip_world, process, unnamed
from tests.kit.clock import LeapingClock

pytestmark = pytest.mark.slow


async def test_a_film_that_was_left_is_not_paid_where_the_same_call_was_answered_by_another_model_since(
    tmp_path: Path,
) -> None:
    world, halt = clip_world(), Halt("before upload")
    async with process(tmp_path, world, halt=halt) as server:
        plan, other = await unnamed(server, "gen4.5"), await unnamed(server, "gen4-turbo")
        left = await server.continuations.submit(server.service.submissions, plan, caller="", deadline=0.0)
        await halt.reached.wait()
    with SqliteStore(tmp_path / "data" / "ledger.sqlite3", lambda: time.time() + LAPSED) as store:
        rival, is_earlier = await store.claim(draft(other), other.key(""), rivals=other.rivals(""))
        assert not is_earlier
        assert await store.begin_post(rival.id, rival.claim, upstream=None) is not None

    async with process(tmp_path, world, later=LAPSED) as server:
        last = (await server.followed(left.intent))[-1]
        failure = server.continuations.failure_of(await server.tools.store.find("id", left.intent.id) or left.intent)

    assert failure is not None
    assert last.status == "FAILED"
    assert (failure.kind, failure.charged, failure.repeat) == ("invalid_request", "no", "after_change")
    assert rival.film_id in failure.message
    assert world.requests["POST /gen4_5/create"] == 0


@pytest.mark.parametrize("order", ["before", "after"])
async def test_a_row_that_cannot_be_read_keeps_no_other_film_from_being_taken_up(tmp_path: Path, order: str) -> None:
    world, halt, film = clip_world(), Halt("before upload"), None
    for each in sorted(("left", "unread"), reverse=order == "before"):
        async with process(tmp_path, world, halt=halt) as server:
            if each == "left":
                plan = replace(await unnamed(server, "gen4.5"), is_auto=False)
                film = await server.continuations.submit(server.service.submissions, plan, caller="", deadline=0.0)
                await halt.reached.wait()
            else:
                other = replace(await unnamed(server, "gen4-turbo"), is_auto=False)
                await server.tools.store.claim(replace(draft(other), request={"text_prompt": 7}), other.key(""))

    assert film is not None
    async with process(tmp_path, world, later=LAPSED) as server:
        await server.film(film.intent)

    assert world.requests["POST /gen4_5/create"] == len(world.accepted) == 1


class Flapping(SqliteStore):
    """A ledger that cannot be told, once, of the end of a step."""

    def __init__(self, path: Path, step: str | None, ahead: list[float]) -> None:
        super().__init__(path, lambda: time.time() + ahead[0])
        self.step = step

    async def end_step(self, intent_id: str, claim: str, name: str, made: Mapping[str, Any]) -> Intent | None:
        if name == self.step:
            self.step = None
            raise LedgerError("The ledger is locked.")
        return await super().end_step(intent_id, claim, name, made)


async def test_a_film_whose_ledger_fails_before_its_create_keeps_what_its_call_asked_for(tmp_path: Path) -> None:
    world, address, ahead = clip_world(), "http://127.0.0.1:9/called", [0.0]
    world.switches = replace(world.switches, delivery="lost")
    (tmp_path / "data").mkdir()
    with Flapping(tmp_path / "data" / "ledger.sqlite3", "upload", ahead) as store:
        async with process(tmp_path, world, shared=store) as server:
            film = (await server.submit(wait=3, reply_url=address, max_jobs=3)).intent
            ahead[0] = LAPSED
            await server.film(film)

    assert len(world.accepted) == 1
    assert world.accepted[0].reply_url == address


async def test_a_film_whose_ledger_fails_at_its_join_is_joined_unasked(tmp_path: Path) -> None:
    world, ahead = clip_world(), [0.0]
    (tmp_path / "data").mkdir()
    with Flapping(tmp_path / "data" / "ledger.sqlite3", JOIN, ahead) as store:
        async with process(tmp_path, world, shared=store) as server:
            film = (await server.submit()).intent
            with anyio.fail_after(40):
                while JoinMade.of(await store.find("id", film.id) or film) is None:  # noqa: ASYNC110
                    await anyio.sleep(0.2)

    assert len(world.accepted) == 1


class Newer(Flapping):
    """A ledger to which a server of a later version writes the join that this one could not."""

    async def end_step(self, intent_id: str, claim: str, name: str, made: Mapping[str, Any]) -> Intent | None:
        if name == self.step:
            await SqliteStore.end_step(self, intent_id, claim, name, {**made, "later": True})
        return await super().end_step(intent_id, claim, name, made)


async def test_a_join_by_a_later_version_ends_nothing_here(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = clip_world()
    (tmp_path / "data").mkdir()
    with Newer(tmp_path / "data" / "ledger.sqlite3", JOIN, [0.0]) as store:
        async with process(tmp_path, world, shared=store) as server:
            await server.submit()
            with anyio.fail_after(40):
                while "could not be looked at again" not in caplog.text:  # noqa: ASYNC110  a log wakes nobody
                    await anyio.sleep(0.2)
            await server.done((await server.submit(text_prompt="the camera falls")).intent)

    assert len(world.accepted) == 2


async def test_a_film_whose_file_is_gone_and_whose_ledger_fails_as_it_is_joined_anew_is_joined_unasked(
    tmp_path: Path,
) -> None:
    world = clip_world()
    (tmp_path / "data").mkdir()
    with Flapping(tmp_path / "data" / "ledger.sqlite3", None, [0.0]) as store:
        async with process(tmp_path, world, shared=store) as server:
            film = await server.done((await server.submit()).intent)
            made = JoinMade.of(film)
            assert made is not None
            await anyio.Path(made.path).unlink()
            store.step = JOIN
            with pytest.raises(Failure, match="locked"):
                await server.continuations.restored(film)
            with anyio.fail_after(40):
                while server.continuations.standing(server.service, film).status != "SUCCEEDED":  # noqa: ASYNC110
                    await anyio.sleep(0.2)
            assert await is_there(made)

    assert len(world.accepted) == 1


async def test_a_film_whose_part_turns_up_late_is_joined_by_the_same_call_as_it_was_told(tmp_path: Path) -> None:
    clock = LeapingClock()
    world = clip_world(clock=clock)
    world.switches = replace(world.switches, late_films=600.0)
    async with process(tmp_path, world) as server:
        film = (await server.submit()).intent
        with anyio.fail_after(30):
            while server.continuations.failure_of(film) is None:
                # As after a minute: what has succeeded without a film is told so.
                server.service.client.expect_no_film([film.task_id or ""])
                await anyio.sleep(0.01)
                film = await server.tools.store.find("id", film.id) or film
        failure = server.continuations.failure_of(film)
        assert failure is not None
        assert (failure.kind, failure.charged, failure.repeat) == ("generation_failed", "yes", "later")
        clock.leap(600)
        again = await server.submit()
        assert (await server.followed(again.intent))[-1].status == "SUCCEEDED"

    assert len(world.accepted) == 1


async def test_a_film_that_the_ledger_has_forgotten_is_not_told_as_under_way(tmp_path: Path) -> None:
    world, halt = clip_world(), Halt("before upload")
    async with process(tmp_path, world, halt=halt) as server, anyio.create_task_group() as group:

        async def forget() -> None:
            await halt.reached.wait()
            with sqlite3.connect(tmp_path / "data" / "ledger.sqlite3") as ledger:
                ledger.execute("DELETE FROM intents")

        group.start_soon(forget)
        with pytest.raises(Failure, match="does not know this request any more") as raised:
            await server.submit(wait=30)
        told = raised.value
        assert (told.kind, told.charged, told.repeat) == ("submission_unknown", "unknown", "after_change")

    assert not world.accepted
