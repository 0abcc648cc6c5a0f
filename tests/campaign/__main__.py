"""The campaign as a command: `python -m tests.campaign --runs 10000 --seed 1`; exits with 1 if anything was found.

`--only SEED` replays one run alone, with a log of its events; `--only-kill SEED` one kill.
"""

import argparse
import json
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.campaign.kills import KillTally, kill_many
from tests.campaign.many import Tally, play_many, play_one, pool_of, silence
from tests.campaign.report import Report

# The ledger asks the disk to keep each write; where memory passes for a disk, that costs nothing.
_MEMORY = Path("/dev/shm")  # noqa: S108  only the default, where it exists


def main() -> int:
    """Plays a campaign, or replays a run of one."""
    arguments = _parser().parse_args()
    if arguments.only is not None:
        return _replay(arguments.only, arguments.folder)
    if arguments.only_kill is not None:
        tally = kill_many(arguments.only_kill, 1, arguments.folder)
        _say(str(tally))
        return bool(tally.failed)
    report = campaign(
        runs=arguments.runs,
        seed=arguments.seed,
        kills=arguments.runs // 100 if arguments.kills is None else arguments.kills,
        workers=arguments.workers,
        folder=arguments.folder,
        quiet=arguments.markdown,
    )
    _say(report.markdown() if arguments.markdown else report.plain())
    return not report.is_clean


def campaign(*, runs: int, seed: int, kills: int, workers: int, folder: Path | None, quiet: bool = True) -> Report:
    """Plays so many runs and kills, the kills in a process of their own beside the first runs."""
    began = time.monotonic()
    with ExitStack() as stack:
        killing = None
        if kills:
            pool = stack.enter_context(pool_of(1))
            killing = pool.submit(kill_many, seed * 100_000, kills, folder)
        tally = play_many(seed, runs, workers=workers, folder=folder, tell=_silent if quiet else _tell)
        killed = killing.result() if killing else KillTally()
    command = f"python -m tests.campaign --runs {runs} --seed {seed} --kills {kills}"
    return Report(command, tally, killed, time.monotonic() - began)


def _replay(seed: int, folder: Path | None) -> int:
    with silence():
        verdict = play_one(seed, folder, log=_say)
    _say(json.dumps({name: value for name, value in vars(verdict).items() if name != "findings"}))
    return bool(verdict.findings)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _silent(_: Tally, __: float) -> None:
    return


def _tell(tally: Tally, seconds: float) -> None:
    sys.stderr.write(f"\r{tally.runs:,} runs, {len(tally.failed)} failed, {seconds:.0f} s ")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="how many runs in one process (default: 1000)")
    parser.add_argument("--seed", type=int, default=1, help="what all is drawn from (default: 1)")
    parser.add_argument("--kills", type=int, help="how many kills of the real server (default: one for 100 runs)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes to play in")
    folder = _MEMORY if _MEMORY.is_dir() else None
    parser.add_argument("--folder", type=Path, default=folder, help="where ledgers are written (default: memory)")
    parser.add_argument("--markdown", action="store_true", help="print the summary as Markdown")
    parser.add_argument("--only", type=int, metavar="SEED", help="replay this run alone, with a log of its events")
    parser.add_argument("--only-kill", type=int, metavar="SEED", help="replay this kill alone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
