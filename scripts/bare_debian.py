"""A bare Debian in a folder, and the packages that the program needs as files: what `container` and `deployed` try on.

Needs Linux, root, debootstrap, and a network for what Debian and the package index have.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
SUITE: Final = "bookworm"
PYTHON: Final = "3.11"
"""The Python of that Debian."""

_SECONDS: Final = 900
_DPKG: Final = (
    "force-unsafe-io\npath-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\n"
)
_FOREIGN: Final = ("USEAPI_", "RUNWAY_MCP_", "VIRTUAL_ENV", "PYTHON", "PIP_NO_INDEX", "PIP_FIND_LINKS")


class TrialError(Exception):
    """Something did not do what is promised; the message says what."""


def tell(line: str) -> None:
    """Says at once how far it is."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def ran(command: Sequence[str | Path], *, seconds: float = _SECONDS, **more: Any) -> str:
    """What a command prints; raises `TrialError` with its words if it fails or takes too long."""
    words = [str(part) for part in command]
    try:
        ended = subprocess.run(  # noqa: S603  the statements and commands that are tried
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False, **more
        )
    except subprocess.TimeoutExpired:
        raise TrialError(f"after {seconds:.0f} s still not done: {' '.join(words)}") from None
    if ended.returncode:
        raise TrialError(f"{' '.join(words)}\nended with {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def own_environment(**more: str) -> dict[str, str]:
    """This process's environment without our settings, and then `more`."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)} | more


def refuse_without(programs: Sequence[str]) -> None:
    """Raises `TrialError` unless these programs are there and this is root on Linux."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise TrialError("this needs root on Linux")
    if missing := [name for name in programs if shutil.which(name) is None]:
        raise TrialError(f"this needs {', '.join(missing)}")


def bare_debian(folder: Path) -> Path:
    """A root with Debian's required packages alone, made in the folder unless a former run has left it there."""
    root = folder / "debian"
    if not root.exists():
        making = folder / "debian-being-made"
        shutil.rmtree(making, ignore_errors=True)
        ran(["debootstrap", "--variant=minbase", SUITE, making], env=own_environment())
        making.rename(root)
    return root


def copy_of(root: Path, target: Path) -> Path:
    """A root like that one, which may be changed, and that finds the network as this machine does."""
    ran(["cp", "--archive", "--reflink=auto", root, target])
    for file in ("resolv.conf", "hosts"):
        (target / "etc" / file).write_bytes(Path("/etc", file).read_bytes())
    # As Debian's own images have it: what is tried here needs no disk that survives a power cut, and no manuals.
    (target / "etc/dpkg/dpkg.cfg.d/trial").write_text(_DPKG, encoding="ascii")
    (target / "etc/apt/apt.conf.d/trial").write_text('Acquire::Languages "none";\n', encoding="ascii")
    return target


def extras() -> tuple[str, ...]:
    """The extras of the program, as pyproject.toml has them."""
    project: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return tuple(project["project"]["optional-dependencies"])


def wheels(folder: Path) -> Path:
    """A folder where pip looks in place of an index (`PIP`).

    It has the wheel of this checkout, all that its extras need in the versions of constraints.txt, and what builds it.
    """
    house = folder / "wheels"
    for former in house.glob("useapi_runway_mcp-*.whl"):
        former.unlink()
    ran(["uv", "build", "--quiet", "--wheel", "--out-dir", house], cwd=ROOT, env=own_environment())
    (wheel,) = house.glob("useapi_runway_mcp-*.whl")
    pip = ["uv", "run", "--quiet", "--no-project", "--with", "pip", "python", "-m", "pip", "--quiet"]
    fitting = ["--only-binary=:all:", "--python-version", PYTHON, "--constraint", ROOT / "constraints.txt"]
    wanted = [f"{wheel}[{','.join(extras())}]", "hatchling", "setuptools"]
    ran([*pip, "download", "--dest", house, "--find-links", house, *fitting, *wanted], env=own_environment())
    return house


PIP: Final = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
"""What makes pip take the wheels, which are shown to it at /wheels, in place of an index."""
