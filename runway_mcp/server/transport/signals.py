"""SIGINT and SIGTERM while a server runs. First signal: graceful stop; a second of the same kind: immediate."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Generator[None]:
    """Calls `stop` on the first SIGINT or SIGTERM; a second of the same kind ends the process immediately.

    `stop` runs between two bytecodes of the main thread, possibly inside the event loop, so it may only set flags and
    end streams. Must be entered in the main thread, the only one that may set signal handlers.
    """

    def first(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop()

    before = {number: signal.signal(number, first) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
