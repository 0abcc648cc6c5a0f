"""YAML, changed by edits at the positions that its parser tells, so that every other byte stays."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import ruamel.yaml
from ruamel.yaml.error import YAMLError

from runway_mcp.install.formats.edits import (
    ConfigurationError,
    Edit,
    indent_of,
    is_tree,
    line_indent,
    nested,
    newline_of,
)

# The library has no types: what it gives is read once, into `_Node`.
_YAML: Final[Any] = ruamel.yaml.YAML


@dataclass(frozen=True)
class _Node:
    """A value from `start` to `end`; `end` is behind its last character, before what follows it on its line.

    `pairs` are those of a mapping, None of anything else; `is_flow` says that it stands within brackets.
    """

    start: int
    end: int
    column: int
    scalar: str | None
    is_null: bool
    is_flow: bool
    pairs: tuple[tuple["_Node", "_Node"], ...] | None


def parse(text: str) -> dict[str, Any]:
    """What the text holds, an empty object if it holds nothing; raises `ConfigurationError` with the line."""
    try:
        value: object = _YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", at line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"it is not valid YAML{where}") from None
    if value is None:
        return {}
    if not is_tree(value):
        raise ConfigurationError("it does not hold a mapping")
    return value


def put(text: str, path: Sequence[str], value: object) -> list[Edit]:
    """Edits that set the value under a path of keys; what is missing or null on the way becomes a mapping."""
    node = _root(text)
    if node is None:
        return [_at_end_of_line(text, len(text), _block(text, nested(path, value), ""))]
    deeper = ""
    for depth, key in enumerate(path):
        pair = _pair(node, key)
        if pair is None:
            return [_appended(text, node, {key: nested(path[depth + 1 :], value)})]
        braced, (name, node) = node.is_flow, pair
        rest = path[depth + 1 :]
        if rest and braced and not node.pairs:
            return [Edit(node.start, node.end - node.start, " " * node.is_null + json.dumps(nested(rest, value)))]
        if rest and not node.pairs and (node.is_null or node.pairs is not None):
            indent = line_indent(text, name.start) + indent_of(text)
            start = text.index(":", name.end) + 1
            braces = Edit(start, 0 if node.is_null else node.end - start, "")
            return [braces, _at_end_of_line(text, start + braces.length, _block(text, nested(rest, value), indent))]
        if rest and node.pairs is None:
            raise ConfigurationError(f"{'.'.join(path[: depth + 1])} is not a mapping")
        deeper = "" if node.column > name.column else indent_of(text)  # a list may stand below its key, brackets not
    return [Edit(node.start, node.end - node.start, deeper + json.dumps(value, ensure_ascii=False))]


def remove(text: str, path: Sequence[str | int]) -> list[Edit]:
    """Edits that take out a pair that is there, with its line ends or, within braces, its comma."""
    parent, name, value = _found(text, path)
    if parent.is_flow:
        pairs = parent.pairs or ()
        at = pairs.index((name, value))
        before = pairs[at - 1][1].end if at else name.start
        behind = pairs[1][0].start if not at and len(pairs) > 1 else value.end
        return [Edit(before, behind - before, "")]
    start = text.rfind("\n", 0, name.start) + 1
    end = text.find("\n", value.end - 1)
    if end < 0:
        # The last line had no end: the one before it loses its own.
        start = max(start - len(newline_of(text)), 0)
        return [Edit(start, len(text) - start, "")]
    return [Edit(start, end + 1 - start, "")]


def _found(text: str, path: Sequence[str | int]) -> tuple[_Node, _Node, _Node]:
    """The mapping that holds the last key of a path, that key and its value; raises LookupError."""
    node = _root(text)
    for depth, key in enumerate(path):
        pair = _pair(node, str(key)) if node else None
        if node is None or pair is None:
            break
        if depth == len(path) - 1:
            return node, *pair
        node = pair[1]
    raise LookupError(path)


def _root(text: str) -> _Node | None:
    """The mapping that the text holds, None if it holds nothing."""
    parse(text)
    node: Any = _YAML(pure=True).compose(io.StringIO(text, newline=""))
    root = None if node is None else _read(node)
    return None if root is None or root.is_null else root


def _read(node: Any) -> _Node:
    """A node of the library: its end of a block is behind the comments and blank lines that follow, ours is not."""
    pairs = tuple((_read(key), _read(value)) for key, value in node.value) if node.id == "mapping" else None
    items = [_read(item) for item in node.value] if node.id == "sequence" else []
    is_flow = bool(getattr(node, "flow_style", None))
    last = pairs[-1][1] if pairs else items[-1] if items else None
    return _Node(
        start=node.start_mark.index,
        end=node.end_mark.index if is_flow or last is None else last.end,
        column=node.start_mark.column,
        scalar=node.value if isinstance(node.value, str) else None,
        is_null=str(node.tag).endswith(":null"),
        is_flow=is_flow,
        pairs=pairs,
    )


def _pair(node: _Node, key: str) -> tuple[_Node, _Node] | None:
    return next((pair for pair in node.pairs or () if pair[0].scalar == key), None)


def _appended(text: str, node: _Node, member: Mapping[str, object]) -> Edit:
    """Puts a pair behind the last one of a mapping."""
    if node.is_flow:
        inner = json.dumps(member, ensure_ascii=False)[1:-1]
        return Edit(node.pairs[-1][1].end, 0, f", {inner}") if node.pairs else Edit(node.start + 1, 0, inner)
    column = node.pairs[0][0].column if node.pairs else 0
    return _at_end_of_line(text, node.end, _block(text, member, " " * column))


def _at_end_of_line(text: str, at: int, block: str) -> Edit:
    """Puts whole lines behind the line in which a position is, or at the position if that begins a line."""
    newline = newline_of(text)
    if at == 0 or text[at - 1] == "\n":
        return Edit(at, 0, block + newline)
    end = text.find("\n", at)
    if end < 0:
        return Edit(len(text), 0, newline + block)
    return Edit(end + 1, 0, block + newline)


def _block(text: str, value: object, indent: str) -> str:
    """A mapping as lines at an indentation, without the last line end."""
    writer = _YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.width = 10_000
    writer.sort_base_mapping_type_on_output = False
    writer.allow_unicode = True
    out = io.StringIO()
    writer.dump(value, out)
    return newline_of(text).join(indent + line for line in out.getvalue().splitlines())
