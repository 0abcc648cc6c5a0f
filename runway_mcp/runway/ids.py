"""Long ids of tasks and assets: which are safe in a request's path, and which account they name.

A long id reads `user:<number>-runwayml:<e-mail>-task:<uuid>` (or `-asset:`) and goes into a path verbatim, since
useapi.net does not decode `%3A` and `%40`.
"""

import re
from typing import Literal

from runway_mcp.runway.errors import InvalidRequest
from runway_mcp.runway.fields import LONGEST_ID, plain_id

MAX_LENGTH = LONGEST_ID
"""The most characters of an id that is sent."""

_LONG = re.compile(r"user:[^-]+-runwayml:(?P<email>.+)-(?P<kind>task|asset):[0-9a-fA-F-]{36}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def checked_id(value: str, name: str) -> str:
    """`value`, if it can stand in a path verbatim; else raises `InvalidRequest` that names the field `name`."""
    if not value:
        raise InvalidRequest(f"{name} is empty.")
    if len(value) > MAX_LENGTH:
        raise InvalidRequest(f"{name} is longer than {MAX_LENGTH} characters, so it is no id.")
    if plain_id(value) is None:
        raise InvalidRequest(
            f"{name} holds something that no id holds: ids have ASCII letters, digits and marks such as : @ - only, "
            "no blanks and none of / ? # % \\."
        )
    return value


def account_of(long_id: str) -> str | None:
    """The e-mail of the account that a long id belongs to; None for any other id."""
    # The e-mail may hold hyphens and even "-task:", so the greedy group extends to the last one.
    match = _LONG.fullmatch(long_id)
    return match["email"] if match else None


def kind_of(long_id: str) -> Literal["task", "asset"] | None:
    """What a long id names; None for any other id."""
    match = _LONG.fullmatch(long_id)
    if match is None:
        return None
    return "task" if match["kind"] == "task" else "asset"


def task_beside(long_id: str, reference: str) -> str | None:
    """The taskId that a reference may be: itself, or for a bare uuid one of the account of `long_id`; else None."""
    if kind_of(reference) == "task":
        return reference
    kind = kind_of(long_id)
    if kind is None or not _UUID.fullmatch(reference):
        return None
    return f"{long_id.rpartition(f'-{kind}:')[0]}-task:{reference.lower()}"


def is_same(one: str, other: str) -> bool:
    """Whether two ids, each long or bare, end in the same uuid."""
    return one.rpartition(":")[2].lower() == other.rpartition(":")[2].lower()
