"""A change of a configuration as lines, without any secret."""

import re
from collections.abc import Collection, Iterator
from textwrap import dedent
from typing import Final

from runway_mcp.install.changes import Step
from runway_mcp.install.hosts import TOKEN

_MASK: Final = "(your token)"

_TOLD_TOKEN: Final = re.compile(r"user:[^\s\"'\\,}]+")
# A value beside the name, but for an empty one, a reference to the host's own secret and what is masked already.
_TOKEN_VALUE: Final = re.compile(
    rf"""(?P<name>{TOKEN}["']?\s*[:=]\s*["']?)(?![\s"'(]|\$\{{|\{{env:|$)(?:[^"'\\\n,}}]|\\.)+"""
)
_PASSWORD: Final = re.compile(r"(://)[^/@\s]+@")
_WHOLE_VALUE: Final = re.compile(r"""["']?\s*[:=]\s*(?:"[^"]*"|'[^']*')""")


def shown(steps: Collection[Step], secrets: Collection[str] = ()) -> Iterator[str]:
    """The lines that go and the lines that come, without commas and blanks around them, and without any secret."""
    for step in steps:
        for edit in step.edits:
            gone = step.before[edit.start : edit.start + edit.length]
            if _is_within_token(step.before, edit.start, gone + edit.text):
                yield from (f"{sign} {_MASK}" for sign, text in (("-", gone), ("+", edit.text)) if text)
                continue
            for sign, text in (("-", gone), ("+", edit.text)):
                lines = dedent(text.strip("\r\n").removeprefix(",").strip("\r\n")).strip().splitlines()
                yield from (f"{sign} {masked(line, secrets)}" for line in lines)


def masked(line: str, secrets: Collection[str] = ()) -> str:
    """A line without these secrets, without any token (also one that stood there), and without passwords."""
    for secret in secrets:
        line = line.replace(secret, _MASK) if secret else line
    line = _PASSWORD.sub(r"\1(your password)@", _TOLD_TOKEN.sub(_MASK, line))
    return _TOKEN_VALUE.sub(rf"\g<name>{_MASK}", line)


def _is_within_token(before: str, start: int, changed: str) -> bool:
    """Whether a change within one line begins within the token on it: what it shows is a part of one."""
    line = before[before.rfind("\n", 0, start) + 1 : start]
    return "\n" not in changed and TOKEN in line and not _WHOLE_VALUE.match(line.rpartition(TOKEN)[2])
