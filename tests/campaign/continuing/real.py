"""Kills programs that continue a clip, over real sockets, in every step, and looks what is left of their film.

Each run starts a program on a fresh folder and kills it (SIGKILL) at a drawn moment: while the stand-in holds an upload
or a create, before or after it was handled; as a file of the film appears on the disk; or at any time. Some answers are
lost. The next program, with a clock past every lease, is killed as well, or ends. Then the film must be whole, or its
create unknown and never accepted.
"""

import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Literal, get_args

import anyio
from anyio.abc import Process

from runway_mcp.films.continuing.steps import JoinMade
from runway_mcp.simulator.builders import add_video, small_world
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from runway_mcp.tasks.intents import State
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from runway_mcp.tasks.transitions import Selection
from tests.campaign.continuing.films import GreyFilms
from tests.campaign.continuing.judge import amiss
from tests.campaign.continuing.scenario import Verdict
from tests.kit.processes import environment

Moment = Literal[
    "any time",
    "upload arrived",
    "upload accepted",
    "create arrived",
    "create accepted",
    "part-1.mp4",
    "frame.png",
    "part-2.mp4",
    "film.mp4",
    "film.json",
]
"""When a program is killed: at any time, while a request is held, or as a file appears."""

# After so many seconds of the clock the lease of a program that was killed has ended.
_LAPSED = 100.0
# How long a program may take to begin, and after that to come to its moment or its end, in real seconds.
_PATIENCE = 60.0
_END = 45.0
_LOOK = 0.005
_PATHS = {"upload": "/assets", "create": "/gen4_5/create"}


@dataclass(frozen=True)
class RealRun:
    """One run: when its programs are killed and how long after that moment, and the requests whose answers are lost."""

    seed: int
    kills: tuple[tuple[Moment, float], ...]
    lost: tuple[str, ...]
    switches: dict[str, Any]


def draw(seed: int) -> RealRun:
    """The run of a seed."""
    rng = Random(f"continue real {seed}")  # noqa: S311  the same seed must give the same run
    moments: tuple[Moment, ...] = get_args(Moment)
    first: Moment = moments[seed % len(moments)]
    drawn: tuple[Moment, ...] = (first, *rng.choices(moments, k=rng.choice((0, 1, 1))))
    kills: list[tuple[Moment, float]] = [
        (moment, rng.uniform(0, 2.0 if moment == "any time" else 0.05)) for moment in drawn
    ]
    lost = tuple(path for path in _PATHS if rng.random() < 0.25)
    switches = {"hidden_seeds": rng.random() < 0.5, "first_frame": rng.choice(("same", "similar"))}
    return RealRun(seed, tuple(kills), lost, switches)


def real_many(seed: int, count: int, folder: Path | None) -> Verdict:
    """Plays so many runs, one after the other."""
    total = Verdict()
    for number in range(seed, seed + count):
        place = Path(tempfile.mkdtemp(dir=folder))
        try:
            total.add(anyio.run(_play, draw(number), place))
        except Exception as error:  # noqa: BLE001  the campaign goes on, and the run is a finding
            total.runs += 1
            total.find(number, "broken", f"the run ended in {type(error).__name__}: {error}")
        finally:
            shutil.rmtree(place, ignore_errors=True)
    return total


async def _play(run: RealRun, folder: Path) -> Verdict:
    world = small_world(pace=0.5, films=GreyFilms(), clips=0)
    world.switches = replace(world.switches, created_size="tiny", **run.switches)
    clip = add_video(world, model="gen4", prompt="a beach at dusk", seconds=5, width=64, height=36, age=9000.0)
    verdict = Verdict(runs=1)
    for path in run.lost:
        world.faults.append(Fault("POST", _PATHS[path], kind="reset_after"))
    async with running(world) as url:
        for number, (moment, after) in enumerate(run.kills):
            command = _command(folder, url, world.asset_id(clip), _LAPSED * number)
            if await _killed(command, world, folder, moment, after):
                verdict.killed += 1
                verdict.met[f"killed {moment}"] += 1
        world.faults.clear()
        command = _command(folder, url, world.asset_id(clip), _LAPSED * len(run.kills))
        async with await _begun(command) as program:
            with anyio.move_on_after(_END):
                await program.wait()
            with suppress(ProcessLookupError):
                program.kill()
    await _judge(run, world, folder, verdict)
    return verdict


def _command(folder: Path, url: str, clip: str, later: float) -> list[str]:
    return [sys.executable, "-m", "tests.films.continuing.program", str(folder), url, clip, str(later)]


async def _begun(command: list[str]) -> Process:
    """The program, once it has begun."""
    program = await anyio.open_process(command, env=environment(), stderr=subprocess.DEVNULL)
    assert program.stdout is not None
    with anyio.fail_after(_PATIENCE):
        await program.stdout.receive()
    return program


async def _killed(command: list[str], world: World, folder: Path, moment: Moment, after: float) -> bool:
    """Starts a program and kills it then; false if it had come to its end before."""
    reached, gate = anyio.Event(), anyio.Event()

    async def hold() -> None:
        reached.set()
        await gate.wait()

    what, _, state = moment.partition(" ")
    if what in _PATHS:
        kind = "delay" if state == "arrived" else "delay_after"
        world.faults.insert(0, Fault("POST", _PATHS[what], kind=kind, hold=hold))
    try:
        async with await _begun(command) as program:
            with anyio.move_on_after(_END):
                async with anyio.create_task_group() as race:

                    async def ended() -> None:
                        await program.wait()
                        race.cancel_scope.cancel()

                    race.start_soon(ended)
                    await _come(folder, moment, reached)
                    await anyio.sleep(after)
                    race.cancel_scope.cancel()
            is_killed = program.returncode is None
            with suppress(ProcessLookupError):
                program.kill()
            await program.wait()
            return is_killed
    finally:
        gate.set()


async def _come(folder: Path, moment: Moment, reached: anyio.Event) -> None:
    if moment == "any time":
        return
    if moment.partition(" ")[0] in _PATHS:
        await reached.wait()
        return
    while not list((folder / "data" / "continued").glob(f"*/{moment}")):  # noqa: ASYNC110  no event tells of a file
        await anyio.sleep(_LOOK)


async def _judge(run: RealRun, world: World, folder: Path, verdict: Verdict) -> None:
    images = [asset for asset in world.assets if asset.media_type == "image"]
    verdict.posts = world.requests["POST /assets"] + world.requests["POST /gen4_5/create"]
    verdict.accepted, verdict.uploaded, verdict.calls = len(world.accepted), len(images), len(run.kills) + 1
    if len(world.accepted) > 1:
        verdict.find(run.seed, "doubled", f"{len(world.accepted)} creates were accepted: {run}")
    if world.requests["POST /gen4_5/create"] > 1:
        verdict.find(run.seed, "repeated", f"the create was posted again: {run}")
    if len(images) > 1:
        verdict.find(run.seed, "uploads", f"the frame was uploaded {len(images)} times: {run}")
    with SqliteStore(folder / "data" / "ledger.sqlite3") as store:
        films = {each.id: each for of in Selection for each in await store.select(of)}
    if len(films) != 1:
        verdict.find(run.seed, "lost", f"the ledger holds {len(films)} films: {run}")
        return
    (film,) = films.values()
    if JoinMade.of(film) is None:
        is_unknown = film.state in (State.POSTING, State.UNCLEAR, State.UNKNOWN) and not world.accepted
        verdict.unclear += is_unknown
        if not is_unknown:
            verdict.find(run.seed, "lost", f"no film came of it, {film.state} {film.status}: {run}")
        return
    verdict.films += 1
    made = [task.artifacts[0] for task in world.accepted]
    sentence, verdict.parts = amiss(film, [world.assets[0], *made], world, folder / "data")
    if sentence is not None:
        verdict.find(run.seed, "partless", f"{sentence}: {run}")
