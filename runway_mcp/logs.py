"""The log on stderr: warnings and errors, without secrets and without the signed part of links."""

import logging
import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

HIDDEN: Final = "[hidden]"
"""What replaces a secret."""

_LINK: Final = re.compile(r"""(\b[a-z][a-z0-9+.-]*://[^\s"'<>?#]+)[?#][^\s"'<>]+""", re.IGNORECASE)
_TALKATIVE: Final = ("httpx", "httpcore", "httpx2", "httpcore2")


class Redacted(logging.Formatter):
    """Formats records, tracebacks included, without the texts given to `hide` and without the query of any URL."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets: set[str] = set()

    def hide(self, secret: str) -> None:
        """Keeps a secret out of every later record, as it is and as `repr` writes it."""
        self._secrets |= {secret, repr(secret)[1:-1]}

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record, redacted."""
        text = super().format(record)
        # Longest first: replacing a part of a longer secret would leave the rest of it visible.
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return _LINK.sub(r"\1", text)


@contextmanager
def logs_to_stderr(formatter: Redacted) -> Generator[None]:
    """Sends warnings and errors to stderr through `formatter` while it is open.

    The HTTP clients log request URLs below the level of warnings. Their level is set separately, so that lowering the
    root's does not show those URLs.
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
