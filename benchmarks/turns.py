"""The program on an event loop whose turns are timed: `python -m benchmarks.turns FILE ARGUMENT…`.

A turn is all that the loop runs between two waits, so it is what others wait for. FILE gets a line for each turn of
more than `NOTED` seconds: when it ended, on the machine's monotonic clock, and how much processor time it took. What
other programs take of the processor does not count.
"""

import asyncio
import selectors
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

NOTED: Final = 0.005
"""The shortest turn that is noted, in seconds of processor time."""


class TimedSelector(selectors.DefaultSelector):
    """The selector of a loop, which waits once a turn; tells `note` how much processor time each turn took."""

    def __init__(self, note: Callable[[float], None]) -> None:
        super().__init__()
        self._note = note
        self._began = time.thread_time()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Waits, between two turns."""
        self._note(time.thread_time() - self._began)
        ready = super().select(timeout)
        self._began = time.thread_time()
        return ready


class TimedLoops(asyncio.DefaultEventLoopPolicy):
    """Makes event loops whose turns are timed."""

    def __init__(self, note: Callable[[float], None]) -> None:
        super().__init__()
        self._note = note

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """A loop of its own."""
        return asyncio.SelectorEventLoop(TimedSelector(self._note))


def turns(path: Path, began: float, ended: float) -> list[float]:
    """The turns noted in a file that ended between two moments of `time.monotonic`, in seconds of processor time."""
    noted = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return [float(took) for at, took in noted if began <= float(at) <= ended]


def main() -> int:
    """Runs the program on such a loop."""
    from runway_mcp.cli import main as program  # noqa: PLC0415  imports of the program count as its own

    with Path(sys.argv[1]).open("a", buffering=1, encoding="ascii") as file:

        def note(took: float) -> None:
            if took > NOTED:
                file.write(f"{time.monotonic():.6f} {took:.6f}\n")

        # The program makes its loop by itself; for that there is no other way in before Python 3.16.
        asyncio.set_event_loop_policy(TimedLoops(note))  # pyright: ignore[reportDeprecated]
        return program(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
