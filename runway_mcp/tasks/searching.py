"""Words of a search: whether a text holds all of them, and as much of a long text as shows them. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Matched = Literal["ancestor", "film"]
"""What holds the words of a search that a clip or film lacks: what it was made from, or the film that it is part of."""

GAP: Final = " … "
"""What stands in a text for what was left out of its middle; where the end is missing it is the ellipsis alone."""

_WINDOWS = 3


@dataclass(frozen=True)
class FoundBy:
    """What else a search finds an asset by: words, and the names of what the film of a task came from."""

    words: str
    task_id: str | None = None


def has_words(text: str, query: str | None) -> bool:
    """Whether all words of a query stand in a text, in any order and case; those of no query do."""
    folded = text.casefold()
    return all(word in folded for word in _words(query))


def cut(text: str | None, longest: int, query: str | None = None) -> str | None:
    """Text of at most `longest` characters, with an ellipsis where it is cut.

    Its beginning is kept, and what surrounds the words of a query further on.
    """
    if text is None or len(text) <= longest:
        return text
    spans, ranges, count = _spans(text, query), [(0, longest - 1)], 0
    while count < _WINDOWS and not all(_is_shown(span, ranges) for span in spans):
        count += 1
        ranges = _ranges(text, spans, size=(longest - 1 - count * len(GAP)) // (count + 1), most=count)
    kept = GAP.join(text[begin:end].rstrip() for begin, end in ranges)
    return kept if ranges[-1][1] >= len(text) else f"{kept}…"


def is_cut_of(told: str, name: str) -> bool:
    """Whether a text is the beginning of a name, with an ellipsis for the rest, as lists tell a long one."""
    begin = told.removesuffix("…").rstrip()
    return told.endswith("…") and bool(begin) and name != begin and name.startswith(begin)


def _words(query: str | None) -> list[str]:
    return (query or "").casefold().split()


def _spans(text: str, query: str | None) -> list[tuple[int, int]]:
    """Where each word of a query begins and ends first, ascending."""
    found = (re.search(re.escape(word), text, re.IGNORECASE) for word in _words(query))
    return sorted(each.span() for each in found if each)


def _is_shown(span: tuple[int, int], ranges: Sequence[tuple[int, int]]) -> bool:
    return any(begin <= span[0] and span[1] <= end for begin, end in ranges)


def _ranges(text: str, spans: Sequence[tuple[int, int]], *, size: int, most: int) -> list[tuple[int, int]]:
    """The beginning of a text and so much around each of the first words behind it, those that touch as one."""
    ranges, added = [(0, size)], 0
    for start, end in spans:
        if added == most or _is_shown((start, end), ranges):
            continue
        # Not from within a word.
        begin = max(0, min((start + end - size) // 2, start))
        begin = text.find(" ", begin, start) + 1 or begin
        first, last = ranges[-1]
        if begin <= last + len(GAP):
            ranges[-1] = first, begin + size
        else:
            ranges.append((begin, begin + size))
        added += 1
    return ranges
