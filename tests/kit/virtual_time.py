"""An event loop whose clock jumps over every wait, so that a test of a 45 s wait takes no time.

It is for programs that live in one thread and one process: where a real socket or a subprocess would answer later, the
clock would run away from it. For worker threads it stands still if it knows their limiters.
"""

import asyncio
import math
import selectors
from collections.abc import Callable

from anyio import CapacityLimiter

# A worker thread that ends wakes the loop; the bound only keeps a fault from hanging a test, in real seconds.
_LOOK_SECONDS = 1.0


class _Impatient(selectors.DefaultSelector):
    """Asks what is ready at once, and counts as passed the time that it would have waited, unless it `is_held`."""

    def __init__(self, is_held: Callable[[], bool]) -> None:
        super().__init__()
        self.passed = 0.0
        self._is_held = is_held

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0 and self._is_held():
            return super().select(_LOOK_SECONDS)
        if not ready and timeout > 0:
            # After a year a double has no room for a few nanoseconds, and the clock would stand still.
            self.passed = max(self.passed + timeout, math.nextafter(self.passed, math.inf))
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Runs whatever is ready; when nothing is, moves its clock to the next timer instead of sleeping.

    A wait that nothing will ever end stops the test run as it would on a real loop, so every open wait in a test is
    bounded (`anyio.fail_after`); the bound itself costs no time. While a worker thread runs under one of `limiters`, no
    time passes.
    """

    def __init__(self) -> None:
        self.limiters: list[CapacityLimiter] = []
        self._impatient = _Impatient(lambda: any(each.borrowed_tokens for each in self.limiters))
        super().__init__(self._impatient)

    def time(self) -> float:
        return self._impatient.passed
