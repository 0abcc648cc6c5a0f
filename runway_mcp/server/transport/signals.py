"""How SIGINT and SIGTERM reach whatever is serving: once as a wish to end in order, a second time as an order."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Generator[None]:
    """Calls `stop` on the first SIGINT or SIGTERM; the next one ends the process as if nobody listened.

    `stop` runs between two bytecodes of the main thread, possibly inside the event loop, so it may only set flags and
    end streams. To be opened in the main thread, the only one to which Python lets signals come.
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
