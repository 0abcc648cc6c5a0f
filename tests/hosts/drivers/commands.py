"""Running a command-line host to its end, and telling whether it says that it has connected."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from conversation import ASKED, tell

SECONDS = 100
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def program(package: str) -> str:
    """The executable of the package for this machine; the scripts that would put it elsewhere have not run."""
    found = sorted(path for path in Path(ASKED["folder"], "node_modules").glob(package) if os.access(path, os.X_OK))
    if not found:
        raise LookupError(f"{package} is not installed for this machine")
    return str(found[0])


def script(path: str) -> list[str]:
    """The command of a host that is written in JavaScript."""
    return [shutil.which("node") or "node", str(Path(ASKED["folder"], "node_modules", path))]


def ran(command: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """What a command printed, without colours; raises RuntimeError if it failed."""
    ended = subprocess.run(  # noqa: S603 - the hosts' own commands
        command,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    said = _COLOURS.sub("", ended.stdout + ended.stderr)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]} ended with {ended.returncode}: {said}")
    return said


def connects(said: str, sign: str) -> None:
    """Tells that the host has connected, if a line about our server has its sign for that."""
    ours = [line for line in said.splitlines() if "runway" in line]
    tell("connect", any(sign in line.lower() for line in ours), said)
