"""What the program writes to stderr: warnings and worse, without secrets and without the signed part of links."""

import logging
import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

HIDDEN: Final = "[hidden]"

_LINK: Final = re.compile(r"""(\b[a-z][a-z0-9+.-]*://[^\s"'<>?#]+)[?#][^\s"'<>]+""", re.IGNORECASE)
_TALKATIVE: Final = ("httpx", "httpcore", "httpx2", "httpcore2")


class Redacted(logging.Formatter):
    """Formats records, tracebacks included, without any text that was given to `hide` and without links' queries."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets: set[str] = set()

    def hide(self, secret: str) -> None:
        """Keeps a secret out of every later record, as it is and as a `repr` writes it."""
        self._secrets |= {secret, repr(secret)[1:-1]}

    def format(self, record: logging.LogRecord) -> str:
        """The record's text as it may be shown."""
        text = super().format(record)
        # The longest first, or a secret that contains another would keep its other half.
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return _LINK.sub(r"\1", text)


@contextmanager
def logs_to_stderr(formatter: Redacted) -> Generator[None]:
    """Sends warnings and worse to stderr in this formatter for as long as it is open.

    The HTTP clients tell the URL of each request at a lower level; they are held to warnings on their own, so that
    whoever lowers the level of the rest does not get those by surprise.
    """
    root = logging.getLogger()
    to_stderr = logging.StreamHandler()
    to_stderr.setFormatter(formatter)
    root.addHandler(to_stderr)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(to_stderr)
