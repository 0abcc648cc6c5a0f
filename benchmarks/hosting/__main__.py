"""Benchmarks of a hosted server, side by side with the bare SDK's server where there is one to compare with.

    python -m benchmarks.hosting [--only cpu|replicas|streams|soak] [--pairs N] [--calls N] [--minutes N] [--write]

Prints the figures and whether the promises hold; exits with 1 if one does not. Needs PostgreSQL on this machine.
`--write` puts each part into docs/performance.md.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.hosting import cpu
from benchmarks.pairs import PAGE, moment, section, table, written

PARTS = ("cpu",)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--calls", type=int, default=320)
    parser.add_argument("--only")
    parser.add_argument("--minutes", type=float, default=10)
    a = parser.parse_args()
    loads = []
    if a.only == "soak":
        from benchmarks.hosting import soak
        with tempfile.TemporaryDirectory() as folder:
            f = soak.measure(Path(folder), minutes=a.minutes)
        for p in soak.promises(f): print(p)
        print(*soak.lines(f)); print(f.descriptors); print(f.failed[:20])
        return 0
    with tempfile.TemporaryDirectory() as folder:
        figures = cpu.measure(Path(folder), pairs=a.pairs, calls=a.calls, loads=loads)
    print("\n".join(table(cpu.rows(figures))), moment(loads+[os.getloadavg()[0]]))
    return 0

if __name__ == "__main__":
    sys.exit(main())
