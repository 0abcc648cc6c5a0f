"""JSON with comments: read with positions, and changed by edits that leave every other byte alone.

An own parser, since of the libraries that keep comments one starts a Node process, and the others could not be
installed on Python 3.11.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from runway_mcp.install.formats.edits import (
    ConfigurationError,
    Edit,
    indent_of,
    is_tree,
    line_indent,
    nested,
    newline_of,
)

_TRIVIA: Final = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_SAME_LINE: Final = re.compile(r"(?:[ \t]*(?://[^\r\n]*|/\*[^\r\n]*?\*/))*")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_WORD: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")


def _no_constant(name: str) -> None:
    """Refuses NaN and the infinities, which are no JSON."""
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)


@dataclass(frozen=True)
class _Node:
    """A value from `start` to `end`, with what it holds if it stands on the path that was asked for."""

    start: int
    end: int
    value: Any
    children: tuple["_Child", ...] = ()


@dataclass(frozen=True)
class _Child:
    """A member of an object (with its key) or an item of an array, from `start` on; `comma` stands behind it."""

    key: str | None
    start: int
    node: _Node
    comma: int | None


def parse(text: str) -> dict[str, Any]:
    """What the text holds, an empty object if it holds nothing; raises `ConfigurationError` with line and column."""
    root = _root(text, ())
    value: object = {} if root is None else root.value
    if not is_tree(value):
        raise ConfigurationError("it does not hold a JSON object")
    return value


def put(text: str, path: Sequence[str], value: object) -> list[Edit]:
    """Edits that set the value under a path of keys; what is missing or null on the way becomes an object."""
    newline, unit = newline_of(text), indent_of(text)
    node = _root(text, path)
    if node is None:
        before = "" if text.endswith("\n") or not text else newline
        return [Edit(len(text), 0, before + pretty(nested(path, value), "", unit, newline) + newline)]
    for depth, key in enumerate(path):
        if node.value is None:
            return [_replaced(text, node, nested(path[depth:], value))]
        _must_be(node, dict, path[:depth])
        child = _child(node, key)
        if child is None:
            return _appended(text, node, key, nested(path[depth + 1 :], value))
        node = child.node
    return [_replaced(text, node, value)]


def append(text: str, path: Sequence[str], value: object) -> list[Edit]:
    """Edits that add an item to the array under a path; an array that is missing or null is made."""
    node = _root(text, path)
    for key in path:
        child = _child(node, key) if node else None
        node = child.node if child else None
    if node is None or node.value is None:
        return put(text, path, [value])
    _must_be(node, list, path)
    return _appended(text, node, None, value)


def remove(text: str, path: Sequence[str | int]) -> list[Edit]:
    """Edits that take out a member or an item that is there, with the blanks before it and its comma."""
    node = parent = _root(text, path)
    at = -1
    for key in path:
        parent, at = node, _index(node, key)
        node = parent.children[at].node if parent else None
    if parent is None or at < 0:
        raise LookupError(path)
    child = parent.children[at]
    start = len(text[: child.start].rstrip(" \t\r\n"))
    end = child.node.end if child.comma is None else child.comma + 1
    edits = [Edit(start, end - start, "")]
    comma = parent.children[at - 1].comma if at else None
    if comma is not None and child.comma is None:
        edits.insert(0, Edit(comma, 1, ""))
        if start == comma + 1:
            edits = [Edit(comma, end - comma, "")]
    return edits


def pretty(value: Any, indent: str, unit: str, newline: str) -> str:
    """A value as JSON whose first line stands at `indent`: objects over several lines, lists of plain values on one."""
    inner = indent + unit
    match value:
        case {**members} if members:
            lines = [f"{inner}{_dumped(key)}: {pretty(each, inner, unit, newline)}" for key, each in members.items()]
            return "{" + newline + f",{newline}".join(lines) + newline + indent + "}"
        case [*items] if any(isinstance(item, dict) for item in items):
            lines = [inner + pretty(item, inner, unit, newline) for item in items]
            return "[" + newline + f",{newline}".join(lines) + newline + indent + "]"
        case _:
            return _dumped(value)


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _must_be(node: _Node, kind: type, path: Sequence[str]) -> None:
    if not isinstance(node.value, kind):
        what = "an object" if kind is dict else "a list"
        raise ConfigurationError(f"{'.'.join(path) or 'it'} is not {what}")


def _child(node: _Node, key: str) -> _Child | None:
    """The member of that key, the last where there are several, as parsers have it."""
    return next((child for child in reversed(node.children) if child.key == key), None)


def _index(node: _Node | None, key: str | int) -> int:
    """Where a member or an item stands among its like; raises LookupError."""
    found = [at for at, child in enumerate(node.children if node else ()) if key in {child.key, at}]
    if not found:
        raise LookupError(key)
    return found[-1]


def _replaced(text: str, node: _Node, value: object) -> Edit:
    indent = line_indent(text, node.start)
    return Edit(node.start, node.end - node.start, pretty(value, indent, indent_of(text), newline_of(text)))


def _appended(text: str, parent: _Node, key: str | None, value: object) -> list[Edit]:
    """Edits that add a last member or item, in the style of those before it."""
    newline, unit = newline_of(text), indent_of(text)
    name = "" if key is None else f"{_dumped(key)}: "

    def lines(indent: str) -> str:
        return newline + indent + name + pretty(value, indent, unit, newline)

    base = line_indent(text, parent.start)
    if not parent.children:
        inner = text[parent.start + 1 : parent.end - 1]
        blanks = inner[len(inner.rstrip(" \t\r\n")) :]
        closing = "" if "\n" in blanks else newline + base
        return [Edit(parent.end - 1 - len(blanks), 0, lines(base + unit) + closing)]
    last = parent.children[-1]
    comma = [] if last.comma is not None else [Edit(last.node.end, 0, ",")]
    behind = last.node.end if last.comma is None else last.comma + 1
    if "\n" not in text[parent.start : last.start]:
        return [*comma, Edit(behind, 0, f" {name}{_dumped(value)}")]
    first_of_line = not text[text.rfind("\n", 0, last.start) + 1 : last.start].strip()
    indent = line_indent(text, last.start) if first_of_line else base + unit
    comments = _SAME_LINE.match(text, behind)
    trailing = "" if last.comma is None else ","
    return [*comma, Edit(comments.end() if comments else behind, 0, lines(indent) + trailing)]


def _root(text: str, path: Sequence[str | int]) -> _Node | None:
    """The value of the text, with children along the path alone; None if there is nothing but blanks and comments."""
    start = _skipped(text, 0)
    if start == len(text):
        return None
    try:
        node = _read(text, start, path)
    except RecursionError:
        raise ConfigurationError("it is nested too deeply") from None
    end = _skipped(text, node.end)
    if end < len(text):
        raise _malformed(text, end)
    return node


def _read(text: str, at: int, path: Sequence[str | int] | None) -> _Node:
    """The value at a position. Without a path the fast decoder reads it, as long as it has no comments."""
    if path is None:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except ValueError:
            path = ()
        else:
            return _Node(at, end, value)
    match text[at : at + 1]:
        case "{":
            children, end = _children(text, at, "}", path)
            return _Node(at, end, {child.key: child.node.value for child in children}, children)
        case "[":
            children, end = _children(text, at, "]", path)
            return _Node(at, end, [child.node.value for child in children], children)
        case _:
            found = _STRING.match(text, at) or _WORD.match(text, at)
            if not found:
                raise _malformed(text, at)
            return _Node(at, found.end(), json.loads(found[0]))


def _children(text: str, at: int, closing: str, path: Sequence[str | int]) -> tuple[tuple[_Child, ...], int]:
    """What stands between a bracket and the closing one, and where that one ends; a last comma may stand."""
    children: list[_Child] = []
    at = _skipped(text, at + 1)
    while not text.startswith(closing, at):
        if children and children[-1].comma is None:
            raise _malformed(text, at)
        key, start = _key(text, at) if closing == "}" else (None, at)
        is_on_path = bool(path) and path[0] == (len(children) if key is None else key)
        node = _read(text, start, path[1:] if is_on_path else None)
        behind = _skipped(text, node.end)
        comma = behind if text.startswith(",", behind) else None
        children.append(_Child(key, at, node, comma))
        at = behind if comma is None else _skipped(text, comma + 1)
    return tuple(children), at + 1


def _key(text: str, at: int) -> tuple[str, int]:
    """The key of a member, and where its value begins."""
    key = _STRING.match(text, at)
    colon = _skipped(text, key.end()) if key else at
    if not key or not text.startswith(":", colon):
        raise _malformed(text, colon)
    return json.loads(key[0]), _skipped(text, colon + 1)


def _skipped(text: str, at: int) -> int:
    found = _TRIVIA.match(text, at)
    return found.end() if found else at


def _malformed(text: str, at: int) -> ConfigurationError:
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    return ConfigurationError(f"it is not valid JSON, at line {line}, column {column}")
