"""All of a release but the upload: built, checked for stray files, installed and run in empty environments.

    scripts/release [--out DIR] [--this-python]

Leaves in DIR (`dist`) the wheel, the sdist, the bundle for Claude Desktop, the requirements with their hashes, and a
list of digests. `--this-python` tries the one that runs this, instead of each that uv finds.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from runway_mcp import __version__
from scripts import bundling

ROOT: Final = bundling.ROOT
NAME: Final = bundling.NAME
OLDEST: Final = (3, 11)
IN_SDIST: Final = ("README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "server.json", "PKG-INFO", ".gitignore")
IN_DIST_INFO: Final = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")

Versions = Literal["lowest-direct", "highest"]
SETS: Final[tuple[Versions, ...]] = ("lowest-direct", "highest")
_SECONDS: Final = 900


class ReleaseError(Exception):
    """A release cannot be made of this; the message says why."""


@dataclass(frozen=True)
class Built:
    """What was built."""

    wheel: Path
    sdist: Path


def tracked() -> set[str]:
    """The files of the package, as git has them."""
    return set(_ran(["git", "ls-files", "runway_mcp"]).split("\n")) - {""}


def build(out: Path) -> Built:
    """Builds wheel and sdist."""
    _ran(["uv", "build", "--quiet", "--out-dir", str(out)])
    stem = f"{NAME.replace('-', '_')}-{__version__}"
    return Built(out / f"{stem}-py3-none-any.whl", out / f"{stem}.tar.gz")


def strays(built: Built, package: set[str]) -> list[str]:
    """A line for each file that a wheel or an sdist has too much, or lacks."""
    stem = f"{NAME.replace('-', '_')}-{__version__}"
    with zipfile.ZipFile(built.wheel) as wheel:
        in_wheel = set(wheel.namelist())
    with tarfile.open(built.sdist) as sdist:
        in_sdist = {member.name for member in sdist.getmembers() if member.isfile()}
    wanted = package | {f"{stem}.dist-info/{name}" for name in IN_DIST_INFO}
    source = {f"{stem}/{name}" for name in (*package, *IN_SDIST)}
    return [
        *(f"the wheel has {name}" for name in sorted(in_wheel - wanted)),
        *(f"the wheel lacks {name}" for name in sorted(wanted - in_wheel)),
        *(f"the sdist has {name}" for name in sorted(in_sdist - source)),
        *(f"the sdist lacks {name}" for name in sorted(source - in_sdist)),
    ]


def pythons(listed: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The newest Python of each minor version that the program runs on, by `3.11` and so on, as uv lists them."""
    found: dict[str, tuple[int, str]] = {}
    for each in listed:
        release = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", each["version"])
        if each["implementation"] != "cpython" or release is None or (int(release[1]), int(release[2])) < OLDEST:
            continue
        minor, patch = f"{release[1]}.{release[2]}", int(release[3])
        if patch > found.get(minor, (-1, ""))[0]:
            found[minor] = (patch, each["path"])
    return {minor: path for minor, (_, path) in sorted(found.items(), key=lambda each: int(each[0].split(".")[1]))}


def try_in(folder: Path, python: str, versions: Versions, wheel: Path) -> str:
    """Installs the wheel in an empty environment, alone and then with its extra, and runs it; returns the versions."""
    folder.mkdir()
    target, limits = folder / "env", folder / "versions.txt"
    _ran(["uv", "venv", "--quiet", "--python", python, str(target)])
    home = target / ("Scripts" if os.name == "nt" else "bin")
    asked = ["--quiet", "--no-header", "--no-annotate", "--resolution", versions, "--python", str(home / "python")]
    _ran(["uv", "pip", "compile", *asked, "--all-extras", "pyproject.toml", "--output-file", str(limits)])
    install = ["uv", "pip", "install", "--quiet", "--python", str(home / "python"), "--constraint", str(limits)]
    program = home / NAME
    env = {"RUNWAY_MCP_DATA_DIR": str(folder / "data")}
    _ran([*install, str(wheel)])
    _ran([str(home / "python"), str(ROOT / "scripts" / "wheel_smoke.py"), str(program)], env)
    _ran([*install, f"{wheel}[media]"])
    _ran([str(program), "demo", "--pace", "1", "--out", str(folder / "demo")], env)
    pinned = dict(line.split("==") for line in limits.read_text(encoding="utf-8").split() if "==" in line)
    return ", ".join(f"{name} {pinned[name]}" for name in ("mcp", "httpx", "pydantic", "starlette", "av"))


def hashed_requirements(wheel: Path) -> str:
    """Everything that the wheel and its extra need, each with its version and hashes, and the wheel itself; no address.

    `pip install --require-hashes -r FILE --find-links DIR` installs exactly that.
    """
    exported = ["uv", "export", "--quiet", "--extra", "media", "--no-dev", "--no-emit-project"]
    told = _ran([*exported, "--no-header", "--no-annotate"])
    if "://" in told:
        raise ReleaseError("the requirements hold an address")
    return f"{told.rstrip()}\n{NAME}=={__version__} \\\n    --hash=sha256:{digest(wheel)}\n"


def digest(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _ran(command: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """What a command prints; raises `ReleaseError` with its words if it fails. None of our settings reach it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("USEAPI_", "RUNWAY_MCP_"))}
    ended = subprocess.run(  # noqa: S603  tools of ours, and what was just built
        command,
        cwd=ROOT,
        env={**inherited, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if ended.returncode:
        raise ReleaseError(f"{' '.join(command)}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def release(out: Path, found: Mapping[str, str]) -> None:
    """Makes and tries everything with these Pythons; raises `ReleaseError` at the first thing that is wrong."""
    out.mkdir(parents=True, exist_ok=True)
    built = build(out)
    if wrong := strays(built, tracked()):
        raise ReleaseError("\n".join(wrong))
    _tell(f"{built.wheel.name} and {built.sdist.name} hold the package's files and no others")
    with tempfile.TemporaryDirectory() as work:
        for minor, python in found.items():
            for versions in SETS:
                told = try_in(Path(work, f"{minor}-{versions}"), python, versions, built.wheel)
                _tell(f"Python {minor}, {versions}: it serves both eras and plays the demo on {told}")
    requirements = out / f"{NAME}-{__version__}-requirements.txt"
    requirements.write_text(hashed_requirements(built.wheel), encoding="utf-8")
    _tell(f"{requirements.name} pins everything by hashes")
    if bundling.main(["--try", "--out", str(out)]):
        raise ReleaseError("the bundle cannot be made")
    files = sorted(each for each in out.glob(f"*{__version__}*") if each.is_file())
    sums = "".join(f"{digest(each)}  {each.name}\n" for each in files)
    (out / "SHA256SUMS").write_text(sums, encoding="utf-8")
    _tell(f"\n{sums}\nAll but the upload is done. What is left: uv publish, the bundle and SHA256SUMS on the release's")
    _tell("page, and server.json in the MCP Registry.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the release; returns 0 if everything held."""
    parser = argparse.ArgumentParser(prog="scripts/release", description="Makes and tries a release, up to the upload.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where it goes (default: dist)")
    parser.add_argument("--this-python", action="store_true", help="try it with the Python that runs this alone")
    asked = parser.parse_args(arguments)
    try:
        listed = json.loads(_ran(["uv", "python", "list", "--only-installed", "--output-format", "json"]))
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        release(asked.out.absolute(), {here: sys.executable} if asked.this_python else pythons(listed))
    except ReleaseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
