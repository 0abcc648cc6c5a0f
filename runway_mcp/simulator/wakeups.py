"""Wakeups: background work waits on an event that every change of the world sets."""

import anyio


class Wakeup:
    """A listener of the world: the next change sets `event`, which a fresh one then replaces."""

    def __init__(self) -> None:
        self.event = anyio.Event()

    def __call__(self) -> None:
        """Sets the event, and replaces it."""
        self.event, stirred = anyio.Event(), self.event
        stirred.set()
