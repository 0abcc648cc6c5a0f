"""Following tasks, side by side: ours, and one GET per task every five seconds and every two.

    python -m benchmarks.following [--quick] [--seed N] [--write]

Prints what each way costs and how soon it notices an end, and whether the promises hold; exits with 1 if one does not.
Reads and delays are counted on virtual time, so a seed always gives the same figures; memory and lag are measured in
real time and differ from machine to machine. `--quick` plays a few short scenes, on virtual time only. `--write` puts
the result into docs/performance.md.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import hypot
from pathlib import Path

from benchmarks.outage import Outage, suffer
from benchmarks.scenes import LONGEST, SHORTEST, TRIP, Callbacks, Measures, Scene, play
from benchmarks.ways import POLL, loop, ours
from benchmarks.weight import Weight, weigh
from runway_mcp.runway.client import LARGEST_PAGE

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_MARKS = ("<!-- following: written by the benchmark -->", "<!-- following: end -->")

_BY_CHANCE = 3.0
"""Medians that differ by no more than so many standard errors do not differ."""

_MANY = Scene(1000, 100)


@dataclass(frozen=True)
class Promise:
    """Something that must hold: what, and what was measured."""

    what: str
    measured: str
    holds: bool


@dataclass
class Results:
    """The measures of all scenes, by scene; the loops' by tasks and pause."""

    ours: dict[Scene, Measures] = field(default_factory=dict[Scene, Measures])
    loops: dict[tuple[int, float], Measures] = field(default_factory=dict[tuple[int, float], Measures])
    outage: Outage | None = None
    weights: dict[int, Weight] = field(default_factory=dict[int, Weight])

    def fewer(self, scene: Scene) -> float:
        """How many times fewer reads we need than the loop of five seconds."""
        return self.loops[scene.tasks, 5.0].reads_per_task / self.ours[scene].reads_per_task


def scenes(seed: int, *, quick: bool) -> Iterator[Scene]:
    """What is played: all forms of the ratio and all fates of callbacks for few tasks, the telling ones for many."""
    lengths = {1: 2_000.0, 10: 900.0, 100: 60.0} if quick else {1: 20_000.0, 10: 8_000.0, 100: 600.0}
    warm = 120.0 if quick else 300.0
    for tasks, in_full in ((1, not quick), (10, not quick), (100, False)):
        scene = Scene(tasks, seconds=lengths[tasks], warm=warm, seed=seed)
        forms = ("even", "coarse", "stalling", "null") if in_full else ("even", "stalling", "null")
        fates: tuple[Callbacks, ...] = ("once", "changes", "a tenth lost", "all lost")
        yield from (replace(scene, ratios=form) for form in forms)
        yield from (replace(scene, callbacks=fate) for fate in (fates if in_full else fates[:2]))
    scene = Scene(100, 10, seconds=lengths[100], warm=warm, seed=seed)
    yield from (scene, replace(scene, callbacks="once"))
    if not quick:
        scene = Scene(1000, 100, seconds=120.0, warm=60.0, seed=seed)
        yield from (scene, replace(scene, callbacks="once"), replace(scene, accounts=1))


def run(seed: int, *, quick: bool) -> Results:
    """Plays everything; with `quick`, neither the largest scenes nor those in real time."""
    results, pauses = Results(), (5.0,) if quick else (5.0, 2.0)
    for scene in scenes(seed, quick=quick):
        _say(f"{scene.tasks} tasks on {scene.accounts}, ratio {scene.ratios}, callbacks {scene.callbacks}")
        results.ours[scene] = play(scene, ours)
        for pause in () if (scene.tasks, 5.0) in results.loops else pauses:
            _say(f"{scene.tasks} tasks, one GET each every {pause:g} s")
            results.loops[scene.tasks, pause] = play(scene, loop(pause))
    if not quick:
        _say("an outage")
        results.outage = suffer(replace(_MANY, seed=seed))
        for accounts in (100, 1):
            _say(f"memory and lag, 1,000 tasks on {accounts}")
            results.weights[accounts] = weigh(replace(_MANY, accounts=accounts, seed=seed), seconds=10.0)
    return results


def promises(results: Results) -> Iterator[Promise]:
    """What must hold of the results."""
    polled = [scene for scene in results.ours if scene.callbacks == "none"]
    called = [scene for scene in results.ours if scene.callbacks in ("once", "changes")]
    yield _alone(results, [scene for scene in polled if scene.tasks == 1])
    yield _fewer(results, [scene for scene in polled if (scene.tasks, scene.accounts) == (10, 1)], 8.0, compare=True)
    yield _fewer(results, [scene for scene in polled if (scene.tasks, scene.accounts) == (100, 1)], 20.0, compare=False)
    yield from _per_account(results, polled)
    listed = [scene for scene in polled if scene.tasks <= scene.accounts * LARGEST_PAGE]
    worst = max(results.ours[scene].median for scene in listed if scene.ratios != "null")
    yield Promise(
        f"Where a ratio is reported and a page holds what runs, the median delay is at most {1.5 * POLL:g} s",
        f"{worst:.2f} s",
        worst <= 1.5 * POLL,
    )
    delay = max(results.ours[scene].median for scene in called)
    reads = max(results.ours[scene].reads_per_task for scene in called)
    yield Promise(
        "With callbacks, the median delay is under 0.2 s, at most 3 reads per task",
        f"{delay:.2f} s, {reads:.2f} reads",
        delay < 0.2 and reads <= 3.0,  # noqa: PLR2004  the promise's own figures
    )
    yield from _in_bulk(results)


def table(results: Results) -> Iterator[str]:
    """The measures as lines of Markdown."""
    yield "| tasks | accounts | way | ratio | callbacks | reads per task | 5 s loop's / these | median delay | p99 |"
    yield "|---:|---:|---|---|---|---:|---:|---:|---:|"
    told: set[int] = set()
    for scene, measured in results.ours.items():
        baseline = results.loops[scene.tasks, 5.0]
        loops = (
            {} if scene.tasks in told else {key: each for key, each in results.loops.items() if key[0] == scene.tasks}
        )
        told.add(scene.tasks)
        for (_, pause), theirs in loops.items():
            yield f"| {scene.tasks:,} | any | GET each, {pause:g} s | any | none | {_figures(theirs, baseline)} |"
        way = f"| {scene.tasks:,} | {scene.accounts} | ours | {scene.ratios} | {scene.callbacks} |"
        yield f"{way} {_figures(measured, baseline)} |"


def section(results: Results, seed: int) -> str:
    """The section of the page that tells all this."""
    how = (
        f"Written by `uv run python -m benchmarks.following --seed {seed} --write`. Tasks take {SHORTEST:g} to "
        f"{LONGEST:g} s, evenly spread, and each finished one is replaced; the poll interval is {POLL:g} s; every "
        f"request, answer and callback is {TRIP:g} s on its way. Delays are from a task's end to its notice."
    )
    lines = [
        _MARKS[0],
        "",
        how,
        "",
        "| must hold | measured | |",
        "|---|---|---|",
        *(f"| {each.what} | {each.measured} | {'yes' if each.holds else 'NO'} |" for each in promises(results)),
        "",
        *table(results),
        "",
    ]
    for accounts, weight in results.weights.items():
        median, p99, longest = (f"{1000 * lag:.1f} ms" for lag in weight.lag)
        where = "one account" if accounts == 1 else f"{accounts} accounts"
        lines.append(
            f"1,000 tasks on {where}, each with a waiting caller: {weight.memory / 1000:.1f} kB of memory per task at "
            f"the peak; the event loop late by {median} in the median, {p99} at the 99th percentile, {longest} at most."
        )
    return "\n".join([*lines, "", _MARKS[1]])


def written(page: str, text: str) -> str:
    """The page with its section replaced."""
    begin, end = map(re.escape, _MARKS)
    return re.sub(f"{begin}.*{end}", lambda _: text, page, flags=re.DOTALL)


def main() -> int:
    """Runs it all from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.following", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few short scenes")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other tasks (default: 1)")
    parser.add_argument("--write", action="store_true", help="write the result into docs/performance.md")
    arguments = parser.parse_args()
    results = run(arguments.seed, quick=arguments.quick)
    text = section(results, arguments.seed)
    sys.stdout.write(f"{text}\n")
    if arguments.write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    return 0 if all(promise.holds for promise in promises(results)) else 1


def _alone(results: Results, alone: list[Scene]) -> Promise:
    loops = results.loops[1, 5.0]
    reads = max(results.ours[scene].reads_per_task for scene in alone)
    delay = next(results.ours[scene].median for scene in alone if scene.ratios == "even")
    return Promise(
        "One task alone: no more reads than the 5 s loop, noticed sooner where a ratio is reported",
        f"{reads:.1f} reads at most against {loops.reads_per_task:.1f}, {delay:.2f} s against {loops.median:.2f} s",
        reads <= loops.reads_per_task and delay < loops.median,
    )


def _fewer(results: Results, together: list[Scene], times: float, *, compare: bool) -> Promise:
    """At least so many times fewer reads; to compare, at a median delay that is no worse but by chance."""
    tasks = together[0].tasks
    fewest = min(results.fewer(scene) for scene in together)
    worst = max((results.ours[scene] for scene in together), key=lambda measured: measured.median)
    theirs = results.loops[tasks, 5.0]
    what = f"{tasks} tasks on one account: at least {times:g} times fewer reads than the 5 s loop"
    if not compare:
        return Promise(what, f"{fewest:.1f} times", fewest >= times)
    chance = _BY_CHANCE * hypot(worst.error, theirs.error)
    return Promise(
        f"{what}, at a median delay no worse",
        f"{fewest:.1f} times, {worst.median:.2f} s at worst against {theirs.median:.2f} s, ±{chance:.2f} s by chance",
        fewest >= times and worst.median <= theirs.median + chance,
    )


def _per_account(results: Results, polled: list[Scene]) -> Iterator[Promise]:
    """Whether accounts of ten tasks each save as much as one does."""
    savings = {
        scene.accounts: results.fewer(scene)
        for scene in polled
        if scene.tasks == 10 * scene.accounts and scene.ratios == "even"
    }
    most = max(savings)
    yield Promise(
        f"{most} accounts of 10 tasks: the same saving per account as for one",
        f"{savings[most]:.1f} times against {savings[1]:.1f} times",
        savings[most] >= 0.9 * savings[1],
    )


def _in_bulk(results: Results) -> Iterator[Promise]:
    if results.weights:
        memory = max(weight.memory for weight in results.weights.values())
        lag = max(weight.lag[1] for weight in results.weights.values())
        yield Promise(
            "1,000 tasks in one process: under 20 kB each, loop lag under 50 ms at the 99th percentile",
            f"{memory / 1000:.1f} kB, {1000 * lag:.1f} ms",
            memory < 20_000 and lag < 0.05,  # noqa: PLR2004  the promise's own figures
        )
    outage = results.outage
    if outage is not None:
        yield Promise(
            "An upstream that answers nothing for ten minutes loses no task and is not stormed on recovery",
            f"{outage.lost} of {_MANY.tasks:,} lost, the last noticed {outage.recovered:.0f} s after the recovery; "
            f"{outage.reads} reads of an account meanwhile, then never two within {outage.closest:.1f} s and at most "
            f"{outage.busiest_after} in a second on {_MANY.accounts} accounts",
            not outage.lost and outage.closest >= POLL and outage.busiest_after <= outage.busiest_before,
        )


def _figures(measures: Measures, baseline: Measures) -> str:
    times = baseline.reads_per_task / measures.reads_per_task
    return f"{measures.reads_per_task:.2f} | {times:.1f} | {measures.median:.2f} s | {measures.p99:.2f} s"


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")


if __name__ == "__main__":
    sys.exit(main())
