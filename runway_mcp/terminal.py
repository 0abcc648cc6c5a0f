"""What a command says: its name, lines on stdout and stderr, and why it cannot run."""

import sys
from typing import Final

PROGRAM: Final = "useapi-runway-mcp"
"""The name of the command."""


class CommandError(Exception):
    """A command cannot run: the message is one line for stderr, `code` is the exit code."""

    def __init__(self, line: str, code: int) -> None:
        super().__init__(line)
        self.code = code


def say(line: str) -> None:
    """Writes a line for a person to stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def tell(line: str) -> None:
    """Writes a line of the command's result to stdout."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
