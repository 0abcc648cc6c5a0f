"""Follows `docs/deploy.md` word for word in a Debian machine of its own, with callers at work through nginx meanwhile.

    scripts/deployed [--work DIR]

The machine is a bare Debian, booted with systemd in namespaces, in a network of its own, where the stand-in plays
useapi.net. Two things differ from the page: pip finds this checkout's wheel in a folder in place of an index, and the
settings name the stand-in. Ends with 0 if each command of the page succeeded and each film was made once. `--work DIR`
keeps the Debian and the wheels for the next run. Needs root, debootstrap and systemd-nspawn.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scripts.bare_debian import PIP, ROOT, TrialError, bare_debian, ran, refuse_without, tell, wheels
from scripts.machine import Machine, booted, debian_with_systemd, in_root

PAGE: Final = ROOT / "docs" / "deploy.md"
CHECKOUT: Final = "/root/checkout"
BEFORE_BOOT: Final = "Install"
"""The section that is followed before the boot, since only then the machine reaches Debian's packages."""

_UPSTREAM: Final = "http://127.0.0.1:9000/v1/runwayml"
_TOKEN: Final = "user:1234-simulated"  # noqa: S105  the stand-in's own, opens nothing
REPLACED: Final = {
    "USEAPI_TOKEN=user:1234-...": f"USEAPI_TOKEN={_TOKEN}\nUSEAPI_URL={_UPSTREAM}\nRUNWAY_MCP_POLL_SECONDS=1"
}
"""What is not taken word for word."""

CALLERS: Final = ("ana", "bob")
_CERTIFICATE: Final = "/etc/nginx/tls/mcp.example.com.crt"
_URL: Final = "https://mcp.example.com/mcp"
_PROGRAM: Final = "/opt/useapi-runway-mcp/bin"
_HEADING: Final = re.compile(r"^## (?P<heading>[^\n]*)$|^```sh\n(?P<block>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """The shell blocks of a page, each with the heading that it stands under."""
    heading = ""
    for found in _HEADING.finditer(page):
        if found["heading"] is not None:
            heading = found["heading"]
        else:
            yield heading, found["block"]


def as_followed(block: str) -> str:
    """A block with what is replaced in it."""
    for words, others in REPLACED.items():
        block = block.replace(words, others)
    return block


@dataclass
class Trial:
    """The machine with its callers: `clips` and `films` are theirs, the films by their prompts."""

    machine: Machine
    stack: ExitStack
    at_work: dict[str, subprocess.Popen[str]] = field(default_factory=dict[str, "subprocess.Popen[str]"])
    clips: dict[str, str] = field(default_factory=dict[str, str])
    films: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])

    def ask(self, name: str, *more: str) -> list[str]:
        """The command line of a caller's program in the machine."""
        words = [f"{_PROGRAM}/python", "/root/caller.py", _URL, name, f"/root/{name}.token", "/root/stop", *more]
        quoted = " ".join(f"'{word}'" for word in words)
        return self.machine.command(f"SSL_CERT_FILE={_CERTIFICATE} exec {quoted}")

    def answer(self, name: str, *more: str) -> Any:
        """What a caller's program answers."""
        return json.loads(ran(self.ask(name, *more), seconds=120))

    def status(self, token: str) -> str:
        """The HTTP status of a list of tools, asked with the token in a file."""
        asked = '{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'
        header = f"Authorization: Bearer $(cat {token})"
        curl = f"curl --silent --output /dev/null --write-out '%{{http_code}}' --cacert {_CERTIFICATE}"
        return self.machine.run(f"{curl} --header \"{header}\" --json '{asked}' {_URL}").strip()

    def status_becomes(self, token: str, wanted: str) -> None:
        """Asks until the status is that one; raises `TrialError` after thirty seconds."""
        ends = time.monotonic() + 30
        while (status := self.status(token)) != wanted:
            if time.monotonic() > ends:
                raise TrialError(f"who has {token} gets {status} and not {wanted}")
            time.sleep(0.5)
        tell(f"holds: who has {token} gets {wanted}")


def start_upstream(trial: Trial) -> None:
    """The stand-in in the machine, whose callbacks find nginx by its name."""
    trial.machine.run("echo 127.0.0.1 mcp.example.com >> /etc/hosts")
    program = f"{_PROGRAM}/useapi-runway-mcp simulate --port 9000 --pace 4"
    trial.machine.run(f"systemd-run --quiet --unit=stand-in --setenv=SSL_CERT_FILE={_CERTIFICATE} {program}")
    shutil.copy2(ROOT / "scripts" / "deployment_caller.py", trial.machine.root / "root" / "caller.py")


def start_callers(trial: Trial) -> None:
    """Both callers begin to extend, through nginx."""
    for name in CALLERS:
        command = trial.ask(name)
        trial.at_work[name] = trial.stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)  # noqa: S603  ours
        )
    tell(f"{' and '.join(CALLERS)} extend clips from here on")


def end_callers(trial: Trial) -> None:
    """Both callers come to an end, and each of their films was made once."""
    trial.machine.run("touch /root/stop")
    cut = 0
    for name, process in trial.at_work.items():
        told, _ = process.communicate(timeout=240)
        if process.returncode:
            raise TrialError(f"{name} failed: {told}")
        answer = json.loads(told)
        cut += answer["cut"]
        trial.clips[name], trial.films[name] = answer["clip"], answer["films"]
        if any(film["status"] != "SUCCEEDED" for film in answer["films"].values()):
            raise TrialError(f"{name} has films that were not made: {answer}")
        if answer["picture"] != "image/jpeg":
            raise TrialError(f"{name} is shown no picture of a clip: {answer}")
    header = f"--header 'Authorization: Bearer {_TOKEN}'"
    listed = json.loads(trial.machine.run(f"curl --fail --silent {header} '{_UPSTREAM}/tasks?offset=0&limit=100'"))
    made = [json.dumps(task) for task in listed]
    for name, films in trial.films.items():
        for prompt in films:
            times = sum(json.dumps(prompt) in task for task in made)
            if times != 1:
                raise TrialError(f"a film of {name} was made {times} times: {prompt}")
        tell(f"holds: {name} has {len(films)} films, and each was made once")
    tell(f"calls that were cut and repeated: {cut}")
    theirs = next(iter(trial.films["bob"].values()))["taskId"]
    refused = trial.answer("ana", "--task", theirs)
    if refused.get("error", {}).get("kind") != "not_found":
        raise TrialError(f"ana is told of a task of bob's: {refused}")
    tell("holds: ana is told of no task of bob's")


def repeat(trial: Trial) -> None:
    """The first request of each caller, repeated on the restored ledger, is answered and not paid again."""
    for name, films in trial.films.items():
        prompt, film = next(iter(films.items()))
        told = trial.answer(name, "--again", trial.clips[name], prompt)
        if not told.get("twin") or told.get("taskId") != film["taskId"]:
            raise TrialError(f"the restored ledger does not answer a request of {name}: {told}")
    tell("holds: the restored ledger answers the requests that were paid before the backup")


AFTER: Final[Mapping[str, Callable[[Trial], None]]] = {
    "Restart and update": end_callers,
    "Back up and restore": repeat,
}
"""What is looked at after the last block of a section."""


def after_block(trial: Trial, block: str) -> None:
    """What is looked at after a block that adds or removes a caller."""
    if "callers new carol" in block:
        trial.status_becomes("/root/carol.token", "200")
    elif 'name = "carol"' in block:
        trial.status_becomes("/root/carol.token", "401")
        trial.status_becomes("/root/ana.token", "200")


def follow(trial: Trial, followed: Sequence[tuple[str, str]]) -> None:
    """Runs the blocks one after another; raises `TrialError` at the first that fails or whose effect is missing."""
    start_upstream(trial)
    for number, (heading, block) in enumerate(followed):
        if heading == "Restart and update" and not trial.at_work:
            start_callers(trial)
        began = time.monotonic()
        told = trial.machine.run(as_followed(block), CHECKOUT)
        tell(f"{heading}: {block.splitlines()[0][:80]} ({time.monotonic() - began:.1f} s)")
        if "doctor" in block:
            tell(told)
        after_block(trial, block)
        if [*followed[number + 1 :], ("", "")][0][0] != heading and heading in AFTER:
            AFTER[heading](trial)


def deploy(work: Path, folder: Path) -> None:
    """Follows the page in a machine below `folder`; raises `TrialError`."""
    all_blocks = [*blocks(PAGE.read_text(encoding="utf-8"))]
    root = debian_with_systemd(bare_debian(work), folder / "machine")
    checkout = root / CHECKOUT.lstrip("/")
    for name in ("deploy", "constraints.txt"):
        checkout.mkdir(exist_ok=True)
        ran(["cp", "--recursive", ROOT / name, checkout])
    shutil.copytree(wheels(work), root / "wheels")
    for heading, block in all_blocks:
        if heading == BEFORE_BOOT:
            in_root(root, block, CHECKOUT, PIP)
            tell(f"{heading}: {block.splitlines()[0]} …")
    with ExitStack() as stack:
        machine = stack.enter_context(booted(root))
        tell("the machine has booted")
        try:
            follow(Trial(machine, stack), [each for each in all_blocks if each[0] != BEFORE_BOOT])
        except TrialError:
            tell(
                machine.run(
                    "journalctl --no-pager --lines=200 --unit 'useapi-runway-mcp@*' --unit nginx --unit stand-in"
                )
            )
            raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Follows the page; returns 0 if all of it held."""
    parser = argparse.ArgumentParser(
        prog="scripts/deployed", description="Follows docs/deploy.md in a machine of its own."
    )
    parser.add_argument("--work", type=Path, help="keep the Debian and the wheels here")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        refuse_without(["debootstrap", "chroot", "nsenter", "systemd-nspawn", "uv"])
        with tempfile.TemporaryDirectory() as folder:
            work = (given.work or Path(folder)).absolute()
            work.mkdir(exist_ok=True)
            deploy(work, Path(folder))
    except TrialError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    tell(f"every command of {PAGE.name} did what it should, in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
