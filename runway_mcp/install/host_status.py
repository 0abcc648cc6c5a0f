"""How each host on a machine stands: its configuration, the entry in it, and what is wrong with that."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from runway_mcp import __version__
from runway_mcp.install.entries import Entry, find_entry
from runway_mcp.install.files import Content, read
from runway_mcp.install.formats.edits import ConfigurationError
from runway_mcp.install.hosts import HOSTS, TOKEN, Host, Machine, configuration, is_found
from runway_mcp.install.launcher import PACKAGE


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


def _standing(host: Host, machine: Machine) -> Standing:
    standing = Standing(host, configuration(host, machine))
    try:
        content = read(standing.file)
        entry = find_entry(host, content)
    except ConfigurationError as error:
        return replace(standing, trouble=str(error))
    if entry is None:
        return standing
    trouble = "; ".join(_troubles(host, entry, content, machine)) or None
    return replace(standing, name=entry.name, version=entry.version, command=entry.words[0], trouble=trouble)


def _troubles(host: Host, entry: Entry, content: Content, machine: Machine) -> Iterator[str]:
    command = entry.words[0]
    if shutil.which(command, path=machine.environ.get("PATH", "")) is None:
        yield f"its command {command} is not there; `{PACKAGE} install {host.id}` mends it"
    elif entry.version not in {None, __version__}:
        yield f"it starts version {entry.version}, this is {__version__}; `{PACKAGE} install {host.id}` changes it"
    if not entry.has_token:
        yield f"its {TOKEN} is empty"
    if entry.secrets and content.is_open:
        yield f"other users of this machine may read the token in {content.file}; `chmod 600` closes it"
