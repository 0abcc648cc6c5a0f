"""Plays many runs over continuing, in several processes, beside those whose processes are programs."""

import shutil
import sys
import tempfile
import time
from argparse import Namespace
from concurrent.futures import as_completed
from contextlib import ExitStack
from pathlib import Path

from tests.campaign.continuing.draw import draw
from tests.campaign.continuing.play import Log, play
from tests.campaign.continuing.real import real_many
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


def run(asked: Namespace, *, tell: bool) -> int:
    """Plays what the campaign's command line asks for; 1 if anything was found."""
    folder: Path | None = asked.folder
    only: int | None = asked.only
    if not (only is None and asked.only_real is None):
        with silence():
            is_real = only is None
            total = real_many(asked.only_real, 1, folder) if is_real else play_one(only, folder, log=_say)
        _say(total.plain())
        return not is_clean(total)
    total, real = campaign(asked.seed, asked.runs, asked.real, workers=asked.workers, folder=folder, tell=tell)
    for title, verdict in (("runs on virtual time", total), ("runs with programs that are killed", real)):
        if verdict.runs:
            _say(f"{title}\n\n{verdict.plain()}\n")
    _say(f"repeat with: python -m tests.campaign --path continue --runs {asked.runs} --seed {asked.seed}")
    return not (is_clean(total) and is_clean(real))


def campaign(
    seed: int, runs: int, real: int, *, workers: int, folder: Path | None, tell: bool = False
) -> tuple[Verdict, Verdict]:
    """Plays so many runs on virtual time, and beside them so many whose processes are programs."""
    with ExitStack() as stack:
        pool = stack.enter_context(pool_of(1)) if real else None
        playing = pool.submit(real_many, seed * 100_000, real, folder) if pool is not None else None
        total = play_many(seed, runs, workers=workers, folder=folder, tell=tell)
        return total, playing.result() if playing is not None else Verdict()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def is_clean(verdict: Verdict) -> bool:
    """Whether nothing was found."""
    return not verdict.findings and not any(getattr(verdict, name) for name in NOUGHT)
