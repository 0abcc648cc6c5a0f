"""The token from a person at a terminal, or from a pipe."""

import getpass
import os
import select
import stat
import sys
from collections.abc import Callable
from functools import partial
from typing import Final, TextIO

_LONGEST: Final = 10_000


def asked(question: str) -> str:
    """The answer of the person at the terminal, which is not shown.

    Raises EOFError and KeyboardInterrupt, on a line of their own.
    """
    try:
        return getpass.getpass(question)
    except (EOFError, KeyboardInterrupt):
        sys.stderr.write("\n")
        raise


def ways_to_ask(
    stream: TextIO | None, say: Callable[[str], None]
) -> tuple[Callable[[str], str] | None, Callable[[float], str] | None]:
    """How a token can be had from stdin: by asking at a terminal, or as the first line of a pipe or a file.

    Neither if there is nothing to read, as where stdin is closed or the null device.
    """
    try:
        mode = os.fstat(stream.fileno()).st_mode if stream else 0
    except (OSError, ValueError):  # closed, or no file
        return None, None
    if stream and (stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)):
        return None, partial(piped, stream, say)
    return (asked if stream and stream.isatty() and sys.stderr.isatty() else None), None


def piped(stream: TextIO, say: Callable[[str], None], seconds: float) -> str:
    """The first line of a stream, empty if it ends without one, or none begins within `seconds`, which is told."""
    # On Windows only sockets can be waited for.
    if os.name == "posix" and not select.select([stream], [], [], seconds)[0]:
        say(f"No token came on stdin within {seconds:.0f} s; going on without it.")
        return ""
    return stream.buffer.readline(_LONGEST).decode(errors="replace")
