"""The entry put into a host's configuration, and taken out again, each change proven."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runway_mcp.data_folder import OTHERS
from runway_mcp.install.entries import (
    ASKED,
    Entry,
    entries_in,
    find_entry,
    is_passed_on,
    new_entry,
    questions_in,
    servers_in,
    value_at,
)
from runway_mcp.install.files import Content, digest, missing_folders
from runway_mcp.install.formats import jsonc
from runway_mcp.install.formats.by_name import FORMATS
from runway_mcp.install.formats.edits import ConfigurationError, Edit, applied, inverse, is_items, is_tree
from runway_mcp.install.hosts import NAME, OTHER_NAME, QUESTION, TOKEN, Host
from runway_mcp.install.launcher import Launcher
from runway_mcp.install.records import Record

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

    `made` are the paths of keys that held nothing before, and `was` has the keys of the command of an entry that a
    person wrote. Without steps there is nothing to change.
    """

    host: Host
    content: Content
    name: str
    steps: tuple[Step, ...]
    made: tuple[Path_, ...]
    has_token: bool
    was: Mapping[str, object] | None = None

    @property
    def text(self) -> str:
        """The configuration afterwards."""
        return _after(self.content.text, self.steps)

    @property
    def mode(self) -> int | None:
        """The file's new mode, if others may read it and a secret is or belongs in it; None if it keeps its own."""
        if not (self.steps and self.content.is_open and self.content.mode is not None):
            return None
        is_secret = any(entry.secrets or not entry.has_token for entry in entries_in(self.host, self.text))
        return self.content.mode & ~OTHERS if is_secret else None


@dataclass(frozen=True)
class Removal:
    """What takes the entry out of a configuration, step by step; without steps there is nothing to take out.

    `is_last` says that there was no file before. `left` is an entry of this program that stands in it afterwards,
    written by a person.
    """

    content: Content
    steps: tuple[Step, ...]
    is_last: bool
    left: Entry | None

    @property
    def text(self) -> str | None:
        """The configuration afterwards, None if its file goes."""
        return None if self.is_last else _after(self.content.text, self.steps)


def planned(
    host: Host, content: Content, launcher: Launcher, token: str = "", more: Mapping[str, str] | None = None
) -> Change:
    """What installing would change: a new entry, or of ours command, arguments and a token that is given.

    Variables of `more` that the entry lacks are added. All else in the entry and the file stays. Raises
    `ConfigurationError` for a malformed file, or if no change can be made of which the host would read exactly this.
    """
    tree = FORMATS[host.format].parse(content.text)
    servers = servers_in(host, tree)
    ours = find_entry(host, content)
    name = ours.name if ours else next((each for each in (NAME, OTHER_NAME) if each not in servers), None)
    if name is None:
        raise ConfigurationError(f"its servers {NAME} and {OTHER_NAME} start other programs; rename one of them")
    wanted = new_entry(host, launcher, token, name, more)
    path = (*host.servers, name)
    puts: list[tuple[Path_, object]] = [(path, wanted)]
    if ours:
        puts = [((*path, *key), value) for key, value in _updates(host, servers[name], wanted)]
    made = _missing(tree, host.servers) if puts and not ours else ()
    steps = _steps(host, content.text, [_putting(host, key, value) for key, value in puts])
    if steps and host.secret == "question" and not questions_in(tree):  # noqa: S105
        made = (*made, *_missing(tree, ("inputs",)))
        steps = [*steps, *_steps(host, steps[-1].after, [_asking])]
    has_token = bool(token) or host.secret != "entry" or bool(ours and ours.has_token)  # noqa: S105
    keys = [key for key in (host.shape.command, host.shape.args) if key]
    was = {key: servers[name].get(key) for key in keys} if ours and not ours.is_as_written else None
    return Change(host, content, name, tuple(steps), made, has_token, was)


def record_of(change: Change, earlier: Record | None) -> Record:
    """What must be remembered so that this change, and the earlier ones that are still there, can be taken back."""
    content = change.content
    undo = [[*inverse(step.before, step.edits)] for step in reversed(change.steps)]
    made = [list(path) for path in change.made]
    was = dict(change.was) if change.was else None
    record = Record(
        str(content.file),
        digest(content.encoded(change.text)),
        undo,
        made,
        content.raw is None,
        [str(folder) for folder in missing_folders(content.file)],
        change.name,
        [word for entry in entries_in(change.host, change.text) if entry.name == change.name for word in entry.words],
        was,
        None if change.mode is None else content.mode,
        content.digest,
    )
    if earlier is None or earlier.file != record.file or find_entry(change.host, content) is None:
        return record
    unchanged = earlier.digest == content.digest and earlier.undo is not None
    return replace(
        record,
        undo=[*undo, *(earlier.undo or [])] if unchanged else None,
        made=[*earlier.made, *made],
        is_new=earlier.is_new,
        folders=earlier.folders,
        was=earlier.was,
        mode=record.mode if earlier.mode is None else earlier.mode,
    )


def without(host: Host, content: Content, record: Record | None) -> Removal:
    """The configuration without what was added; the same text if there is nothing of that in it.

    A file that nobody changed since becomes what it was. From any other the entry is taken, with what was made for it
    and holds nothing else; of an entry that a person wrote only the command becomes what it was. An entry that the
    record does not name with its command is taken only if it is exactly what installing writes.

    Raises `ConfigurationError` for a malformed file.
    """
    if record and record.file != str(content.file):
        record = None
    if record and record.undo is not None and record.digest == content.digest:
        steps, text = list[Step](), content.text
        for edits in record.undo:
            steps.append(Step(text, tuple(edits)))
            text = steps[-1].after
        is_last = record.is_new
    else:
        steps = _taken_out(host, content.text, record)
        text = _after(content.text, steps)
        is_last = bool(steps and record and record.is_new and not FORMATS[host.format].parse(text))
    return Removal(content, tuple(steps), is_last, None if is_last else next(entries_in(host, text), None))


def _taken_out(host: Host, text: str, record: Record | None) -> list[Step]:
    ours = [*entries_in(host, text)]
    known = (record.name, tuple(record.words)) if record else None
    named = next((each for each in ours if (each.name, each.words) == known), None)
    if record and record.was is not None and named:
        return _command_back(host, text, (*host.servers, named.name), record.was)
    entry = named or next((each for each in ours if each.is_as_written), None)
    if entry is None:
        return []
    steps = [_removed(host, text, (*host.servers, entry.name))]
    if host.secret == "question" and ASKED not in steps[-1].after:  # noqa: S105
        for at in questions_in(jsonc.parse(steps[-1].after)):
            steps.append(_removed(host, steps[-1].after, ("inputs", at)))
    for made in sorted(record.made if record else [], key=len, reverse=True):
        if not value_at(FORMATS[host.format].parse(steps[-1].after), made, default=True):
            steps.append(_removed(host, steps[-1].after, tuple(made)))
    return steps


def _command_back(host: Host, text: str, path: Path_, was: Mapping[str, object]) -> list[Step]:
    """What gives the command of an entry back as a person wrote it; the rest of the entry stays as it is now."""
    steps = list[Step]()
    for key, value in was.items():
        now = _after(text, steps)
        there = value_at(FORMATS[host.format].parse(now), (*path, key), default=None)
        if value is None and there is not None:
            steps.append(_removed(host, now, (*path, key)))
        elif there != value:
            steps += _steps(host, now, [_putting(host, (*path, key), value)])
    return steps


def _after(text: str, steps: Sequence[Step]) -> str:
    return steps[-1].after if steps else text


def made_folders(record: Record | None, content: Content) -> list[Path]:
    """The folders that were made for a configuration, the deepest first."""
    return [Path(folder) for folder in record.folders] if record and record.file == str(content.file) else []


def _updates(host: Host, entry: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterable[tuple[Path_, object]]:
    """The keys of our entry whose values have to change, with the new ones."""
    for key in (host.shape.command, host.shape.args):
        if key and entry.get(key) != wanted[key]:
            yield (key,), wanted[key]
    env = host.shape.env
    if not env:
        return
    variables: Mapping[str, Any] = entry.get(env) or {}
    for name, value in wanted[env].items():
        there = str(variables.get(name) or "")
        if name != TOKEN:
            if not there and not is_passed_on(entry, name):
                yield (env, name), value
        # A reference to a secret that the user keeps elsewhere is better than what we would write.
        elif value and value != there and not there.startswith(("$", "{")) and not is_passed_on(entry):
            yield (env, name), value


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


def _removed(host: Host, text: str, path: Sequence[str | int]) -> Step:
    form = FORMATS[host.format]
    meant = deepcopy(form.parse(text))
    del value_at(meant, path[:-1], default=None)[path[-1]]
    step = Step(text, tuple(form.remove(text, path)))
    if _without_nulls(form.parse(step.after)) != _without_nulls(meant):
        raise ConfigurationError("no safe change was found for the way it is written; take the entry out by hand")
    return step


def _without_nulls(tree: object) -> object:
    """A tree in which empty mappings count as null: YAML and TOML have no lines for a mapping without pairs."""
    if not is_tree(tree):
        return tree
    return {key: _without_nulls(value) for key, value in tree.items() if value not in ({}, None)}


def _missing(tree: Mapping[str, Any], path: Path_) -> tuple[Path_, ...]:
    """The parts of a path that hold nothing."""
    parts = (path[: depth + 1] for depth in range(len(path)))
    return tuple(part for part in parts if value_at(tree, part, default=None) is None)


def _set(tree: dict[str, Any], path: Path_, value: object) -> None:
    for key in path[:-1]:
        if tree.get(key) is None:
            tree[key] = {}
        tree = tree[key]
    tree[path[-1]] = value
