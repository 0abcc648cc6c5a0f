"""What `install` and `uninstall` do and say."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Final

from runway_mcp import __version__
from runway_mcp.install import records
from runway_mcp.install.edits import ConfigurationError
from runway_mcp.install.entries import Change, Step, find_entry, made_folders, planned, record_of, without
from runway_mcp.install.files import Content, lock_of, read, taken_back, write
from runway_mcp.install.hosts import HOSTS, TOKEN, Host, Machine, configuration, is_found
from runway_mcp.install.launcher import PACKAGE, Launcher, LauncherError, fetch, find_launchers, is_cached

_MASK: Final = "(your token)"

_TOLD_TOKEN = re.compile(r"user:[^\s\"'\\,}]+")
# A value beside the name, but for an empty one, a reference to the host's own secret and what is masked already.
_TOKEN_VALUE = re.compile(rf"""(?P<name>{TOKEN}["']?\s*[:=]\s*["']?)(?![\s"'(]|\$\{{|\{{env:|$)(?:[^"'\\\n,}}]|\\.)+""")


class InstallError(Exception):
    """A configuration was left as it is; the message is one line that says why."""


@dataclass(frozen=True)
class Surroundings:
    """What the commands work with: the machine, the data folder, where lines go, who is asked, what is started.

    `ask` is given a question and returns the answer, which it does not show; None where nobody can be asked.
    """

    machine: Machine
    data_dir: Path
    say: Callable[[str], None]
    ask: Callable[[str], str] | None
    launchers: Callable[[], list[Launcher]]
    is_cached: Callable[[Launcher], bool]
    fetch: Callable[[Launcher], None]


def surroundings(data_dir: Path, say: Callable[[str], None], ask: Callable[[str], str] | None) -> Surroundings:
    """Those of this machine."""
    machine = Machine.here(os.environ)
    launchers = partial(find_launchers, machine.environ, machine.home)
    return Surroundings(machine, data_dir, say, ask, launchers, is_cached, fetch)


@dataclass(frozen=True)
class Standing:
    """How a host stands: its configuration, the entry in it that starts this program, and what is wrong with that.

    `name`, `version` and `command` are the entry's, None without one; `trouble` is one line, None if all is well.
    """

    host: Host
    file: Path
    name: str | None = None
    version: str | None = None
    command: str | None = None
    trouble: str | None = None


def standings(machine: Machine) -> list[Standing]:
    """How each host that is found on the machine stands; reads configurations, and starts nothing."""
    return [_standing(host, machine) for host in HOSTS.values() if is_found(host, machine)]


def list_hosts(around: Surroundings) -> None:
    """Tells which hosts are on this machine, where their configurations lie and whether the server is in them."""
    found = standings(around.machine)
    if not found:
        around.say(f"No host was found on this machine. `{PACKAGE} install HOST` takes: {', '.join(HOSTS)}")
        return
    widths = [
        max(len(row) for row in column) for column in zip(*((s.host.id, s.host.title) for s in found), strict=True)
    ]
    for each in found:
        entry = "not installed" if each.name is None else f"{each.name} {each.version or '(no version named)'}"
        told = f"{entry}: {each.trouble}" if each.trouble and each.name else each.trouble or entry
        around.say(f"{each.host.id:<{widths[0]}}  {each.host.title:<{widths[1]}}  {each.file}  {told}")
    around.say(f"`{PACKAGE} install HOST` registers the server in one of them.")


def install(name: str, around: Surroundings, *, print_only: bool) -> None:
    """Registers the server in a host: fetches what it needs, shows the change, then writes it.

    With `print_only` it is shown alone, and nothing is fetched. Raises `InstallError` with nothing changed.
    """
    host = HOSTS[name]
    file = configuration(host, around.machine)
    try:
        content = read(file)
        launchers = around.launchers()
        token = _token(host, planned(host, content, launchers[0]), around, print_only=print_only)
        there = next((each for each in launchers if not planned(host, content, each, token).steps), None)
        launcher = there or (launchers[0] if print_only else _fetched(launchers, content, around))
        change = planned(host, content, launcher, token)
        around.say(f"{host.title}: {content.file}")
        for line in _shown(change.steps, token):
            around.say(f"  {line}")
        if not change.steps:
            around.say("Nothing to change.")
        elif not print_only:
            _carry_out(change, around)
    except LauncherError as error:
        raise InstallError(f"{error}. Nothing was written") from None
    except ConfigurationError as error:
        raise InstallError(f"{file} was left as it is: {error}") from None


def uninstall(name: str, around: Surroundings) -> None:
    """Takes back exactly what `install` added to a host; raises `InstallError` with nothing changed."""
    host = HOSTS[name]
    file = configuration(host, around.machine)
    record = records.load(around.data_dir, name)
    if record and Path(record.file).exists():
        file = Path(record.file)
    try:
        content = read(file)
        text = without(host, content, record)
        if content.raw is None or text == content.text:
            around.say(f"{host.title}: {content.file} has nothing of this program.")
        else:
            taken_back(content, text, made_folders(record, content))
            around.say(f"{host.title}: {content.file} " + ("was removed again." if text is None else "has it no more."))
        records.forget(around.data_dir, name)
    except ConfigurationError as error:
        raise InstallError(f"{file} was left as it is: {error}") from None


def _token(host: Host, change: Change, around: Surroundings, *, print_only: bool) -> str:
    """The token for the entry: from the environment, else from the person if the entry has none; empty without one."""
    if host.secret != "entry":  # noqa: S105  a way, not a secret
        return ""
    token = around.machine.environ.get(TOKEN, "").strip()
    if not token and not change.has_token and around.ask and not print_only:
        file = change.content.file
        token = around.ask(f"Your useapi.net API token, not shown (Enter to put it into {file} later): ").strip()
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ConfigurationError("the token has blanks or signs that no token has")
    return token


def _fetched(launchers: Sequence[Launcher], content: Content, around: Surroundings) -> Launcher:
    """The first launcher whose packages are here, else the first whose can be had, if the file can be written at all.

    Raises the error of the first launcher if there is none.
    """
    locked = lock_of(content.file)
    if locked:
        raise ConfigurationError(locked)
    here = next((launcher for launcher in launchers if around.is_cached(launcher)), None)
    if here:
        return here
    first: LauncherError | None = None
    for launcher in launchers:
        around.say(f"Fetching {launcher.args[1]}, so that the host's first start waits for nothing ...")
        try:
            around.fetch(launcher)
        except LauncherError as error:
            first = first or error
            if not error.is_absent:
                break
        else:
            return launcher
    raise first or LauncherError("there is nothing to start")


def _carry_out(change: Change, around: Surroundings) -> None:
    host = change.host
    earlier = records.load(around.data_dir, host.id)
    record = record_of(change, earlier)
    try:
        records.save(around.data_dir, host.id, record)
    except OSError as error:
        raise ConfigurationError(f"{around.data_dir} cannot be written: {error.strerror}") from None
    try:
        backup = write(change.content, change.text)
    except ConfigurationError:
        if earlier:
            records.save(around.data_dir, host.id, earlier)
        else:
            records.forget(around.data_dir, host.id)
        raise
    around.say("Written." if backup is None else f"Written. What was there before: {backup}")
    missing = "" if change.has_token else f"put your token into {TOKEN} of the entry; "
    around.say(f"Next: {missing}{host.next}. `{PACKAGE} uninstall {host.id}` takes all of this back.")


def _shown(steps: tuple[Step, ...], token: str) -> Iterator[str]:
    """The change as lines that go and lines that come, without commas and blanks around them, and without the token."""
    for step in steps:
        for edit in step.edits:
            gone = step.before[edit.start : edit.start + edit.length]
            if _is_within_token(step.before, edit.start, gone + edit.text):
                yield from (f"{sign} {_MASK}" for sign, text in (("-", gone), ("+", edit.text)) if text)
                continue
            for sign, text in (("-", gone), ("+", edit.text)):
                lines = dedent(text.strip("\r\n").removeprefix(",").strip("\r\n")).strip().splitlines()
                yield from (f"{sign} {_masked(line, token)}" for line in lines)


def _is_within_token(before: str, start: int, changed: str) -> bool:
    """Whether a change within one line begins behind the name of the token on it: what it shows is a part of one."""
    line = before[before.rfind("\n", 0, start) + 1 : start]
    return "\n" not in changed and TOKEN in line


def _masked(line: str, token: str) -> str:
    """A line of a change without any token: the one that is written, and one that stood there or is given in part."""
    told = line.replace(token, _MASK) if token else line
    told = _TOLD_TOKEN.sub(_MASK, told)
    return _TOKEN_VALUE.sub(rf"\g<name>{_MASK}", told)


def _standing(host: Host, machine: Machine) -> Standing:
    standing = Standing(host, configuration(host, machine))
    try:
        entry = find_entry(host, read(standing.file))
    except ConfigurationError as error:
        return replace(standing, trouble=str(error))
    if entry is None:
        return standing
    command = entry.words[0]
    standing = replace(standing, name=entry.name, version=entry.version, command=command)
    if shutil.which(command, path=machine.environ.get("PATH", "")) is None:
        return replace(standing, trouble=f"its command {command} is not there; `{PACKAGE} install {host.id}` mends it")
    if entry.version not in {None, __version__}:
        told = f"it starts version {entry.version}, this is {__version__}; `{PACKAGE} install {host.id}` changes it"
        return replace(standing, trouble=told)
    if not entry.has_token:
        return replace(standing, trouble=f"its {TOKEN} is empty")
    return standing
