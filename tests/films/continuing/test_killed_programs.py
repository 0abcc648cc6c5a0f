"""A program that is killed again and again, at later and later moments, makes and pays one film all the same."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from runway_mcp.films.continuing.steps import JoinMade
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from runway_mcp.tasks.intents import State
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from runway_mcp.tasks.transitions import Selection
from tests.films.continuing.processes import LAPSED, LIMIT, clip_world
from tests.kit.processes import environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

# Seconds after the call began at which the program is killed, one run each; the steps take about a second together.
MOMENTS = [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8]


async def run(folder: Path, url: str, clip: str, later: float, *, killed_after: float | None) -> None:
    """One run of the program; killed after so many seconds, or left to end."""
    command = [sys.executable, "-m", "tests.films.continuing.program", str(folder), url, clip, str(later)]
    async with await anyio.open_process(command, env=environment(), stderr=subprocess.DEVNULL) as program:
        assert program.stdout is not None
        with anyio.fail_after(LIMIT):
            await program.stdout.receive()
            if killed_after is not None:
                await anyio.sleep(killed_after)  # the moment of the kill is what is tried
                with suppress(ProcessLookupError):
                    program.kill()
            await program.wait()


async def test_a_program_that_is_killed_at_any_moment_pays_and_uploads_once(tmp_path: Path) -> None:
    world: World = clip_world()
    clip = world.asset_id(world.assets[0])
    async with running(world) as url:
        for number, moment in enumerate(MOMENTS):
            await run(tmp_path, url, clip, LAPSED * number, killed_after=moment)
        await run(tmp_path, url, clip, LAPSED * len(MOMENTS), killed_after=None)

    with SqliteStore(tmp_path / "data" / "ledger.sqlite3") as store:
        (film,) = [*await store.select(Selection.SUBMITTED), *await store.select(Selection.ABANDONED)]
    joined = JoinMade.of(film)
    assert len(world.tasks) <= 2
    assert sum(asset.media_type == "image" for asset in world.assets) == 1
    # A kill between the record of a create and its POST leaves it unknown for good, and unpaid.
    assert joined is not None or (film.state in (State.UNCLEAR, State.UNKNOWN) and len(world.tasks) == 1)
    if joined is not None:
        assert joined.frames == 6
        assert [str(each) for each in (tmp_path / "films").iterdir()] == [joined.path]
