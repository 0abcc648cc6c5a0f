"""Holds the real server to the official suites: `python -m tests.suites [conformance inspector hosts probe]`.

Everything runs on this machine against the stand-in; only Node's packages come from outside. Exits with 1 if anything
failed.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.suites import conformance, hosts, inspector, probe
from tests.suites.node import Node, installed

GATES: dict[str, Callable[[Node, Path], bool]] = {
    "conformance": conformance.checked,
    "inspector": inspector.checked,
    "hosts": hosts.checked,
    "probe": probe.checked,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the gates that are named, or all of them, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.suites", description=__doc__)
    parser.add_argument("gates", nargs="*", metavar="GATE", help=", ".join(GATES))
    chosen: list[str] = parser.parse_args(argv).gates or list(GATES)
    if unknown := [name for name in chosen if name not in GATES]:
        parser.error(f"there is no {unknown[0]}, only {', '.join(GATES)}")
    began = time.monotonic()
    with TemporaryDirectory(prefix="suites-") as folder:
        work = Path(folder)
        modules = work / "node"
        modules.mkdir()
        node = installed(modules)
        _say(f"Node's packages are installed (after {time.monotonic() - began:.0f} s)")
        held = {name: _ran(name, node, work, began) for name in chosen}
    return int(not all(held.values()))


def _ran(name: str, node: Node, work: Path, began: float) -> bool:
    place = work / name
    place.mkdir()
    _say(f"{name}:")
    held = GATES[name](node, place)
    _say(f"{name} {'holds' if held else 'FAILED'} (after {time.monotonic() - began:.0f} s)")
    return held


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
