"""An event loop whose clock jumps over every wait, so that a test of a 45 s wait takes no time.

It is for programs that live in one thread and one process: where a real socket, a worker thread or a subprocess would
answer later, the clock would run away from it.
"""

import asyncio
import math
import selectors


class _Impatient(selectors.DefaultSelector):
    """Asks what is ready at once, and counts as passed the time that it would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            # After a year a double has no room for a few nanoseconds, and the clock would stand still.
            self.passed = max(self.passed + timeout, math.nextafter(self.passed, math.inf))
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Runs whatever is ready; when nothing is, moves its clock to the next timer instead of sleeping.

    A wait that nothing will ever end stops the test run as it would on a real loop, so every open wait in a test is
    bounded (`anyio.fail_after`); the bound itself costs no time.
    """

    def __init__(self) -> None:
        self._impatient = _Impatient()
        super().__init__(self._impatient)

    def time(self) -> float:
        return self._impatient.passed
