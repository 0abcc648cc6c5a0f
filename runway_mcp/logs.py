"""The log on stderr, as text or JSON: warnings, errors and accepted spends, without secrets or signed links."""

import json
import logging
import re
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Final, TextIO

from runway_mcp.secret_spellings import SecretSpellings, spellings_of_secret

HIDDEN: Final = "[hidden]"
"""What replaces a secret."""

_LINK: Final = re.compile(r"""(\b[a-z][a-z0-9+.-]*://[^\s"'<>?#]+)[?#][^\s"'<>]+""", re.IGNORECASE)
_UNSEEN: Final = re.compile(
    r"[^\S \n]|[\u0000-\u0008\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]|\n(?! )"
)
"""Control, format and separator characters: whatever can break a line or change how the rest of it looks."""

_INPUT: Final = re.compile(r", input_value=[^\n]*, input_type=")
"""What was sent, as pydantic's errors quote it: cut in the middle, so that no filter knows a secret in it."""

SPENDS: Final = "runway_mcp.spends"
"""The log of what was spent: a line for each task, none of them counted together, and written as JSON alone."""

WINDOW_SECONDS: Final = 60.0
"""How long records of one place in the code are counted together."""

MOST_OF_ONE_PLACE: Final = 20
"""How many different records of one place are written within a window; the same record is written once."""

_about: ContextVar[Mapping[str, str]] = ContextVar("about", default=MappingProxyType({}))

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
_TALKATIVE: Final = ("httpx", "httpcore", "httpx2", "httpcore2")
# Its warnings quote what a client names as its trace, as long as a body may be.
_QUOTING: Final = "opentelemetry"


@contextmanager
def said_of(**about: str) -> Generator[None]:
    """Has every record that is made meanwhile, here and in what is started here, tell what it is about.

    `caller`, `task` and `intent_id` are told; an empty text is not.
    """
    token = _about.set({**_about.get(), **{name: value for name, value in about.items() if value}})
    try:
        yield
    finally:
        _about.reset(token)


@contextmanager
def said_of_nothing() -> Generator[None]:
    """Ends what `said_of` has told, for work that goes on for others than the one who began it."""
    token = _about.set(MappingProxyType({}))
    try:
        yield
    finally:
        _about.reset(token)


class Redacted(logging.Formatter):
    """Formats records, tracebacks included, without the texts given to `hide` and without the query of any URL."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self.as_json = False
        """Whether a record is a JSON object; told before anything is served, since settings are read by then alone."""
        self.more: Callable[[], Mapping[str, str]] = dict
        """What else each JSON object tells, by its name; an empty text is left out."""
        self._hidden: set[str] = set()
        self._secrets: set[str] = set()
        self._spellings: list[SecretSpellings] = []

    def hide(self, secret: str) -> None:
        """Keeps a secret out of every later record, in each of its spellings; a repeat adds nothing."""
        if secret in self._hidden:
            return
        self._hidden.add(secret)
        self._secrets |= {secret, repr(secret)[1:-1]}
        self._spellings.append(spellings_of_secret(secret))

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record, redacted; as a JSON object, its message, traceback included, and what it is about."""
        if not self.as_json:
            head, mark, told = self._without_secrets(super().format(record)).partition(": ")
            return self._without_signatures(head + mark + self._without_spellings(told))
        told = self._without_spellings(self._without_secrets(super().format(record).partition(": ")[2]))
        said = {**_about.get(), **{name: value for name, value in self.more().items() if value}}
        about = {name: self._without_signatures(self._without_secrets(value)) for name, value in said.items()}
        made = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": self._without_signatures(told),
        }
        return json.dumps(made | about)

    def _without_secrets(self, text: str) -> str:
        # Longest first: replacing a part of a longer secret would leave the rest of it visible.
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def _without_spellings(self, told: str) -> str:
        for spellings in self._spellings:
            lines = [spellings.removed(line, HIDDEN) for line in told.split("\n")]
            told = spellings.removed("\n".join(lines), HIDDEN)
        return told

    def _without_signatures(self, text: str) -> str:
        return _LINK.sub(r"\1", _INPUT.sub(", input_type=", text))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the name is the base class's
        """The first line of a record; control characters are escaped, and so are line breaks but before a blank."""
        return _escaped(super().formatMessage(record))

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802  the name is the base class's
        """A traceback, indented, so that nothing in it can pose as a record."""
        return _escaped("\n".join(f"  {line}" for line in super().formatException(ei).split("\n")))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802  the name is the base class's
        """A stack, indented like a traceback."""
        return "\n".join(f"  {line}" for line in stack_info.split("\n"))


def _escaped(text: str) -> str:
    """The text with every character that cannot be seen as an escape, but for blanks and indented line breaks."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


@dataclass
class _Place:
    """What one place in the code has logged within the window that began at `since`."""

    since: float
    hashes: set[int] = field(default_factory=set[int])
    repeats: int = 0


class CountingHandler(logging.StreamHandler[TextIO]):
    """Writes records to a stream, but counts repetitions instead: one line tells their number after each window.

    That line precedes the next record, whichever it is, or is written when the handler is closed.
    """

    def __init__(self, stream: TextIO | None = None, *, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._now = now
        self._places: dict[tuple[str, str, int], _Place] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Writes or counts a record; a mistake in it is told as the standard handler does."""
        try:
            if record.name == SPENDS:
                super().emit(record)
            else:
                self._write_or_count(record)
        except Exception:  # noqa: BLE001  a mistake in a log call must not end what it tells of
            self.handleError(record)

    def _write_or_count(self, record: logging.LogRecord) -> None:
        now = self._now()
        self._tell_repeats(now - WINDOW_SECONDS)
        place = self._places.setdefault((record.name, record.pathname, record.lineno), _Place(now))
        same = hash((record.getMessage(), record.exc_info and record.exc_info[0]))
        if same in place.hashes or len(place.hashes) >= MOST_OF_ONE_PLACE:
            place.repeats += 1
        else:
            place.hashes.add(same)
            super().emit(record)

    def close(self) -> None:
        """Tells of the repetitions that were not told yet, and ends."""
        self.acquire()
        try:
            self._tell_repeats(self._now())
        finally:
            self.release()
        super().close()

    def _tell_repeats(self, before: float) -> None:
        """Ends the windows that began by then."""
        for key in [key for key, place in self._places.items() if place.since <= before]:
            place = self._places.pop(key)
            if place.repeats:
                name, path, line = key
                told = "%d more records like the ones before, from the same place, within %.0f seconds"
                arguments = place.repeats, self._now() - place.since
                super().emit(logging.LogRecord(name, logging.WARNING, path, line, told, arguments, None))


@contextmanager
def logs_to_stderr(formatter: Redacted) -> Generator[None]:
    """Sends warnings and errors to stderr through `formatter` while it is open.

    The HTTP clients log request URLs below the level of warnings. Their level is set separately, so that lowering the
    root's does not show those URLs.
    """
    root = logging.getLogger()
    to_stderr = CountingHandler()
    to_stderr.setFormatter(formatter)
    root.addHandler(to_stderr)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(_QUOTING).setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.removeHandler(to_stderr)
        to_stderr.close()
