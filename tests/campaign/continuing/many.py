"""Plays many runs over continuing, in several processes, beside those whose processes are programs."""

import shutil
import sys
import tempfile
import time
from concurrent.futures import as_completed
from pathlib import Path

from tests.campaign.continuing.draw import draw
from tests.campaign.continuing.play import Log, play
from tests.campaign.continuing.scenario import NOUGHT, Verdict
from tests.campaign.many import RUNS_PER_SEED, pool_of, rare_collections, silence

_BATCH = 20


def play_one(seed: int, folder: Path | None, log: Log = lambda _: None) -> Verdict:
    """Plays the run of a seed; one that does not come to an end counts as broken."""
    place = Path(tempfile.mkdtemp(dir=folder))
    try:
        return play(draw(seed), place, log=log)
    except Exception as error:  # noqa: BLE001  the campaign goes on, and the run is a finding
        verdict = Verdict(runs=1)
        verdict.find(seed, "broken", f"the run ended in {type(error).__name__}: {error}")
        return verdict
    finally:
        shutil.rmtree(place, ignore_errors=True)


def play_some(seeds: range, folder: Path | None) -> Verdict:
    """Plays the runs of these seeds, one after the other."""
    total = Verdict()
    with silence(), rare_collections():
        for seed in seeds:
            total.add(play_one(seed, folder))
    return total


def play_many(seed: int, runs: int, *, workers: int, folder: Path | None, tell: bool = False) -> Verdict:
    """Plays so many runs."""
    first, began, total = seed * RUNS_PER_SEED, time.monotonic(), Verdict()
    batches = [range(at, min(at + _BATCH, first + runs)) for at in range(first, first + runs, _BATCH)]
    if workers <= 1:
        for batch in batches:
            total.add(play_some(batch, folder))
        return total
    with pool_of(workers) as pool:
        for done in as_completed([pool.submit(play_some, batch, folder) for batch in batches]):
            total.add(done.result())
            if tell:
                failed, passed = len(total.findings), time.monotonic() - began
                sys.stderr.write(f"\r{total.runs:,} runs, {failed} findings, {passed:.0f} s ")
    return total


def is_clean(verdict: Verdict) -> bool:
    """Whether nothing was found."""
    return not verdict.findings and not any(getattr(verdict, name) for name in NOUGHT)
