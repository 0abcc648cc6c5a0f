"""Runs real clients against the real server: `scripts/hosts [--only NAME ...] [--cache DIR] [--markdown]`.

With `--installed` the hosts of the command line read what `install` writes, in place of all that. With `--times` the
clients start the server on stdio so many times, as it is installed here and by `uvx` from a wheel.

Everything runs on this machine against the stand-in; only packages come from outside, each client's into an
environment of its own. No model is called. Exits with 1 if a client failed at something that is not excused.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.hosts.clients import CLIENTS, Client
from tests.hosts.driving import Row, driven
from tests.hosts.environments import installed
from tests.hosts.installing import run_installed
from tests.hosts.repeating import run_repeatedly
from tests.hosts.table import markdown, plain


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the clients that are named, or all of them, one after the other, and prints the table."""
    names = [client.name for client in CLIENTS]
    parser = argparse.ArgumentParser(prog="scripts/hosts", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", default=names, help=", ".join(names))
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the clients' environments here")
    parser.add_argument("--markdown", action="store_true", help="print the table as docs/hosts.md has it")
    parser.add_argument("--installed", action="store_true", help="try what `install` writes in command-line hosts")
    parser.add_argument("--times", type=int, metavar="N", help="connect over stdio so many times, each anew")
    asked = parser.parse_args(argv)
    chosen: list[str] = asked.only
    with TemporaryDirectory(prefix="hosts-", ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        cache: Path = (asked.cache or work / "cache").resolve()
        if asked.installed:
            lines = run_installed(chosen, cache, work)
            sys.stdout.writelines(f"{line}\n" for line in lines)
            return int(any(line.startswith("FAILED") for line in lines))
        if asked.times:
            lines = run_repeatedly([each for each in CLIENTS if each.name in chosen], asked.times, cache, work)
            sys.stdout.writelines(f"{line}\n" for line in lines)
            return int(any(line.startswith("FAILED") for line in lines))
        rows = [_row(client, cache, work / client.name) for client in CLIENTS if client.name in chosen]
    sys.stdout.write(f"{(markdown if asked.markdown else plain)(rows)}\n")
    faults = [fault for row in rows for fault in row.faults()]
    sys.stdout.writelines(f"FAILED  {fault}\n" for fault in faults)
    return int(bool(faults))


def _row(client: Client, cache: Path, folder: Path) -> Row:
    begun = time.monotonic()
    try:
        program = installed(client, cache)
        ready = time.monotonic()
        row = driven(client, program, folder)
    except (RuntimeError, OSError) as error:
        return Row(client, fault=str(error))
    _say(f"{client.name} {client.version}: set up in {ready - begun:.0f} s, run in {time.monotonic() - ready:.0f} s")
    return row


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
