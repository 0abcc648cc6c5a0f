"""The server's entry in a host's configuration: what it says, how it is put in, and how it is taken out again."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runway_mcp.install import jsonc
from runway_mcp.install.edits import ConfigurationError, Edit, applied, inverse, is_items, is_tree
from runway_mcp.install.files import Content, missing_folders
from runway_mcp.install.formats import FORMATS
from runway_mcp.install.hosts import NAME, OTHER_NAME, QUESTION, TOKEN, Host
from runway_mcp.install.launcher import PACKAGE, Launcher
from runway_mcp.install.records import Record

_ASKED: Final = f"${{input:{QUESTION['id']}}}"
_PINNED: Final = re.compile(rf"{PACKAGE}(?:\[[\w,-]+\])?==([\w.]+)")
_MODULE: Final = "runway_mcp"

Path_ = tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """One change on the way: the text before it, and its edits."""

    before: str
    edits: tuple[Edit, ...]

    @property
    def after(self) -> str:
        """The text after it."""
        return applied(self.before, self.edits)


@dataclass(frozen=True)
class Change:
    """What would be changed in a configuration, step by step, for the entry of this name.

    `made` are the paths of keys that held nothing before. Without steps there is nothing to change.
    """

    host: Host
    content: Content
    name: str
    steps: tuple[Step, ...]
    made: tuple[Path_, ...]
    has_token: bool

    @property
    def text(self) -> str:
        """The configuration afterwards."""
        return self.steps[-1].after if self.steps else self.content.text


@dataclass(frozen=True)
class Entry:
    """The entry that starts this program, as it stands in a configuration: its name and the words of its command.

    `version` is the one that it names, None where it names none; `has_token` whether the token is in it or comes from
    the host.
    """

    name: str
    words: tuple[str, ...]
    version: str | None
    has_token: bool


def new_entry(host: Host, launcher: Launcher, token: str = "", name: str = NAME) -> dict[str, object]:
    """The entry in the host's spelling. A host that takes the token in another way gets none in the entry."""
    shape = host.shape
    before = {key: name if key == "name" else value for key, value in shape.before.items()}
    command: dict[str, object] = {shape.command: launcher.command}
    if shape.args:
        command[shape.args] = list(launcher.args)
    else:
        command[shape.command] = [launcher.command, *launcher.args]
    env = {shape.env: {TOKEN: _ASKED if host.secret == "question" else token}} if shape.env else {}  # noqa: S105
    return {**before, **command, **env, **shape.after}


def find_entry(host: Host, content: Content) -> Entry | None:
    """The entry that starts this program, by whatever name; raises `ConfigurationError` for a malformed file."""
    for name, entry in _servers(host, FORMATS[host.format].parse(content.text)).items():
        if is_tree(entry) and _is_ours(_words(host, entry)):
            words = _words(host, entry)
            pinned = next((found[1] for word in words if (found := _PINNED.search(word))), None)
            return Entry(name, words, pinned, _has_token(host, entry))
    return None


def planned(host: Host, content: Content, launcher: Launcher, token: str = "") -> Change:
    """What installing would change: a new entry, or of ours command, arguments and a token that is given.

    All else in the entry, and in the file, stays. Raises `ConfigurationError` for a malformed file, or if no change
    can be made of which the host would read exactly this.
    """
    tree = FORMATS[host.format].parse(content.text)
    servers = _servers(host, tree)
    ours = find_entry(host, content)
    name = ours.name if ours else next((each for each in (NAME, OTHER_NAME) if each not in servers), None)
    if name is None:
        raise ConfigurationError(f"its servers {NAME} and {OTHER_NAME} start other programs; rename one of them")
    wanted = new_entry(host, launcher, token, name)
    path = (*host.servers, name)
    puts: list[tuple[Path_, object]] = [(path, wanted)]
    if ours:
        puts = [((*path, *key), value) for key, value in _updates(host, servers[name], wanted)]
    made = _missing(tree, host.servers) if puts and not ours else ()
    steps = _steps(host, content.text, [_putting(host, key, value) for key, value in puts])
    if steps and host.secret == "question" and not _is_asked(tree):  # noqa: S105
        made = (*made, *_missing(tree, ("inputs",)))
        steps = [*steps, *_steps(host, steps[-1].after, [_asking])]
    has_token = bool(token) or host.secret != "entry" or bool(ours and ours.has_token)  # noqa: S105
    return Change(host, content, name, tuple(steps), made, has_token)


def record_of(change: Change, earlier: Record | None) -> Record:
    """What must be remembered so that this change, and the earlier ones that are still there, can be taken back."""
    undo = [[*inverse(step.before, step.edits)] for step in reversed(change.steps)]
    digest = Content(change.content.file, "", change.content.encoded(change.text)).digest
    folders = [str(folder) for folder in missing_folders(change.content.file)]
    made = [list(path) for path in change.made]
    file = str(change.content.file)
    if earlier is None or earlier.file != file or find_entry(change.host, change.content) is None:
        return Record(file, digest, undo, made, change.content.raw is None, folders)
    unchanged = earlier.digest == change.content.digest and earlier.undo is not None
    steps = [*undo, *(earlier.undo or [])] if unchanged else None
    return Record(file, digest, steps, [*earlier.made, *made], earlier.is_new, earlier.folders)


def without(host: Host, content: Content, record: Record | None) -> str | None:
    """The configuration without what was added: None if there was no file, the same text if nothing of ours is in it.

    A file that nobody changed since becomes what it was. From any other the entry is taken, with what was made for it
    and holds nothing else. Raises `ConfigurationError` for a malformed file.
    """
    if record and record.file != str(content.file):
        record = None
    if record and record.undo is not None and record.digest == content.digest:
        text = content.text
        for step in record.undo:
            text = applied(text, step)
        return None if record.is_new else text
    entry = find_entry(host, content)
    if entry is None:
        return content.text
    text = _removed(host, content.text, (*host.servers, entry.name))
    if host.secret == "question" and _ASKED not in text:  # noqa: S105
        for at in _questions(jsonc.parse(text)):
            text = _removed(host, text, ("inputs", at))
    for made in sorted(record.made if record else [], key=len, reverse=True):
        if not _at(FORMATS[host.format].parse(text), made, default=True):
            text = _removed(host, text, tuple(made))
    empty = record is not None and record.is_new and not FORMATS[host.format].parse(text)
    return None if empty else text


def made_folders(record: Record | None, content: Content) -> list[Path]:
    """The folders that were made for a configuration, the deepest first."""
    return [Path(folder) for folder in record.folders] if record and record.file == str(content.file) else []


def _updates(host: Host, entry: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterable[tuple[Path_, object]]:
    """The keys of our entry whose values have to change, with the new ones."""
    for key in (host.shape.command, host.shape.args):
        if key and entry.get(key) != wanted[key]:
            yield (key,), wanted[key]
    env = host.shape.env
    if not env or _is_passed_on(entry):
        return
    token: str = wanted[env][TOKEN]
    variables: Mapping[str, Any] = entry.get(env) or {}
    there = str(variables.get(TOKEN) or "")
    # A reference to a secret that the user keeps elsewhere is better than what we would write.
    if token and token != there and not there.startswith(("$", "{")):
        yield (env, TOKEN), token


def _putting(host: Host, path: Path_, value: object) -> Callable[[str, dict[str, Any]], list[Edit]]:
    def put(text: str, tree: dict[str, Any]) -> list[Edit]:
        _set(tree, path, value)
        return FORMATS[host.format].put(text, path, value)

    return put


def _asking(text: str, tree: dict[str, Any]) -> list[Edit]:
    inputs = tree.get("inputs")
    _set(tree, ("inputs",), [*(inputs if is_items(inputs) else []), QUESTION])
    return jsonc.append(text, ("inputs",), QUESTION)


def _steps(host: Host, text: str, makers: Iterable[Callable[[str, dict[str, Any]], list[Edit]]]) -> list[Step]:
    """The steps that the makers give, each proven: read again, the text holds what was meant, and it can be undone."""
    steps: list[Step] = []
    read = FORMATS[host.format].parse
    for make in makers:
        meant = deepcopy(read(text))
        step = Step(text, tuple(make(text, meant)))
        if read(step.after) != meant or applied(step.after, inverse(text, step.edits)) != text:
            raise ConfigurationError("no safe change was found for the way it is written")
        steps.append(step)
        text = step.after
    return steps


def _removed(host: Host, text: str, path: Sequence[str | int]) -> str:
    form = FORMATS[host.format]
    meant = deepcopy(form.parse(text))
    del _at(meant, path[:-1], default=None)[path[-1]]
    after = applied(text, form.remove(text, path))
    if _without_nulls(form.parse(after)) != _without_nulls(meant):
        raise ConfigurationError("no safe change was found for the way it is written; take the entry out by hand")
    return after


def _without_nulls(tree: object) -> object:
    """A tree in which empty mappings count as null: YAML and TOML have no lines for a mapping without pairs."""
    if not is_tree(tree):
        return tree
    return {key: _without_nulls(value) for key, value in tree.items() if value not in ({}, None)}


def _servers(host: Host, tree: Mapping[str, Any]) -> Mapping[str, Any]:
    found = _at(tree, host.servers, default=None)
    if found is not None and not is_tree(found):
        raise ConfigurationError(f"{'.'.join(host.servers)} does not hold servers by their names")
    return found or {}


def _words(host: Host, entry: Mapping[str, Any]) -> tuple[str, ...]:
    command, args = entry.get(host.shape.command), entry.get(host.shape.args or "")
    return tuple(str(word) for part in (command, args) for word in (part if is_items(part) else [part]) if word)


def _is_ours(words: Sequence[str]) -> bool:
    return any(PACKAGE in word or word == _MODULE for word in words)


def _has_token(host: Host, entry: Mapping[str, Any]) -> bool:
    env = entry.get(host.shape.env or "")
    return _is_passed_on(entry) or bool(is_tree(env) and env.get(TOKEN))


def _is_passed_on(entry: Mapping[str, Any]) -> bool:
    """Whether a list in the entry names the variable, as those of Goose and Codex do: the host then passes it on."""
    return any(is_items(value) and TOKEN in value for value in entry.values())


def _is_asked(tree: Mapping[str, Any]) -> bool:
    return bool(_questions(tree))


def _questions(tree: Mapping[str, Any]) -> list[int]:
    """Where our question stands among a configuration's inputs."""
    inputs = tree.get("inputs")
    items = inputs if is_items(inputs) else []
    return [at for at, item in enumerate(items) if is_tree(item) and item.get("id") == QUESTION["id"]]


def _missing(tree: Mapping[str, Any], path: Path_) -> tuple[Path_, ...]:
    """The parts of a path that hold nothing."""
    parts = (path[: depth + 1] for depth in range(len(path)))
    return tuple(part for part in parts if _at(tree, part, default=None) is None)


def _at(tree: object, path: Sequence[str | int], *, default: Any) -> Any:
    for key in path:
        if is_tree(tree) and key in tree:
            tree = tree[str(key)]
        elif is_items(tree) and isinstance(key, int):
            tree = tree[key]
        else:
            return default
    return tree


def _set(tree: dict[str, Any], path: Path_, value: object) -> None:
    for key in path[:-1]:
        if tree.get(key) is None:
            tree[key] = {}
        tree = tree[key]
    tree[path[-1]] = value
