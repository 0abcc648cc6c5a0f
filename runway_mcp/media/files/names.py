"""Names of film files: telling, and safe on Linux, macOS and Windows. Pure."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

MOST_BYTES: Final = 100
"""The length of a name with its ending, in bytes of UTF-8."""

_ENDING: Final = ".mp4"
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# Names of devices on Windows, whatever follows their first dot.
_RESERVED: Final = re.compile(r"con|prn|aux|nul|(?:com|lpt)[0-9]", re.IGNORECASE)
_MARKS: Final = frozenset({"Mn", "Mc"})
_LONGEST_LABEL = 48
# Upstream's names may be of any length, and the normal form takes the square of the marks on a letter.
_LOOKED_AT = 1000
_LONGEST_SECONDS = 100_000.0


def film_name(label: str, film_id: str, *, extensions: int = 0, seconds: float | None = None) -> str:
    """The name of a film's file: `beach-at-dusk_ext2_20s_1f3a.mp4`.

    `label` is the film's name or prompt, of which the letters and digits stay; `extensions` and `seconds` are told
    where they are known, not 0 and no absurd length. The last part comes from `film_id` and keeps films of one label
    apart.
    """
    words = _cut("-".join(_words(label.lower())), _LONGEST_LABEL) or "film"
    length = f"{seconds:.0f}s" if seconds and 0 < seconds < _LONGEST_SECONDS else ""
    told = [words, f"ext{extensions}" if extensions else "", length, short_id(film_id)]
    return "_".join(part for part in told if part) + _ENDING


def given_name(name: str) -> str:
    """A name that the user chose, made safe: its letters, digits and case stay; folders and another ending do not."""
    last = re.split(r"[/\\]", name)[-1]
    stem = last[: -len(_ENDING)] if last.lower().endswith(_ENDING) else last
    stem = _cut("-".join(_words(stem)), MOST_BYTES - len(_ENDING) - 1) or "film"
    return f"{stem}{'_' if _RESERVED.fullmatch(stem) else ''}{_ENDING}"


def numbered(name: str) -> Iterator[str]:
    """The name, then the name with `-2`, `-3` and so on up to `-999`, none longer than `MOST_BYTES`."""
    stem, _, ending = name.rpartition(".")
    for number in range(1, 1000):
        suffix = f".{ending}" if number == 1 else f"-{number}.{ending}"
        yield _cut(stem, MOST_BYTES - len(suffix.encode())) + suffix


def folded(name: str) -> str:
    """The form in which two names are the same file on a system that ignores case and normal form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def is_safe(name: str) -> bool:
    """Whether a name lies in its folder and means the same on every system: letters, digits, `-`, `_` and one dot."""
    stem, dot, ending = name.partition(".")
    plain = all(each in "-_" or _is_letter(each) or unicodedata.category(each) in _MARKS for each in stem)
    ends = ending.isascii() and ending.isalnum() and ending == ending.lower()
    starts = bool(stem) and _is_letter(stem[0])
    short = len(name.encode(errors="replace")) <= MOST_BYTES
    normal = unicodedata.is_normalized("NFC", name)
    return bool(dot) and plain and ends and starts and short and normal and not _RESERVED.fullmatch(stem)


def short_id(film_id: str) -> str:
    """Four characters that tell films apart: the first of the id's last uuid, else of the id's digest."""
    found = _UUID.findall(film_id)
    return found[-1][:4].lower() if found else hashlib.sha256(film_id.encode()).hexdigest()[:4]


def _words(text: str) -> list[str]:
    """Runs of letters and digits in the beginning of a text, with the marks on them; all else separates."""
    kept = " "
    for each in unicodedata.normalize("NFC", text[:_LOOKED_AT]):
        marks = unicodedata.category(each) in _MARKS and kept[-1] != " "
        kept += each if _is_letter(each) or marks else " "
    return kept.split()


def _is_letter(each: str) -> bool:
    return each.isdecimal() or unicodedata.category(each).startswith("L")


def _cut(text: str, most_bytes: int) -> str:
    """The text within so many bytes: up to the end of a word where that leaves half of it, never within a letter."""
    raw = text.encode()
    if len(raw) <= most_bytes:
        return text
    kept = raw[:most_bytes].decode(errors="ignore")
    words = kept.rpartition("-")[0]
    in_word = not text[len(kept) :].startswith("-")
    return (words if in_word and 2 * len(words) > len(kept) else kept).rstrip("-")
