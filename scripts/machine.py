"""A Debian machine of its own, booted with systemd in namespaces, with a network that reaches nothing but itself."""

import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.bare_debian import TrialError, copy_of, own_environment, ran

ENV: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
_BOOT_SECONDS: Final = 120.0
_INSTALLED: Final = ("systemd", "systemd-sysv", "dbus")


def debian_with_systemd(debian: Path, target: Path) -> Path:
    """A root with systemd, as an installed Debian has it; services wait for its boot."""
    root = copy_of(debian, target)
    policy = root / "usr" / "sbin" / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    policy.chmod(0o755)
    in_root(root, "apt-get update && apt-get install --yes --no-install-recommends " + " ".join(_INSTALLED))
    return root


def in_root(root: Path, script: str, folder: str = "/", env: Mapping[str, str] | None = None) -> str:
    """What a shell prints in the root, which is not booted and has this machine's network; raises `TrialError`."""
    inside = ["chroot", root, "env", "--ignore-environment", f"--chdir={folder}"]
    variables = [f"{name}={value}" for name, value in {**ENV, **(env or {})}.items()]
    return ran([*inside, *variables, "/bin/sh", "-euc", script])


@dataclass(frozen=True)
class Machine:
    """A booted machine; `leader` is its first process, as this machine sees it."""

    root: Path
    leader: int

    def command(self, script: str, folder: str = "/root") -> list[str]:
        """The command line that runs a script in the machine."""
        inside = [
            "nsenter",
            "--target",
            str(self.leader),
            "--mount",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--root",
            "--wd",
        ]
        variables = [f"{name}={value}" for name, value in ENV.items()]
        return [*inside, "env", "--ignore-environment", f"--chdir={folder}", *variables, "/bin/sh", "-euc", script]

    def run(self, script: str, folder: str = "/root", *, seconds: float = 300) -> str:
        """What a script prints in the machine; raises `TrialError`."""
        return ran(self.command(script, folder), seconds=seconds)


@contextmanager
def booted(root: Path) -> Generator[Machine]:
    """The machine of a root, from the end of its boot on; it is ended with the context. Raises `TrialError`."""
    (root / "usr" / "sbin" / "policy-rc.d").unlink(missing_ok=True)
    apart = ["--private-network", "--register=no", "--keep-unit", "--boot", "--console=pipe"]
    with (root.parent / "boot.log").open("w", encoding="utf-8") as log:
        nspawn = subprocess.Popen(  # noqa: S603  systemd's program
            ["systemd-nspawn", "--quiet", f"--directory={root}", *apart],  # noqa: S607  as installed
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=own_environment(),
        )  # fmt: skip
    try:
        machine = Machine(root, _leader(nspawn))
        _wait_for_boot(machine)
        yield machine
    finally:
        nspawn.terminate()
        try:
            nspawn.wait(60)
        except subprocess.TimeoutExpired:
            nspawn.kill()
            nspawn.wait()


def _leader(nspawn: subprocess.Popen[bytes]) -> int:
    """The first process of the machine."""
    ends = time.monotonic() + _BOOT_SECONDS
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    while nspawn.poll() is None and time.monotonic() < ends:
        for child in children.read_text(encoding="ascii").split():
            with suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text(encoding="ascii").strip() == "systemd":
                    return int(child)
        time.sleep(0.1)
    raise TrialError("the machine does not start; boot.log beside its root tells why")


def _wait_for_boot(machine: Machine) -> None:
    ends = time.monotonic() + _BOOT_SECONDS
    while time.monotonic() < ends:
        # Degraded is what a unit of Debian's that namespaces do not suit makes of it.
        with suppress(TrialError):
            told = machine.run("systemctl is-system-running --wait || true", seconds=_BOOT_SECONDS).strip()
            if told in ("running", "degraded"):
                return
        time.sleep(0.2)
    raise TrialError("the machine does not boot")
