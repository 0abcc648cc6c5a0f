"""Upstream's clock, taken from the `Date` header of its answers.

Times that upstream reports are compared with this clock, since the machine's own may differ.
"""

from datetime import UTC
from email.utils import parsedate_to_datetime

import anyio


class UpstreamClock:
    """Upstream's time, extrapolated from the last answer by the event loop's clock, which never jumps."""

    def __init__(self) -> None:
        self._ahead: float | None = None

    def note(self, date: str | None) -> None:
        """Sets the clock by the `Date` header of an answer that just came; ignores an unreadable one."""
        if date is None:
            return
        try:
            told = parsedate_to_datetime(date)
            # HTTP dates are GMT; one without a zone must not be read in the machine's.
            moment = (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError, OSError):
            return
        self._ahead = moment - anyio.current_time()

    def now(self) -> float | None:
        """Unix seconds at upstream, at most a second behind; None before the first dated answer."""
        return None if self._ahead is None else self._ahead + anyio.current_time()
