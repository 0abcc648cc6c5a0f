"""With the network off, in a namespace of its own: what can work does, what cannot says so within ten seconds."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.doctor.world import variables
from tests.kit.processes import PROGRAM, environment

# A new namespace has a loopback device that is down; this brings it up and becomes the command.
UP = (
    "import fcntl, os, socket, struct, sys; "
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 1)); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
OFFLINE = ("unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", UP)


def can_go_offline() -> bool:
    """Whether this system lets a user make a namespace."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*OFFLINE, sys.executable, "-c", ""], check=False, capture_output=True).returncode == 0  # noqa: S603 - our own Python


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_go_offline(), reason="needs Linux and namespaces of users"),
]


def run(folder: Path, *arguments: str, **ours: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """A command of the program, run to its end without a network, and the seconds that it took."""
    began = time.monotonic()
    ended = subprocess.run(  # noqa: S603 - our own program
        [*OFFLINE, *PROGRAM, *arguments],
        env=environment(**variables(folder, HOME=str(folder), **ours)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    return ended, time.monotonic() - began


@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("--help",), ("serve",), ("install",), ("demo", "--pace", "1", "--out", "demo")],
    ids=lambda arguments: arguments[0],
)
def test_what_needs_no_network_works(arguments: tuple[str, ...], tmp_path: Path) -> None:
    given = [str(tmp_path / each) if each == "demo" and before == "--out" else each
             for before, each in zip(("", *arguments), arguments, strict=False)]  # fmt: skip

    ended, _ = run(tmp_path, *given)

    assert ended.returncode == 0, ended.stderr


def test_doctor_says_what_needs_the_network_one_line_each_within_ten_seconds(tmp_path: Path) -> None:
    # What starting takes on this machine at this moment.
    _, start = run(tmp_path, "install")
    ended, took = run(tmp_path, "doctor", "--json", USEAPI_URL="https://api.useapi.net/v1/runwayml")

    checks = {check["check"]: check for check in json.loads(ended.stdout)["checks"]}
    assert (ended.returncode, ended.stderr) == (1, "")
    assert took < 10 + start
    assert "api.useapi.net" in checks["api"]["message"]
    assert {name for name, check in checks.items() if check["status"] == "failure"} == {"api"}
    assert all("\n" not in check["message"] for check in checks.values())
