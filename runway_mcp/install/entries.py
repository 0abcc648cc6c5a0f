"""The server's entry in a host's configuration: what it says, and whether a person wrote it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runway_mcp.install.files import Content
from runway_mcp.install.formats.by_name import FORMATS
from runway_mcp.install.formats.edits import ConfigurationError, is_items, is_tree
from runway_mcp.install.hosts import NAME, PASSED, QUESTION, TOKEN, Host
from runway_mcp.install.launcher import PACKAGE, Launcher

ASKED: Final = f"${{input:{QUESTION['id']}}}"
"""What stands in an entry for the answer to the question for the token."""

_PINNED: Final = re.compile(rf"{PACKAGE}(?:\[[\w,-]+\])?==([\w.]+)")
_MODULE: Final = "runway_mcp"
_WRITTEN: Final = re.compile(rf"(?:/|[A-Za-z]:[\\/])(?:.*[\\/])?(uvx|{PACKAGE})(?:\.(?:exe|EXE))?")
_REQUIRED: Final = re.compile(rf"{PACKAGE}\[media\](?:==\S+| @ \S.*)")
_PASSWORD: Final = re.compile(r"//[^/@\s]+@")


@dataclass(frozen=True)
class Entry:
    """The entry that starts this program, as it stands in a configuration: its name and the words of its command.

    `version` is the one that it names, None where it names none; `has_token` whether the token is in it or comes from
    the host. `secrets` are the values in it that nobody else should read. `is_as_written` says that nothing in it was
    written by a person, but for the token.
    """

    name: str
    words: tuple[str, ...]
    version: str | None
    has_token: bool
    secrets: tuple[str, ...]
    is_as_written: bool


def new_entry(
    host: Host, launcher: Launcher, token: str = "", name: str = NAME, more: Mapping[str, str] | None = None
) -> dict[str, object]:
    """The entry in the host's spelling, with `more` variables.

    A host that takes the token in another way gets none in the entry.
    """
    shape = host.shape
    before = {key: name if key == "name" else value for key, value in shape.before.items()}
    command: dict[str, object] = {shape.command: launcher.command}
    if shape.args:
        command[shape.args] = list(launcher.args)
    else:
        command[shape.command] = [launcher.command, *launcher.args]
    value = ASKED if host.secret == "question" else token  # noqa: S105
    env = {shape.env: {TOKEN: value, **(more or {})}} if shape.env else {}
    return {**before, **command, **env, **shape.after}


def find_entry(host: Host, content: Content) -> Entry | None:
    """The entry that starts this program, by whatever name; raises `ConfigurationError` for a malformed file."""
    return next(entries_in(host, content.text), None)


def entries_in(host: Host, text: str) -> Iterator[Entry]:
    """All entries that start this program; raises `ConfigurationError` for a malformed text."""
    for name, entry in servers_in(host, FORMATS[host.format].parse(text)).items():
        if is_tree(entry) and _is_ours(_words(host, entry)):
            words = _words(host, entry)
            pinned = next((found[1] for word in words if (found := _PINNED.search(word))), None)
            told = (_has_token(host, entry), _secrets(host, entry), _is_as_written(host, name, entry))
            yield Entry(name, words, pinned, *told)


def has_question(host: Host, text: str) -> bool:
    """Whether the question for the token stands in a text, for a host that asks one."""
    return host.secret == "question" and bool(questions_in(FORMATS[host.format].parse(text)))  # noqa: S105


def servers_in(host: Host, tree: Mapping[str, Any]) -> Mapping[str, Any]:
    """The servers of a configuration by their names; raises `ConfigurationError` where something else stands."""
    found = value_at(tree, host.servers, default=None)
    if found is not None and not is_tree(found):
        raise ConfigurationError(f"{'.'.join(host.servers)} does not hold servers by their names")
    return found or {}


def _words(host: Host, entry: Mapping[str, Any]) -> tuple[str, ...]:
    command, args = entry.get(host.shape.command), entry.get(host.shape.args or "")
    return tuple(str(word) for part in (command, args) for word in (part if is_items(part) else [part]) if word)


def _is_ours(words: Sequence[str]) -> bool:
    return any(PACKAGE in word or word == _MODULE for word in words)


def _has_token(host: Host, entry: Mapping[str, Any]) -> bool:
    return is_passed_on(entry) or bool(_variables(host, entry).get(TOKEN))


def _variables(host: Host, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    env = entry.get(host.shape.env or "")
    return env if is_tree(env) else {}


def _secrets(host: Host, entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The token, unless it is a reference, and addresses of proxies with a password."""
    variables = {name: str(value or "") for name, value in _variables(host, entry).items()}
    token = variables.pop(TOKEN, "")
    proxies = [value for name, value in variables.items() if name.upper() in PASSED and _PASSWORD.search(value)]
    return (*([token] if token and not token.startswith(("$", "{")) else []), *proxies)


def _is_as_written(host: Host, name: str, entry: Mapping[str, Any]) -> bool:
    words, variables = _words(host, entry), dict(_variables(host, entry))
    program = _WRITTEN.fullmatch(words[0])
    args = ("--from", "", PACKAGE) if program and program[1] == "uvx" else ()
    if program is None or len(words) != len(args) + 1 or (args and not _REQUIRED.fullmatch(words[2])):
        return False
    token = variables.pop(TOKEN, "")
    known = {spelled for each in PASSED for spelled in (each, each.lower())}
    return variables.keys() <= known and entry == new_entry(host, Launcher(words[0], words[1:]), token, name, variables)


def is_passed_on(entry: Mapping[str, Any], name: str = TOKEN) -> bool:
    """Whether a list in the entry names the variable, as those of Goose and Codex do: the host then passes it on."""
    return any(is_items(value) and name in value for value in entry.values())


def questions_in(tree: Mapping[str, Any]) -> list[int]:
    """Where our question stands among a configuration's inputs."""
    inputs = tree.get("inputs")
    items = inputs if is_items(inputs) else []
    return [at for at, item in enumerate(items) if is_tree(item) and item.get("id") == QUESTION["id"]]


def value_at(tree: object, path: Sequence[str | int], *, default: Any) -> Any:
    """What stands under a path of keys and positions, `default` if nothing does."""
    for key in path:
        if is_tree(tree) and key in tree:
            tree = tree[str(key)]
        elif is_items(tree) and isinstance(key, int):
            tree = tree[key]
        else:
            return default
    return tree
