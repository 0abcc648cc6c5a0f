"""Campaigns of runs, several scenes at once, and the report of what they came to."""

import logging
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import anyio

from runway_mcp.tasks.store.protocol import LEASE_SECONDS
from tests.store.machines.databases import Standby
from tests.store.machines.judge import LONGEST_UNFOLLOWED
from tests.store.machines.runs import Run, play
from tests.store.machines.scene import scene

# After so many runs a scene is built anew.
_RUNS_PER_SCENE = 25


async def _campaign(seeds: Sequence[int], *, standby: Standby | None) -> list[Run]:
    """Plays the runs of these seeds on one scene, one after the other."""
    played: list[Run] = []
    async with scene(standby=standby) as shared:
        for seed in seeds:
            run = await play(shared, seed)
            played.append(run)
            sys.stdout.write("".join(f"seed {run.seed}: {told}\n" for told in run.found or ["nothing found"]))
            sys.stdout.flush()
    return played


def _campaign_of(seeds: Sequence[int], *, standby: Standby | None) -> list[Run]:
    """The same for a process of its own; what breaks the scene itself is found at the first seed."""
    logging.disable(logging.CRITICAL)
    try:
        return anyio.run(partial(_campaign, seeds, standby=standby))
    except Exception as error:  # noqa: BLE001  other scenes are to go on
        told = f"the scene broke: {error!r}"
        sys.stdout.write(f"seeds {seeds[0]} to {seeds[-1]}: {told}\n")
        return [Run(seeds[0], found=[told])]


def campaign(runs: int, seed: int, *, workers: int = 1, standby: Standby | None = None) -> list[Run]:
    """Plays so many runs from a seed on, `workers` scenes at once, each in a process of its own."""
    size = min(_RUNS_PER_SCENE, -(-runs // workers))
    shares = [range(begin, min(begin + size, seed + runs)) for begin in range(seed, seed + runs, size)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as processes:
        played = processes.map(partial(_campaign_of, standby=standby), shares)
        return [run for share in played for run in share]


def report(played: Sequence[Run]) -> str:
    """What a campaign came to, in lines."""
    counts = sorted(sum((run.counts for run in played), Counter[str]()).items())
    lines = [f"{count:8} {name}" for name, count in counts]
    starved = max((run.starved for run in played), default=0.0)
    unfollowed = sorted(seconds for run in played for seconds in run.unfollowed)
    if unfollowed:
        middle, most = unfollowed[len(unfollowed) // 2], unfollowed[-1]
        above = sum(seconds > LEASE_SECONDS for seconds in unfollowed)
        lines += [
            f"Ends of {len(unfollowed)} tasks were known {middle:.1f} s (median) and {most:.1f} s (longest) after they",
            f"could; {above} after more than {LEASE_SECONDS:.0f} s (a lease), of {LONGEST_UNFOLLOWED:.0f} s allowed.",
            f"In no run were the processes ready for a processor, and without one, for longer than {starved:.1f} s.",
        ]
    lines += [f"seed {run.seed}: {told}" for run in played for told in run.found]
    findings = sum(len(run.found) for run in played)
    slowest = max((run.slowest for run in played), default=0.0)
    lines.append(f"{len(played)} runs, {findings} findings, all ends known {slowest:.0f} s after the faults")
    return "\n".join(lines)
