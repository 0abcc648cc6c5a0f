"""TOML, changed by edits that leave every other byte alone."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from runway_mcp.install.formats.edits import ConfigurationError, Edit, difference, is_tree, nested, newline_of

# The library's overloads say nothing of values whose type is not known.
_TOML: Final[Any] = tomlkit


def parse(text: str) -> dict[str, Any]:
    """What the text holds; raises `ConfigurationError` with line and column."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"it is not valid TOML: {error}") from None


def put(text: str, path: Sequence[str], value: object) -> list[Edit]:
    """Edits that set the value under a path of keys: a new table goes to the end, all else stays where it is."""
    parent: object = parse(text)
    for key in path[:-1]:
        if not is_tree(parent):
            break
        parent = parent.get(key, {})
    if not is_tree(parent):
        raise ConfigurationError(f"{'.'.join(path[:-1])} is not a table")
    if path[-1] not in parent and is_tree(value):
        appended = _table(text, path, value)
        if _holds(text + appended, path, value):
            return [Edit(len(text), 0, appended)]
    return _changed(text, path, value)


def remove(text: str, path: Sequence[str | int]) -> list[Edit]:
    """Edits that take out what stands under a path, with the blank line before its table."""
    document: Any = _TOML.parse(text)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    after = _TOML.dumps(document)
    # The blank line before a table at the end belongs to that table.
    ended = after.removesuffix("\r\n") if after.endswith("\r\n") else after.removesuffix("\n")
    blank = text.startswith(after) and ended.endswith("\n")
    return difference(text, ended if blank else after)


def _table(text: str, path: Sequence[str], value: Mapping[str, object]) -> str:
    """The lines of a new table, after a blank one; what is nested in it stands on one line."""
    newline = newline_of(text)
    header = ".".join(_TOML.key(key).as_string() for key in path)
    lines = [f"[{header}]", *(f"{_TOML.key(key).as_string()} = {_spelled(each)}" for key, each in value.items())]
    before = "" if not text else newline if text.endswith("\n") else newline * 2
    return before + newline.join([*lines, ""])


def _spelled(value: Any) -> str:
    if is_tree(value):
        table = _TOML.inline_table()
        table.update(value)
        inner = table.as_string()[1:-1]
        return f"{{ {inner} }}" if inner else "{}"
    return _TOML.item(value).as_string()


def _holds(text: str, path: Sequence[str], value: object) -> bool:
    """Whether a text is TOML and has the value under the path."""
    try:
        found: Any = tomllib.loads(text)
        for key in path:
            found = found[key]
    except (tomllib.TOMLDecodeError, LookupError, TypeError):
        return False
    return found == value


def _changed(text: str, path: Sequence[str], value: object) -> list[Edit]:
    """The same by the library, where no table can be added at the end or a value stands already."""
    try:
        document: Any = _TOML.parse(text)
        parent = document
        for depth, key in enumerate(path[:-1]):
            if key not in parent:
                parent[key] = _TOML.item(nested(path[depth + 1 :], value))
                return difference(text, _TOML.dumps(document))
            parent = parent[key]
        parent[path[-1]] = value
        return difference(text, _TOML.dumps(document))
    except (TOMLKitError, AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError(f"its tables cannot be changed safely: {error}") from None
