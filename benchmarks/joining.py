"""Joining two clips of 10 s and 720p: by copy, its proof, in another encoding, and what that holds up meanwhile.

    python -m benchmarks.joining [--rounds N] [--write]

Prints the figures and whether the promises hold; exits with 1 if one does not. All of it is real time on this machine,
so run it while nothing else is. `--write` puts the result into docs/performance.md.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median

import anyio
from anyio import CapacityLimiter

from benchmarks.keeping import Promise, memory, p99, ticking, written_between
from runway_mcp.media.join.copying import copy_parts
from runway_mcp.media.join.doubled_frames import Step, step_over
from runway_mcp.media.join.encoding import encode_parts
from runway_mcp.media.join.joining import Joined, join_films
from runway_mcp.media.join.parts import read_part
from runway_mcp.media.join.verification import checksum, expected_copy, prove
from runway_mcp.media.pictures.start_frames import start_frame
from runway_mcp.simulator.media.clips import PaintedFilms
from runway_mcp.simulator.media.films import Film, Form, started_by

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_MARKS = ("<!-- joining: written by the benchmark -->", "<!-- joining: end -->")
_SECONDS = 10
_IDLE_SECONDS = 3.0
_MOST_COPY, _MOST_MEMORY, _MOST_PROOF, _MOST_LAG = 1.0, 60e6, 6.0, 0.05
_SCENES = 4


@dataclass(frozen=True)
class Taken:
    """What a step took: seconds by the clock, and of all processors together, which other programs change less."""

    clock: float
    work: float


@dataclass
class Figures:
    """What each round took; lags of the event loop in seconds; bytes of memory above idle; steps over seams."""

    copies: list["Taken"] = field(default_factory=list["Taken"])
    proofs: list["Taken"] = field(default_factory=list["Taken"])
    encodings: list["Taken"] = field(default_factory=list["Taken"])
    busy: list[float] = field(default_factory=list[float])
    idle: list[float] = field(default_factory=list[float])
    memory: int = 0
    same: list[Step] = field(default_factory=list[Step])
    moved: list[Step] = field(default_factory=list[Step])


def promises(figures: Figures) -> Iterator[Promise]:
    """What must hold of the figures."""
    copy, proof, encoding = map(_usual, (figures.copies, figures.proofs, figures.encodings))
    yield Promise("Joining two 10 s clips of 720p by copy: under a second", _told(copy), copy.clock < _MOST_COPY)
    yield Promise(
        "Peak memory of that join with its proof: within 60 MB of idle",
        f"{figures.memory / 1e6:.1f} MB above",
        figures.memory <= _MOST_MEMORY,
    )
    yield Promise("Its proof, frame by frame: under six seconds more", _told(proof), proof.clock < _MOST_PROOF)
    yield Promise(
        "In another encoding: faster than real time",
        f"{_told(encoding)}, for {2 * _SECONDS} s of film",
        encoding.clock < 2 * _SECONDS,
    )
    busy, idle = p99(figures.busy), p99(figures.idle)
    yield Promise(
        f"Other work of the loop: late by at most {1000 * _MOST_LAG:.0f} ms more than idle, at the 99th percentile",
        f"{1000 * busy:.1f} ms against {1000 * idle:.1f} ms, {1000 * max(figures.busy):.0f} ms at most",
        busy - idle <= _MOST_LAG,
    )
    yield Promise(
        "A first frame that is the one we sent is taken for it",
        f"{sum(step.is_none for step in figures.same)} of {len(figures.same)}, {_spread(figures.same)}",
        all(step.is_none for step in figures.same),
    )
    yield Promise(
        "One that has moved on by a frame is not",
        f"{sum(not step.is_none for step in figures.moved)} of {len(figures.moved)}, {_spread(figures.moved)}",
        not any(step.is_none for step in figures.moved),
    )


def section(figures: Figures) -> str:
    """The section of the page that tells all this."""
    rows = [f"| {each.what} | {each.measured} | {'yes' if each.holds else 'NO'} |" for each in promises(figures)]
    table = ["| must hold | measured | |", "|---|---|---|", *rows]
    told = "Written by `uv run python -m benchmarks.joining --write`."
    return "\n".join([_MARKS[0], "", told, "", *table, "", _MARKS[1]])


def clips(folder: Path) -> tuple[Path, Path, Path]:
    """Two clips that can be copied one behind the other, and one of another encoder."""
    films, film = PaintedFilms(), Film(0, _SECONDS, width=1280, height=720)
    wanted = (film, replace(film, scene=1), replace(film, scene=2, form=Form(encoder="other")))
    paths = [folder / f"clip-{number}.mp4" for number in range(len(wanted))]
    for path, each in zip(paths, wanted, strict=True):
        path.write_bytes(films.render(each))
    return paths[0], paths[1], paths[2]


async def measure(rounds: int, folder: Path) -> Figures:
    """All of it, round by round."""
    figures = Figures()
    one, two, other = clips(folder)
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        target = folder / f"film-{number}.mp4"
        figures.copies.append(timed(partial(copy_parts, [one, two], target, _go_on)))
        begins = copy_parts([one, two], folder / f"again-{number}.mp4", _go_on)
        expected = expected_copy([one, two], begins, _go_on)
        proof = partial(prove, target, expected, mark=checksum, same=bytes.__eq__, check=_go_on)
        figures.proofs.append(timed(proof))
        parts = [read_part(one), read_part(other)]
        encoded = folder / f"encoded-{number}.mp4"
        figures.encodings.append(timed(partial(encode_parts, parts, encoded, _go_on, _unseen)))
        async with ticking() as busy:
            await joined([one, two], folder / f"joined-{number}.mp4")
            await joined([one, other], folder / f"unlike-{number}.mp4")
        async with ticking() as idle:
            await anyio.sleep(_IDLE_SECONDS)
        figures.busy += busy.lags
        figures.idle += idle.lags
    await _measure_steps(figures, folder)
    return figures


async def _measure_steps(figures: Figures, folder: Path) -> None:
    """Steps from clips to films that begin with the frame that was sent, and with one a moment later."""
    films = PaintedFilms()
    for scene in range(_SCENES):
        say(f"seams, scene {scene + 1} of {_SCENES}")
        for width, height in ((1280, 720), (64, 36)):
            clip = folder / "before.mp4"
            clip.write_bytes(films.render(Film(scene, 1, width=width, height=height)))
            sent = await start_frame(clip, limiter=CapacityLimiter(1))
            for later, steps in ((False, figures.same), (True, figures.moved)):
                start = started_by(sent.png, later=later)
                after = folder / "after.mp4"
                after.write_bytes(films.render(Film(scene + 10, 1, width=width, height=height, start=start)))
                step = step_over(clip, after)
                if step is not None:
                    steps.append(step)


async def joined(parts: list[Path], target: Path) -> Joined:
    """The parts as one film, as the server makes it."""
    return await join_films(parts, target, limiter=CapacityLimiter(1), undouble=True)


def weigh(folder: Path) -> int:
    """How many bytes this process grows at most while it joins; run it in a process of its own.

    A small join goes before, so that all that an idle server has loaded is loaded.
    """
    small = [folder / "clip-0.mp4", folder / "clip-1.mp4"]
    read_part(small[0])
    before = memory("VmRSS")
    anyio.run(joined, small, folder / "weighed.mp4")
    return memory("VmHWM") - before


def main() -> int:
    """Runs it all from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.joining", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often (default: 3)")
    parser.add_argument("--write", action="store_true", help="write the result into docs/performance.md")
    parser.add_argument("--weigh", metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.weigh:
        sys.stdout.write(f"{weigh(arguments.weigh)}\n")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = anyio.run(partial(measure, arguments.rounds, folder))
        command = [sys.executable, "-m", "benchmarks.joining", "--weigh", name]
        figures.memory = int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)  # noqa: S603  our own
    text = section(figures)
    sys.stdout.write(f"{text}\n")
    if arguments.write:
        PAGE.write_text(written_between(_MARKS, PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    return 0 if all(promise.holds for promise in promises(figures)) else 1


def timed(step: Callable[[], object]) -> Taken:
    """What a step takes."""
    began, worked = time.perf_counter(), time.process_time()
    step()
    return Taken(time.perf_counter() - began, time.process_time() - worked)


def say(what: str) -> None:
    """Tells how far it is."""
    sys.stderr.write(f"{what}\n")


def _usual(taken: list[Taken]) -> Taken:
    return Taken(median(each.clock for each in taken), median(each.work for each in taken))


def _told(taken: Taken) -> str:
    return f"{taken.clock:.2f} s, {taken.work:.2f} s of processors"


def _spread(steps: list[Step]) -> str:
    apart = [step.apart for step in steps]
    limits = [step.limit for step in steps]
    return f"{min(apart):.2f} to {max(apart):.2f} apart where {min(limits):.2f} to {max(limits):.2f} count as none"


def _go_on() -> None:
    return


def _unseen(*_: object) -> None:
    return


if __name__ == "__main__":
    sys.exit(main())
