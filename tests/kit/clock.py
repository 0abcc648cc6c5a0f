"""The wall clock of the tests: it begins at one moment, and passes as the event loop does or as a test says."""

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
