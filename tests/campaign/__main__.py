"""The campaign as a command: `python -m tests.campaign --runs 10000 --seed 1`; exits with 1 if anything was found.

`--only SEED` replays one run alone, with a log of its events; `--only-kill SEED`, `--only-stop SEED` and
`--only-real SEED` one of the runs with real processes. `--path continue` plays runs over continuing instead; there
`--real` are programs that are killed.
"""

import argparse
import json
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.campaign.continuing import many as continuing
from tests.campaign.many import REAL, Tally, play_many, play_one, pool_of, real_runs, silence
from tests.campaign.report import Report

# The ledger asks the disk to keep each write; where memory passes for a disk, that costs nothing.
_MEMORY = Path("/dev/shm")  # noqa: S108  only the default, where it exists


def main() -> int:
    """Plays a campaign, or replays a run of one."""
    arguments = _parser().parse_args()
    if arguments.path == "continue":
        return continuing.run(arguments, tell=not arguments.markdown)
    if arguments.only is not None:
        return _replay(arguments.only, arguments.folder)
    for name in REAL:
        alone = getattr(arguments, f"only_{name}")
        if alone is not None:
            tally = real_runs(name, alone, 1, arguments.folder)
            _say(str(tally))
            return bool(tally.failed)
    report = campaign(
        runs=arguments.runs,
        seed=arguments.seed,
        real={name: getattr(arguments, f"{name}s" if name != "real" else name) for name in REAL},
        workers=arguments.workers,
        folder=arguments.folder,
        quiet=arguments.markdown,
    )
    _say(report.markdown() if arguments.markdown else report.plain())
    return not report.is_clean


def campaign(
    *, runs: int, seed: int, real: dict[str, int], workers: int, folder: Path | None, quiet: bool = True
) -> Report:
    """Plays so many runs, and beside them, in a process of their own, those with real processes."""
    began = time.monotonic()
    wanted = {name: count for name, count in real.items() if count}
    with ExitStack() as stack:
        pool = stack.enter_context(pool_of(1)) if wanted else None
        playing = [
            (name, pool.submit(real_runs, name, seed * 100_000, count, folder))
            for name, count in wanted.items()
            if pool is not None
        ]
        tally = play_many(seed, runs, workers=workers, folder=folder, tell=_silent if quiet else _tell)
        played = {name: each.result() for name, each in playing}
    options = "".join(f" --{name if name == 'real' else f'{name}s'} {count}" for name, count in wanted.items())
    command = f"python -m tests.campaign --runs {runs} --seed {seed}{options}"
    return Report(command, tally, time.monotonic() - began, played)


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
    paths = ("extend", "continue")
    parser.add_argument("--path", choices=paths, default="extend", help="what is submitted (default: extend)")
    parser.add_argument("--runs", type=int, default=1000, help="how many runs on virtual time (default: 1000)")
    parser.add_argument("--seed", type=int, default=1, help="what all is drawn from (default: 1)")
    parser.add_argument("--kills", type=int, default=0, help="how many kills of the real server (default: none)")
    parser.add_argument("--stops", type=int, default=0, help="how many stops of the real server (default: none)")
    parser.add_argument("--real", type=int, default=0, help="how many runs over real pipes and sockets (default: none)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes to play in")
    folder = _MEMORY if _MEMORY.is_dir() else None
    parser.add_argument("--folder", type=Path, default=folder, help="where ledgers are written (default: memory)")
    parser.add_argument("--markdown", action="store_true", help="print the summary as Markdown")
    parser.add_argument("--only", type=int, metavar="SEED", help="replay this run alone, with a log of its events")
    for name in REAL:
        parser.add_argument(f"--only-{name}", type=int, metavar="SEED", help=f"replay this {name} alone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
