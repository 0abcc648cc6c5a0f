"""What runs against the real server came to, and the command line that plays them, in several processes on wish."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

from tests.campaign.evidence import Evidence, Finding
from tests.campaign.pipes import UpstreamProcess

NOUGHT = ("doubled", "repeated", "lost", "wrong", "unsettled", "lies", "overspent", "broken")
"""The counts that fail a campaign."""

# The ledger asks the disk to keep each write; where memory passes for a disk, that costs nothing.
_MEMORY = Path("/dev/shm")  # noqa: S108  only the default, where it exists
# So many findings of a run are printed.
_SHOWN = 3
_WIDTH = 260


@dataclass
class Tally:
    """What so many runs came to; `nothing` counts those in which upstream accepted nothing."""

    runs: int = 0
    strikes: Counter[str] = field(default_factory=Counter[str])
    calls: int = 0
    posts: int = 0
    accepted: int = 0
    found: int = 0
    doubled: int = 0
    repeated: int = 0
    lost: int = 0
    wrong: int = 0
    unsettled: int = 0
    lies: int = 0
    overspent: int = 0
    broken: int = 0
    nothing: int = 0
    seconds: float = 0.0
    failed: list[tuple[int, list[str]]] = field(default_factory=list[tuple[int, list[str]]])

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.failed and not any(getattr(self, name) for name in NOUGHT)

    def add(self, seed: int, strike: str, evidence: Evidence, found: Iterable[Finding]) -> None:
        """Adds a run: its evidence, and all that is wrong with it."""
        self.runs += 1
        self.strikes[strike] += 1
        ids = {post.task_id for post in evidence.accepted}
        self.calls += len(evidence.calls)
        self.posts += len(evidence.posts)
        self.accepted += len(evidence.accepted)
        self.found += len(ids & evidence.owned)
        self.nothing += not ids
        sentences: list[str] = []
        for kind, sentence in found:
            setattr(self, kind, getattr(self, kind) + 1)
            sentences.append(f"{kind}: {sentence}")
        if sentences:
            self.failed.append((seed, sentences))

    def join(self, other: "Tally") -> None:
        """Adds what another process played."""
        for name in ("runs", "calls", "posts", "accepted", "found", "nothing", "seconds", *NOUGHT):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.strikes.update(other.strikes)
        self.failed = sorted(self.failed + other.failed)

    def plain(self) -> str:
        """The tally for a terminal."""
        names = ("runs", "calls", "posts", "accepted", "found", "nothing", *NOUGHT)
        lines = [f"{name:<10} {getattr(self, name):>7,}" for name in names]
        lines += ["", *(f"{count:>7,} {strike}" for strike, count in sorted(self.strikes.items()))]
        for seed, found in self.failed:
            lines += [f"seed {seed} FAILED: {sentence[:_WIDTH]}" for sentence in found[:_SHOWN]]
        return "\n".join([*lines, f"{self.seconds:.0f} s of play"])


PlayOne = Callable[[int, UpstreamProcess, Path, Tally], None]
"""Plays the run of a seed on an empty folder and adds it to the tally."""


class PlayMany(Protocol):
    """Plays so many runs from a seed on, one after the other."""

    def __call__(self, seed: int, runs: int, folder: Path | None = None, /) -> Tally:
        """What they came to."""
        ...


def play_many(play_one: PlayOne, seed: int, runs: int, folder: Path | None) -> Tally:
    """Plays so many runs, one after the other, each on a folder of its own; ends early once its parent is gone.

    A run that cannot be played to its end counts as broken, and the others go on.
    """
    began, parent = time.monotonic(), os.getppid()
    tally = Tally()
    with closing(UpstreamProcess()) as upstream:
        for number in range(seed, seed + runs):
            if os.getppid() != parent:
                break
            place = Path(tempfile.mkdtemp(dir=folder))
            try:
                play_one(number, upstream, place, tally)
            except Exception as error:  # noqa: BLE001  whatever it is, it is a finding
                tally.runs += 1
                tally.broken += 1
                tally.failed.append((number, [f"broken: the run ended in {type(error).__name__}: {error}"]))
            finally:
                shutil.rmtree(place, ignore_errors=True)
    tally.seconds = time.monotonic() - began
    return tally


def play_beside(play: PlayMany, seed: int, runs: int, folder: Path | None, workers: int) -> Tally:
    """The same in several processes at once, since a run is mostly waits."""
    if workers <= 1:
        return play(seed, runs, folder)
    shares = [(seed + number * runs // workers, seed + (number + 1) * runs // workers) for number in range(workers)]
    tally = Tally()
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for share in [pool.submit(play, first, end - first, folder) for first, end in shares if end > first]:
            tally.join(share.result())
    return tally


def command(name: str, play: PlayMany) -> int:
    """Plays what the command line asks for; returns 1 if anything was found."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.campaign.{name}")
    parser.add_argument("--count", type=int, default=200, help="how many runs (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="what all is drawn from (default: 1)")
    parser.add_argument("--only", type=int, metavar="SEED", help="replay the run of this seed alone")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes to play in")
    folder = _MEMORY if _MEMORY.is_dir() else None
    parser.add_argument("--folder", type=Path, default=folder, help="where ledgers are written (default: memory)")
    asked = parser.parse_args()
    if asked.only is not None:
        tally = play(asked.only, 1, asked.folder)
    else:
        tally = play_beside(play, asked.seed * 100_000, asked.count, asked.folder, asked.workers)
    sys.stdout.write(f"{tally.plain()}\n")
    return not tally.is_clean
