"""What a host starts: an absolute path, the package with its extra, and the version; fetched beforehand."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from runway_mcp import __version__

PACKAGE: Final = "useapi-runway-mcp"
"""The name of the package, and of the program in it."""

RELEASE: Final = f"{PACKAGE}[media]=={__version__}"
"""The package as the index has it, with what pictures and joins need."""

_FETCH_SECONDS: Final = 600
_CACHED_SECONDS: Final = 60


class LauncherError(Exception):
    """The program cannot be started as an entry would say; the message is one line with the cause or the remedy.

    `is_absent` says that no index has the package, as for a version that was never released.
    """

    def __init__(self, line: str, *, is_absent: bool = False) -> None:
        super().__init__(line)
        self.is_absent = is_absent


@dataclass(frozen=True)
class Launcher:
    """A command and its arguments, as an entry has them."""

    command: str
    args: tuple[str, ...]


Runner = Callable[[Sequence[str], Mapping[str, str], float], tuple[int, str]]
"""Runs a command with more variables for some seconds; its exit code and what it said on stderr."""


def uvx_launcher(command: str = "uvx", package: str = RELEASE) -> Launcher:
    """The one way in which the server is started from the index, by `uvx`."""
    return Launcher(command, ("--from", package, PACKAGE))


def find_launchers(environ: Mapping[str, str], home: Path, *, scripts: Path | None = None) -> list[Launcher]:
    """What hosts on this machine may start, the best first: the release by uvx, and where this one was installed from.

    Without uvx it is this program itself. Apps with a window have a short PATH, so commands are absolute paths.
    `scripts` takes the place of the folder of this environment's programs. Raises `LauncherError` if there is neither.
    """
    scripts = scripts or Path(sysconfig.get_path("scripts"))
    uvx = _found("uvx", environ, home, scripts)
    if uvx:
        return [uvx_launcher(uvx, package) for package in (RELEASE, source()) if package]
    own = shutil.which(PACKAGE, path=str(scripts))
    if own is None or any(find_spec(module) is None for module in ("av", "PIL")):
        raise LauncherError("hosts start the program by uvx, which is not here: `pip install uv`, then try again")
    return [Launcher(str(Path(own).absolute()), ())]


def source() -> str | None:
    """The folder, file or repository that this program was installed from; None if it came from a package index."""
    try:
        told = distribution(PACKAGE).read_text("direct_url.json")
    except PackageNotFoundError:  # pragma: no cover  a copy that was never installed
        told = None
    return requirement_of(told)


def requirement_of(told: str | None) -> str | None:
    """The same from the record that an installer keeps of it (PEP 610); None without one, or without its URL."""
    place: dict[str, Any] = json.loads(told) if told else {}
    if "url" not in place:
        return None
    vcs: dict[str, str] | None = place.get("vcs_info")
    return f"{PACKAGE}[media] @ " + (f"{vcs['vcs']}+{place['url']}@{vcs['commit_id']}" if vcs else place["url"])


def is_cached(launcher: Launcher, run: Runner | None = None) -> bool:
    """Whether all that a start needs is on this machine; asks no network."""
    command = [launcher.command, "--offline", *launcher.args, "--version"]
    return not launcher.args or (run or _run)(command, {}, _CACHED_SECONDS)[0] == 0


def fetch(launcher: Launcher, run: Runner | None = None) -> None:
    """Brings all that a start needs to this machine, compiled; raises `LauncherError` with the fetcher's last words.

    Without a network it fails within ten seconds.
    """
    code, said = (run or _run)([launcher.command, *launcher.args, "--version"], _PATIENCE, _FETCH_SECONDS)
    if code:
        told = f"{' '.join(launcher.args[1:2])} cannot be fetched: {_reason(said)}"
        raise LauncherError(told, is_absent=_tells_absence(said))


def is_absent(launcher: Launcher, run: Runner | None = None) -> bool:
    """Whether the index says that it has no such package; fetches nothing. False if it cannot be asked."""
    uvx = Path(launcher.command)
    with tempfile.TemporaryDirectory() as nowhere:
        asked = ["pip", "install", "--dry-run", "--no-deps", "--target", nowhere, *launcher.args[1:2]]
        code, said = (run or _run)([str(uvx.with_name(f"uv{uvx.suffix}")), *asked], _PATIENCE, _CACHED_SECONDS)
    return bool(code) and _tells_absence(said)


def _tells_absence(said: str) -> bool:
    return any(sign in " ".join(said.split()) for sign in _ABSENT)


def _reason(said: str) -> str:
    """The innermost cause among uv's words, which draws a tree of them, on one line."""
    lines = [re.sub(r"^\W+|\s+$", "", line) for line in said.splitlines()]
    told = [line for line in lines if line and not line.lower().startswith("hint")]
    return told[-1][:300] if told else "no reason was given"


_ABSENT: Final = ("was not found in the package registry", "there is no version of")
_PATIENCE: Final = {
    "UV_COMPILE_BYTECODE": "1",  # else the host's first start compiles
    "UV_HTTP_CONNECT_TIMEOUT": "4",
    "UV_HTTP_RETRIES": "1",
}


def _found(program: str, environ: Mapping[str, str], home: Path, scripts: Path) -> str | None:
    """The absolute path of a program: in the PATH, beside the uv that runs this, or where uv is usually installed."""
    path = shutil.which(program, path=environ.get("PATH", ""))
    if path:
        return os.path.abspath(path)  # noqa: PTH100  links stay: what they point to moves with updates
    running = environ.get("UV", "")
    folders = [
        *([os.path.dirname(running)] if running else []),  # noqa: PTH120  as above
        str(scripts),
        *_usual(home),
    ]
    return shutil.which(program, path=os.pathsep.join(folders))


def _usual(home: Path) -> Iterable[str]:
    yield from (str(home / ".local" / "bin"), str(home / ".cargo" / "bin"))
    if sys.platform == "darwin":  # pragma: no cover  macOS alone
        yield from ("/opt/homebrew/bin", "/usr/local/bin")


def _run(command: Sequence[str], more: Mapping[str, str], seconds: float) -> tuple[int, str]:
    try:
        ended = subprocess.run(  # noqa: S603  the launcher that was found, with arguments of ours
            command,
            env=os.environ | dict(more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1, f"it took more than {seconds:.0f} seconds"
    except OSError as error:
        return 1, error.strerror or "it cannot be started"
    return ended.returncode, ended.stderr
