"""Plays many runs, in several processes, and adds up what they came to."""

import gc
import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any

from tests.campaign.draw import draw
from tests.campaign.facts import NOUGHT, Verdict
from tests.campaign.play import play

# The runs of a seed are numbered from this multiple of it on.
RUNS_PER_SEED = 1_000_000
# How many runs a process plays before it reports.
_BATCH = 50
# How often a process looks whether it is an orphan.
_LOOK_SECONDS = 3.0

Tell = Callable[["Tally", float], None]
"""Hears how far a campaign has come, with the seconds that passed."""


REAL = {
    "kill": ("tests.campaign.kills", "kill_many"),
    "stop": ("tests.campaign.stops", "stop_many"),
    "real": ("tests.campaign.real", "real_many"),
}
"""What runs with real processes are played by: a module, and its function of a seed, how many, and a folder."""


@dataclass
class Tally:
    """What so many runs came to: the verdicts added up, and the seeds of those that found something."""

    runs: int = 0
    total: Verdict = field(default_factory=Verdict)
    failed: list[tuple[int, list[str]]] = field(default_factory=list[tuple[int, list[str]]])

    def add(self, seed: int, verdict: Verdict) -> None:
        """Adds one run."""
        self.runs += 1
        self.total.add(verdict)
        if verdict.findings:
            self.failed.append((seed, verdict.findings))

    def join(self, other: "Tally") -> None:
        """Adds what another process played."""
        self.runs += other.runs
        self.total.add(other.total)
        self.failed += other.failed

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.failed and not any(getattr(self.total, name) for name in NOUGHT)


def play_one(seed: int, folder: Path | None, log: Callable[[str], None] = lambda _: None) -> Verdict:
    """Plays the run of a seed; a run that does not come to an end counts as broken."""
    place = Path(tempfile.mkdtemp(dir=folder))
    try:
        return play(draw(seed), place, log=log)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  the campaign goes on, and the run is a finding
        return Verdict(broken=1, findings=[f"broken: the run ended in {type(error).__name__}: {error}"])
    finally:
        shutil.rmtree(place, ignore_errors=True)


def play_some(seeds: range, folder: Path | None) -> Tally:
    """Plays the runs of these seeds, one after the other."""
    tally = Tally()
    with silence(), rare_collections():
        for seed in seeds:
            tally.add(seed, play_one(seed, folder))
    return tally


def pool_of(workers: int) -> ProcessPoolExecutor:
    """Processes that play; they end soon after this one, however it ends."""
    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=_end_with, initargs=(os.getpid(),))


def _end_with(parent: int) -> None:
    """Ends this process once it is an orphan; looks by a timer, since a process that forks must have no threads."""

    def look(_: int, __: FrameType | None) -> None:
        if os.getppid() != parent:
            os._exit(1)

    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, look)
        signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)


@contextmanager
def silence() -> Generator[None]:
    """Keeps the rooms from logging the troubles that they are meant to meet."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def rare_collections() -> Generator[None]:
    """Looks for garbage less often, which saves a sixth of the time of runs that make much of it."""
    before = gc.get_threshold()
    gc.set_threshold(20_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def real_runs(name: str, seed: int, count: int, folder: Path | None) -> Any:
    """The tally of so many runs with real processes."""
    module, function = REAL[name]
    many: Callable[[int, int, Path | None], Any] = getattr(import_module(module), function)
    return many(seed, count, folder)


def play_many(seed: int, runs: int, *, workers: int, folder: Path | None, tell: Tell) -> Tally:
    """Plays so many runs, and tells after each batch how far it has come."""
    first = seed * RUNS_PER_SEED
    began = time.monotonic()
    tally = Tally()
    batches = [range(at, min(at + _BATCH, first + runs)) for at in range(first, first + runs, _BATCH)]
    for done in _in_processes(batches, workers, folder):
        tally.join(done)
        tell(tally, time.monotonic() - began)
    tally.failed.sort()
    return tally


def _in_processes(batches: list[range], workers: int, folder: Path | None) -> Iterator[Tally]:
    if workers <= 1:
        for batch in batches:
            yield play_some(batch, folder)
        return
    with pool_of(workers) as pool:
        playing: list[Future[Tally]] = [pool.submit(play_some, batch, folder) for batch in batches]
        for done in as_completed(playing):
            yield done.result()
