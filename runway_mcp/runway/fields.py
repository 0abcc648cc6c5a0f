"""Lenient types for the fields of upstream's JSON: a value of the wrong type reads as None, never as an error."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict

LARGEST_WHOLE = 2**53 - 1
"""The largest number that is read."""


def text(value: object) -> str | None:
    """A string that can be encoded (a lone surrogate becomes "?"); None for anything but a string."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else None


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
    """An absolute http(s) URL; None for the rest, since hosts make URLs clickable."""
    read = text(value)
    return read if read and read.lower().startswith(("http://", "https://")) else None


def links(value: object) -> tuple[str, ...]:
    """The absolute http(s) URLs of a JSON array; empty for the rest."""
    return tuple(read for read in map(link, sequence(value)) if read is not None)


Text = Annotated[str | None, BeforeValidator(text)]
Number = Annotated[float | None, BeforeValidator(measure)]
Whole = Annotated[int | None, BeforeValidator(whole)]
Ratio = Annotated[float | None, BeforeValidator(ratio)]
Flag = Annotated[bool | None, BeforeValidator(flag)]
Link = Annotated[str | None, BeforeValidator(link)]
Links = Annotated[tuple[str, ...], BeforeValidator(links)]


class Record(BaseModel):
    """A frozen model of an object from upstream: drops undocumented fields, takes wire names and Python names."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_alias=True, validate_by_name=True)


def record(value: object) -> Record | Mapping[str, object] | None:
    """A JSON object that is not empty, or a `Record`; None for the rest."""
    return value if isinstance(value, Record) else mapping(value) or None
