"""Replacements in a text, what takes them back, and how a configuration is spelled."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeGuard

FormatName = Literal["json", "toml", "yaml"]
"""The formats of configurations; JSON may have comments and commas at the end."""

_INDENT: Final = re.compile(r"^([ \t]+)\S", re.MULTILINE)


class ConfigurationError(Exception):
    """A configuration cannot be read or changed safely; the message is one sentence that says why."""


@dataclass(frozen=True)
class Edit:
    """`length` characters from `start` on give way to `text`."""

    start: int
    length: int
    text: str


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text after all edits, whose positions are those before any of them; they do not overlap."""
    pieces: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        pieces += [text[at : edit.start], edit.text]
        at = edit.start + edit.length
    return "".join([*pieces, text[at:]])


def inverse(text: str, edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """The edits that make `text` again of what `edits` make of it."""
    back: list[Edit] = []
    shift = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        gone = text[edit.start : edit.start + edit.length]
        back.append(Edit(edit.start + shift, len(edit.text), gone))
        shift += len(edit.text) - edit.length
    return tuple(back)


def difference(before: str, after: str) -> list[Edit]:
    """The one edit that makes `after` of `before`; none if they are equal."""
    if before == after:
        return []
    shortest = min(len(before), len(after))
    start = next((at for at in range(shortest) if before[at] != after[at]), shortest)
    most = shortest - start
    end = next((at for at in range(most) if before[-1 - at] != after[-1 - at]), most)
    return [Edit(start, len(before) - end - start, after[start : len(after) - end])]


def newline_of(text: str) -> str:
    """The line end that the text uses first."""
    return "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"


def indent_of(text: str) -> str:
    """The indentation of the first line that has one, else two blanks."""
    found = _INDENT.search(text)
    return found[1] if found else "  "


def line_indent(text: str, at: int) -> str:
    """The blanks with which the line of a position begins."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def is_tree(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a value is a mapping of a configuration, whose keys are taken for strings."""
    return isinstance(value, dict)


def is_items(value: object) -> TypeGuard[list[Any]]:
    """Whether a value is a list of a configuration."""
    return isinstance(value, list)


def nested(path: Sequence[str], value: object) -> object:
    """The value within one object for each key of the path."""
    for key in reversed(path):
        value = {key: value}
    return value
