"""What the headers of a file's answer tell: its length, its version, the range that came. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from runway_mcp.media.errors import NoFilm

_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
_DIGITS: Final = re.compile(r"\d{1,18}", re.ASCII)
_STRONG: Final = re.compile(r'"[\x21\x23-\x7e]{1,200}"')
_NO_FILM: Final = ("text/", "image/", "application/json", "application/xml", "application/problem")


@dataclass(frozen=True)
class Version:
    """Which file a link led to: its length in bytes, and its strong entity tag, None where it has none."""

    size: int
    etag: str | None


@dataclass(frozen=True)
class Range:
    """The bytes from `start` to `end` (excluded) of a file of `size` bytes."""

    start: int
    end: int
    size: int


def strong_etag(headers: Mapping[str, str]) -> str | None:
    """The entity tag, if it is a strong one; a weak one says nothing of bytes."""
    tag = headers.get("etag", "")
    return tag if _STRONG.fullmatch(tag) else None


def length_of(headers: Mapping[str, str]) -> int | None:
    """The announced length of the body in bytes."""
    text = headers.get("content-length", "")
    return int(text) if _DIGITS.fullmatch(text) else None


def range_of(headers: Mapping[str, str]) -> Range | None:
    """The range that a 206 says it holds; None if it says so in no usable way, several ranges among them."""
    found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    if found is None:
        return None
    first, last, size = (int(each) for each in found.groups())
    return Range(first, last + 1, size) if first <= last < size else None


def check_type(headers: Mapping[str, str]) -> None:
    """Raises `NoFilm` for pages, pictures and data, and for what is compressed though it was asked not to be."""
    kind = headers.get("content-type", "").lower()
    if kind.startswith(_NO_FILM):
        raise NoFilm("The link leads to a page, a picture or data, and no film.")
    if headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
        raise NoFilm("The link's host sends the film in an encoding that was not asked for.")
