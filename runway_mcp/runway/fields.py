"""Lenient types for the fields of upstream's JSON: a value of the wrong type reads as None, never as an error."""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict

LARGEST_WHOLE = 2**53 - 1
"""The largest number that is read."""

LONGEST_ID = 512
"""The most characters of an id."""

LONGEST_LINK = 4096
"""The most characters of a link."""

LONGEST_WORD, LONGEST_TEXT = 64, 1024
"""The most characters of a word, such as a status or a date, and of a text, such as a name; what follows is cut."""

MOST_LINKS, MOST_ARTIFACTS = 8, 8
"""The most previews of a film, and the most artifacts of a task, that are read."""

_MOST_SEEN = 4096

# RFC 3986 `pchar` without percent-encoding: the characters that every HTTP client leaves alone in a path segment.
_SEGMENT = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+")


_UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")


class _Seen(dict[int, str]):
    """What is seen of a character, by its number; the first few thousand that are asked for are kept."""

    def __missing__(self, number: int) -> str:
        char = chr(number)
        seen = " " if char.isspace() else "" if unicodedata.category(char).startswith("C") else char
        if len(self) < _MOST_SEEN:
            self[number] = seen
        return seen


_SEEN = _Seen()


def is_storable(text: str) -> bool:
    """Whether every ledger can keep a text: a database takes neither NUL nor lone surrogates."""
    return _UNSTORABLE.search(text) is None


def _encodable(value: object) -> str | None:
    """A string that can be encoded (a lone surrogate becomes "?"); None for anything but a string."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else None


def text(value: object) -> str | None:
    """A string that can be stored: without NUL, and with "?" for a lone surrogate; None for anything but a string."""
    return None if (read := _encodable(value)) is None else read.replace("\0", "")


def visible_line(text: str) -> str:
    """The text with every run of blanks as one space, without control, format, private-use and surrogate characters."""
    # What is printable has none of them; most texts are.
    seen = text if text.isprintable() else text.translate(_SEEN)
    return " ".join(seen.split())


def short(value: object) -> str | None:
    """A text, cut to `LONGEST_TEXT`; None for the rest."""
    return None if (read := text(value)) is None else read[:LONGEST_TEXT]


def word(value: object) -> str | None:
    """A text as one line, cut to `LONGEST_WORD`; None if nothing visible is left, and for the rest."""
    read = short(value)
    return visible_line(read)[:LONGEST_WORD].rstrip() or None if read else None


def plain_id(value: object) -> str | None:
    """An id that can stand in a path as it is, and so holds no blank, quotation mark or line break; else None."""
    read = _encodable(value)
    fits = read is not None and len(read) <= LONGEST_ID and read not in {".", ".."} and _SEGMENT.fullmatch(read)
    return read if fits else None


def number(value: object) -> float | None:
    """A finite number, also from a string that spells one; None for the rest, booleans included."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None


def whole(value: object) -> int | None:
    """A whole number, also from a string or from a fraction, whose fractional part is dropped; None for the rest.

    None for one beyond `LARGEST_WHOLE`, which no reader of our JSON is sure to keep exact.
    """
    read = value if isinstance(value, int) and not isinstance(value, bool) else number(value)
    return None if read is None or abs(read) > LARGEST_WHOLE else int(read)


def measure(value: object) -> float | None:
    """A number as `number` reads it, of a size that can be a measure; None for the rest."""
    read = number(value)
    return read if read is not None and abs(read) <= LARGEST_WHOLE else None


def ratio(value: object) -> float | None:
    """A number from 0 to 1; None for the rest."""
    read = number(value)
    return read if read is not None and 0 <= read <= 1 else None


def flag(value: object) -> bool | None:
    """A boolean; None for the rest."""
    return value if isinstance(value, bool) else None


def mapping(value: object) -> Mapping[str, object] | None:
    """A JSON object; None for the rest."""
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else None


def sequence(value: object) -> Sequence[object]:
    """A JSON array; an empty one for the rest."""
    return cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()


def link(value: object) -> str | None:
    """An absolute http(s) URL; None for the rest, since hosts make URLs clickable.

    None as well for one with a login, a blank, or a control or format character, and for one too long to be a link.
    """
    read = _encodable(value)
    if not read or len(read) > LONGEST_LINK or not read.lower().startswith(("http://", "https://")):
        return None
    if not read.isprintable() or " " in read:
        return None
    try:
        host = urlsplit(read).netloc
    except ValueError:
        return None
    return read if host and "@" not in host else None


def links(value: object) -> tuple[str, ...]:
    """The first `MOST_LINKS` of a JSON array, those that are links as `link` reads them; empty for the rest."""
    return tuple(read for read in map(link, sequence(value)[:MOST_LINKS]) if read is not None)


Prompt = Annotated[str | None, BeforeValidator(text)]
Text = Annotated[str | None, BeforeValidator(short)]
Word = Annotated[str | None, BeforeValidator(word)]
Id = Annotated[str | None, BeforeValidator(plain_id)]
Number = Annotated[float | None, BeforeValidator(measure)]
Whole = Annotated[int | None, BeforeValidator(whole)]
Ratio = Annotated[float | None, BeforeValidator(ratio)]
Flag = Annotated[bool | None, BeforeValidator(flag)]
Link = Annotated[str | None, BeforeValidator(link)]
Links = Annotated[tuple[str, ...], BeforeValidator(links)]


class Record(BaseModel):
    """A frozen model of an object from upstream: drops undocumented fields, takes wire names and Python names."""

    # An idle server uses none of these models, so each is made complete when it is first used.
    model_config = ConfigDict(
        frozen=True, defer_build=True, extra="ignore", validate_by_alias=True, validate_by_name=True
    )


def record(value: object) -> Record | Mapping[str, object] | None:
    """A JSON object that is not empty, or a `Record`; None for the rest."""
    return value if isinstance(value, Record) else mapping(value) or None
