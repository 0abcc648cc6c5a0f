"""Upstream's clock, as the `Date` of its answers tells it: what upstream dates is compared with it, not with ours."""

from datetime import UTC
from email.utils import parsedate_to_datetime

import anyio


class UpstreamClock:
    """The time at upstream, carried on from the last answer by the event loop's clock, which never jumps."""

    def __init__(self) -> None:
        self._ahead: float | None = None

    def note(self, date: str | None) -> None:
        """Takes the `Date` header of an answer that just came; one that cannot be read is passed over."""
        if date is None:
            return
        try:
            told = parsedate_to_datetime(date)
            # HTTP dates are GMT; one that names no zone must not be read as the machine's.
            moment = (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError, OSError):
            return
        self._ahead = moment - anyio.current_time()

    def now(self) -> float | None:
        """Unix seconds at upstream, at most a second behind it; None until an answer told a date."""
        return None if self._ahead is None else self._ahead + anyio.current_time()
