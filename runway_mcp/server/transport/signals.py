"""SIGINT, SIGTERM and SIGHUP while a server runs. First signal: graceful stop; a second of the same kind: immediate."""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

_MANY = 4096


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Generator[None]:
    """Calls `stop` on the first SIGINT, SIGTERM or SIGHUP; a second of the same kind ends the process immediately.

    A SIGHUP that is ignored, as `nohup` has it, stays so.

    `stop` runs between two bytecodes of the main thread, possibly inside the event loop, so it may only set flags and
    end streams. Must be entered in the main thread, the only one that may set signal handlers. An event loop that runs
    there is woken by every signal.
    """

    def first(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop()

    before = {number: signal.signal(number, first) for number in _stopping()}
    try:
        with _woken_by_signals():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stopping() -> Iterator[signal.Signals]:
    yield from (signal.SIGINT, signal.SIGTERM)
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        yield signal.SIGHUP


@contextmanager
def _woken_by_signals() -> Generator[None]:
    """Wakes the running event loop, if there is one, when a signal arrives.

    A handler runs in the main thread once that executes Python again. A signal that another thread takes, or that
    arrives between the last bytecode and the system call in which the loop sleeps, does not end that sleep.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    if loop is None or sys.platform == "win32":  # whose event loop wakes itself
        yield
        return
    wakes, woken = socket.socketpair()
    with wakes, woken:
        for end in (wakes, woken):
            end.settimeout(0)
        before = signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        loop.add_reader(woken, woken.recv, _MANY)
        try:
            yield
        finally:
            loop.remove_reader(woken)
            signal.set_wakeup_fd(before)
