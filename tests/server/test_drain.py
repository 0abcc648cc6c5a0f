"""The end of a server while a paid request is out: one for others waits longer for its answer than one for one user."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.callers import CallersFile
from runway_mcp.private import LEDGER
from runway_mcp.server.app import HOSTED_GRACE
from runway_mcp.tasks.intents import State
from runway_mcp.tasks.service import SHUTDOWN_GRACE
from runway_mcp.tasks.store.sqlite import SqliteStore
from runway_mcp.tasks.transitions import Selection
from tests.kit.clock import wall_clock
from tests.kit.server import open_server
from tests.kit.upstream import fault, virtual_world
from tests.server.many_callers import CallersOnDisk
from tests.tasks.submits import POST, submit, wish

pytestmark = pytest.mark.virtual_time


def of_callers(folder: Path) -> dict[str, Any]:
    """A file of callers."""
    return {"callers": CallersFile(CallersOnDisk(folder).write(ana=""), hide=lambda _: None)}


async def ended(folder: Path, *, answer_after: float, **fields: Any) -> tuple[float, State]:
    """How long the end of a server took whose request is answered so late, and how that stands in the ledger."""
    world, arrived = virtual_world(pace=900), anyio.Event()

    async def hold() -> None:
        arrived.set()
        await anyio.sleep(answer_after)

    fault(world, **POST, kind="delay_after", hold=hold)
    async with open_server(world, folder, **fields) as server:
        async with anyio.create_task_group() as calls:
            calls.start_soon(submit, server.context.service, wish(world))
            await arrived.wait()
            calls.cancel_scope.cancel()
        began = anyio.current_time()
    took = anyio.current_time() - began
    with SqliteStore(folder / LEDGER, wall_clock) as store:
        (intent,) = await store.select(Selection.UNFINISHED)
    assert len(world.accepted) == 1
    return took, intent.state


ISSUER = {"issuer": "https://issuer.example.com", "audience": "https://runway.example.com"}


def of_issuer(_: Path) -> dict[str, Any]:
    """An issuer."""
    return {**ISSUER, "over_http": True}


@pytest.mark.parametrize("hosted", [of_callers, of_issuer])
async def test_a_server_for_others_waits_a_while_for_the_answer_of_a_paid_request(
    tmp_path: Path, hosted: Callable[[Path], dict[str, Any]]
) -> None:
    took, state = await ended(tmp_path, answer_after=9.0, **hosted(tmp_path))

    assert state is State.ACCEPTED
    assert took == pytest.approx(9.0, abs=0.1)


async def test_that_wait_is_bounded(tmp_path: Path) -> None:
    took, _ = await ended(tmp_path, answer_after=600.0, **of_callers(tmp_path))

    assert took <= HOSTED_GRACE + 0.1


@pytest.mark.parametrize("fields", [{}, {"over_http": True}, ISSUER])
async def test_a_server_for_one_user_ends_before_its_host_kills_it(tmp_path: Path, fields: dict[str, Any]) -> None:
    # Over stdio an issuer that is set serves nobody.
    took, state = await ended(tmp_path, answer_after=9.0, **fields)

    assert took == pytest.approx(SHUTDOWN_GRACE, abs=0.1)
    assert state is not State.ACCEPTED
