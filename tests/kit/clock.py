"""The wall clock of the tests: it begins at one moment, and passes as the event loop does or as a test says."""

import time

import anyio

EPOCH = 1_800_000_000.0
"""The Unix time at which tests begin: 15 January 2027, 08:00 in UTC."""


def wall_clock() -> float:
    """Unix seconds that pass as the event loop's do."""
    return EPOCH + anyio.current_time()


class SetClock:
    """Unix seconds that pass when a test says so."""

    def __init__(self, now: float = EPOCH) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class LeapingClock:
    """Seconds that pass as the machine's do, and leap when a test says so, as to the end of a task."""

    def __init__(self) -> None:
        self._leapt = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._leapt

    def leap(self, seconds: float) -> None:
        """Lets so much time pass at once."""
        self._leapt += seconds
