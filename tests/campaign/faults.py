"""Faults put back into the program, and how many runs the campaign needs to find each.

`python -m tests.campaign.faults [--name N] [--most 2000] [--seed 1]` copies the package to a temporary folder, puts one
fault into the copy, and lets a fresh interpreter, which has that folder first on its path, play the campaign's runs
until the first finding. It exits with 1 if a fault is not found within so many runs.

To add a fault, add an entry to `FAULTS`: its name, and the replacements that make it, each a file below `runway_mcp`,
a text that stands there exactly once, and what stands there instead. A replacement may make two changes in one file by
two entries. `test_faults.py` holds that every old text stands once, so a change of the program that touches one says so
at once. The copy is only ever run, never checked, so an unused name in it is no matter. Where the runs of the unchanged
program already find something, a fault is counted as found only by kinds of findings of its own: `kinds` names them.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "runway_mcp"


@dataclass(frozen=True)
class Change:
    """One replacement: in this file below the package, the old text, which stands there once, by the new one."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Fault:
    """A named fault: what is changed, and the kinds of findings that show it (any, if none are named)."""

    changes: tuple[Change, ...]
    kinds: tuple[str, ...] = ()


FAULTS: dict[str, Fault] = {
    "1: a told film makes room for another after two minutes": Fault(
        (
            Change(
                "tasks/intents.py",
                '            return intent.failure_kind == "moderated"\n        case _:\n',
                '            return intent.failure_kind == "moderated"\n'
                "        case State.ACCEPTED if intent.ended is not None:\n"
                "            return now - intent.ended < 120\n"
                "        case _:\n",
            ),
        ),
    ),
    "1: a moderated request is submitted again": Fault(
        (
            Change(
                "tasks/intents.py",
                '            return intent.failure_kind == "moderated"\n        case _:\n',
                "            return False\n        case _:\n",
            ),
        ),
    ),
    "2: a lapsed intent is left waiting, and its holder may still post": Fault(
        (
            Change(
                "tasks/transitions.py",
                "held = _held(wanted, found, now, token)\n",
                "held = _held(wanted, None, now, token)\n",
            ),
            Change(
                "tasks/transitions.py",
                "    if not _is_held(intent, now, claim):\n",
                "    if not _is_held(intent, 0.0, claim):\n",
            ),
        ),
    ),
    "3: a 429 is believed, and posted after without a look": Fault(
        (
            Change(
                "tasks/spend/posting.py",
                "        if answer.status is None:\n",
                "        if answer.status is None or isinstance(answer, Busy):\n",
            ),
            Change(
                "tasks/spend/submit.py",
                "            if not is_first and (",
                "            if not is_first and False and (",
            ),
        ),
    ),
    "4: a success without its film is told at once": Fault(
        (Change("runway/late_films.py", "GRACE_SECONDS = 60.0\n", "GRACE_SECONDS = 0.0\n"),),
    ),
    "5: a seed of ours that is given back makes another request": Fault(
        (
            Change(
                "tasks/store/sqlite/rows.py",
                "(idempotency_key = ? AND seed = ?)",
                "(idempotency_key = ? AND seed = -?)",
            ),
        ),
    ),
    "6: a refusal is believed without a look": Fault(
        (
            Change("tasks/spend/posting.py", "        if answer.status is None:\n", "        if True:\n"),
            Change(
                "tasks/spend/submit.py",
                "            if not is_first and (",
                "            if not is_first and False and (",
            ),
        ),
    ),
    "7: what is dated by upstream is compared with our own clock": Fault(
        (
            Change(
                "tasks/spend/matching.py",
                "    if seed not in (None, intent.seed) or _is_from_another(task, intent):\n",
                "    if seed not in (None, intent.seed) or _is_from_another(task, intent)"
                " or _is_older(task, intent):\n",
            ),
            Change(
                "tasks/spend/matching.py",
                "    if intent.reply_ref_generated and reference == intent.reply_ref:\n        return True\n",
                "    if intent.reply_ref_generated and reference == intent.reply_ref:\n"
                "        return not _is_older(task, intent)\n",
            ),
            Change(
                "tasks/spend/matching.py",
                "        if intent.reply_ref_generated or is_ours(",
                "        if is_ours(",
            ),
            Change(
                "tasks/spend/matching.py",
                "(intent.created - _CLOCK_SKEW if intent.posted is None else intent.posted - _BLUR)",
                "intent.created - _CLOCK_SKEW",
            ),
        ),
    ),
    "8: looking is closed although no look could read": Fault(
        (
            Change(
                "tasks/transitions.py",
                "(LOOKING_SECONDS if complete else BLIND_SECONDS)",
                "(LOOKING_SECONDS if complete else LOOKING_SECONDS)",
            ),
            Change(
                "tasks/spend/submit.py",
                "        closed = await self._dependencies.ledger.select(Selection.CLOSED_LATELY)\n",
                "        closed = ()\n",
            ),
        ),
    ),
    "9: an answer that names another task is believed": Fault(
        (
            Change(
                "tasks/spend/posting.py",
                "if contradicts(told, intent) else told",
                "if False and contradicts(told, intent) else told",
            ),
        ),
    ),
    "10: a running task with the caller's seed is taken although the scheduler does not list it": Fault(
        (
            Change(
                "tasks/spend/matching.py",
                "    return _fits(task, intent) and (task.is_terminal or task.task_id in running)\n",
                "    return _fits(task, intent)\n",
            ),
        ),
    ),
    "11: what a dead process left posting is looked for only at a start": Fault(
        (
            Change(
                "tasks/spend/reconcile.py",
                "                for intent in await self._dependencies.ledger.orphans():\n",
                "                for intent in ():\n",
            ),
        ),
    ),
    "11: the clip is read before the ledger is asked": Fault(
        (
            Change(
                "server/tools/extend_video.py",
                "    if earlier is not None:\n        answer = await answered_before(",
                "    if earlier is not None and await planned_extension(call, clip, spelling, deadline, dry=dry):\n"
                "        answer = await answered_before(",
            ),
        ),
    ),
    "11: a task that another intent owns can be taken": Fault(
        (
            Change(
                "tasks/store/sqlite/store.py",
                '            owner = _found(ledger, "task_id", task_id)\n',
                "            owner = None\n"
                '            taken = "UPDATE intents SET task_id = NULL WHERE task_id = ? AND id != ?"\n'
                "            ledger.execute(taken, (task_id, intent_id))\n",
            ),
            Change(
                "tasks/spend/matching.py",
                "    return owner is not None and owner.id != intent.id\n",
                "    return False\n",
            ),
            Change(
                "tasks/spend/posting.py",
                "if contradicts(told, intent) else told",
                "if False and contradicts(told, intent) else told",
            ),
        ),
    ),
    "no cap is checked": Fault(
        (Change("tasks/policy.py", "    if not cost:\n        return\n", "    return\n"),),
        kinds=("overspent",),
    ),
    "no quote is checked": Fault(
        (Change("tasks/policy.py", "    if not _is_valid(quote", "    if False and not _is_valid(quote"),),
        kinds=("overspent",),
    ),
    "a POST is repeated when its answer is lost": Fault(
        (
            Change(
                "tasks/spend/posting.py",
                "                told = await self._dependencies.client.submit(submission)\n",
                "                try:\n"
                "                    told = await self._dependencies.client.submit(submission)\n"
                "                except SubmitUnclear:\n"
                "                    told = await self._dependencies.client.submit(submission)\n",
            ),
        ),
        kinds=("repeated",),
    ),
}
"""The faults by name."""


@dataclass(frozen=True)
class Found:
    """After how many runs a fault was found (None: not at all), in how many seconds, and by which findings."""

    name: str
    runs: int | None
    seconds: float
    findings: tuple[str, ...]


def planted(fault: Fault, folder: Path) -> None:
    """Copies the package into a folder and puts the fault into the copy; raises `ValueError` if it does not fit."""
    copy = folder / PACKAGE
    shutil.copytree(ROOT / PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for change in fault.changes:
        file = copy / change.file
        text = file.read_text(encoding="utf-8")
        if text.count(change.old) != 1:
            raise ValueError(f"{change.file} has {text.count(change.old)} times: {change.old!r}")
        file.write_text(text.replace(change.old, change.new), encoding="utf-8")


def found(name: str, *, most: int, seed: int) -> Found:
    """Plays runs against a fault until it is found."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        planted(FAULTS[name], Path(place))
        path = os.pathsep.join([place, str(ROOT)])
        command = [sys.executable, "-m", "tests.campaign.faults", "--play", name, "--most", str(most)]
        played = subprocess.run(  # noqa: S603  our own interpreter and arguments
            [*command, "--seed", str(seed)],
            env={**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
            cwd=place,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    said = json.loads(played.stdout.splitlines()[-1])
    return Found(name, said["runs"], time.monotonic() - began, tuple(said["findings"]))


def _play(name: str, *, most: int, seed: int) -> None:
    """Plays in this interpreter, whose package has the fault, and says when it was found."""
    import runway_mcp  # noqa: PLC0415  likewise
    from tests.campaign.many import RUNS_PER_SEED, play_one, rare_collections, silence  # noqa: PLC0415  the parent process must not import the package

    if ROOT in Path(str(runway_mcp.__file__)).parents:
        raise RuntimeError(f"the package under test is {runway_mcp.__file__}, and not the copy with the fault")
    memory = Path("/dev/shm")  # noqa: S108  only where it exists
    told: dict[str, object] = {"runs": None, "findings": []}
    with silence(), rare_collections():
        for number in range(most):
            verdict = play_one(seed * RUNS_PER_SEED + number, memory if memory.is_dir() else None)
            kinds = FAULTS[name].kinds
            findings = [it for it in verdict.findings if not kinds or it.partition(":")[0] in kinds]
            if findings:
                told = {"runs": number + 1, "findings": sorted({it.partition(":")[0] for it in verdict.findings})}
                break
    sys.stdout.write(json.dumps(told) + "\n")


def main() -> int:
    """Puts the faults back, one after the other, and prints a table of what each took to find."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign.faults", description=__doc__)
    parser.add_argument("--name", choices=sorted(FAULTS), help="this fault alone")
    parser.add_argument("--most", type=int, default=2000, help="give up after so many runs (default: 2000)")
    parser.add_argument("--seed", type=int, default=1, help="what the runs are drawn from (default: 1)")
    parser.add_argument("--play", choices=sorted(FAULTS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.play:
        _play(arguments.play, most=arguments.most, seed=arguments.seed)
        return 0
    missed = False
    sys.stdout.write("| fault | runs until found | findings | seconds |\n|---|---:|---|---:|\n")
    for name in [arguments.name] if arguments.name else FAULTS:
        it = found(name, most=arguments.most, seed=arguments.seed)
        missed |= it.runs is None
        runs = f"not in {arguments.most:,}" if it.runs is None else f"{it.runs:,}"
        sys.stdout.write(f"| {name} | {runs} | {', '.join(it.findings)} | {it.seconds:.0f} |\n")
        sys.stdout.flush()
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
