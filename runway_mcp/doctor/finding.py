"""What a check found."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failure"]
"""A failure keeps the program from its work; a warning is worth a look."""


@dataclass(frozen=True)
class Finding:
    """What one check found, in one line without secrets, and what to do about it, unless nothing is to be done."""

    check: str
    status: Status
    message: str
    remedy: str | None = None


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", message)


def warning(check: str, message: str, remedy: str | None = None) -> Finding:
    """Worth a look, or not checked."""
    return Finding(check, "warning", message, remedy)


def failure(check: str, message: str, remedy: str) -> Finding:
    """The program cannot do its work."""
    return Finding(check, "failure", message, remedy)
