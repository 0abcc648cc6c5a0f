"""Random ends of whole servers, in real time: `python -m tests.store.machines --runs 50`.

Two server processes and one PostgreSQL, one stand-in for upstream. In each run three requests are made again and again
at either, while processes are killed or stand still, sessions are ended, connections cut, and the database is shut down
at once; with `--standby` it has a synchronous standby, which is promoted in each run. In the end there are no faults
any more, though perhaps one server alone, and each request is repeated: none may have been accepted twice or be without
an owner, and no end unknown for longer than one lease and a pause between reads, not counted for how long the processes
had no processor. Exits with 1 if anything was found.
"""

import argparse
import sys
from typing import get_args

from tests.store.machines.campaigns import campaign, report
from tests.store.machines.databases import Standby


def main() -> int:
    """Plays a campaign and prints what it came to."""
    parser = argparse.ArgumentParser(prog="python -m tests.store.machines", description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="how many scenes are played at once")
    parser.add_argument(
        "--standby",
        nargs="?",
        choices=get_args(Standby),
        const="synchronous",
        help="fail over to a standby in each run; to an asynchronous one to see the judge find what is forgotten",
    )
    asked = parser.parse_args()
    played = campaign(asked.runs, asked.seed, workers=asked.workers, standby=asked.standby)
    sys.stdout.write(f"{report(played)}\n")
    return any(run.found for run in played)


if __name__ == "__main__":
    sys.exit(main())
