"""The stirring: how background work hears that the world changed."""

import anyio


class Wakeup:
    """A listener of the world; `event` is set at its next stir, and each stir brings a fresh one."""

    def __init__(self) -> None:
        self.event = anyio.Event()

    def __call__(self) -> None:
        """Wake whoever waits."""
        self.event, stirred = anyio.Event(), self.event
        stirred.set()
