"""Server processes inside one event loop, each of which can be stopped dead at any step of the loop.

Whatever begins in the context of a `Process` belongs to it, the tasks that it begins included. A frozen process runs
nothing at all: no `finally`, no timer, no answer that arrives. That is a SIGSTOP while it may still be thawed, and a
SIGKILL once nobody thaws it before the judgement. Each process has a wall clock of its own.
"""

from asyncio import Handle, TimerHandle
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any

from tests.kit.clock import wall_clock
from tests.kit.virtual_time import VirtualTimeLoop

# More steps than any run needs: a run that takes them spins.
MOST_STEPS = 6_000_000


class Fuse:
    """Does something once, after so many steps of the event loop."""

    def __init__(self, steps: int, action: Callable[[], None]) -> None:
        self._left = steps
        self._action = action

    def burn(self) -> None:
        """Counts one step."""
        self._left -= 1
        if self._left == 0:
            self._action()


class MachineClock:
    """The wall clock of a machine, `ahead` of upstream's by so many seconds; it may be set while it runs."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead

    def __call__(self) -> float:
        """Unix seconds, as the machine believes them to be."""
        return wall_clock() + self.ahead


class Process:
    """One process: `fuse` counts its steps; frozen, it keeps what would run until it is thawed.

    `after_step` is called after each of its steps, `on_timer` with the seconds of each timer that it sets.
    """

    def __init__(self, name: str, clock: MachineClock | None = None) -> None:
        self.name = name
        self.clock = clock or MachineClock()
        self.frozen = False
        self.fuse: Fuse | None = None
        self.after_step: Callable[[], None] | None = None
        self.on_timer: Callable[[float], None] | None = None
        self._kept: deque[tuple[Context, Callable[..., object], tuple[Any, ...]]] = deque()

    def freeze(self) -> None:
        """Stops the process; the step that it is in still goes on to its next await."""
        self.frozen = True

    def thaw(self, loop: "CampaignLoop") -> None:
        """Lets the process go on where it stopped."""
        self.frozen = False
        while self._kept:
            context, callback, args = self._kept.popleft()
            loop.call_soon(callback, *args, context=context)

    def step(self, context: Context, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        """Runs one step of the process, or keeps it with its context."""
        if self.frozen:
            self._kept.append((context, callback, args))
            return
        callback(*args)
        if self.fuse is not None:
            self.fuse.burn()
        if self.after_step is not None:
            self.after_step()


PROCESS: ContextVar[Process | None] = ContextVar("PROCESS", default=None)
"""The process that the running code belongs to; None is the world outside."""


class Spinning(BaseException):
    """The run goes round without an end."""


class CampaignLoop(VirtualTimeLoop):
    """Virtual time, and every step goes through the process that it belongs to; `fuses` count the steps of all."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.fuses: list[Fuse] = []

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Handle:
        """Schedules a step, as asyncio does."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise Spinning
        for fuse in self.fuses:
            fuse.burn()
        context = copy_context() if context is None else context
        process = context.get(PROCESS)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        return super().call_soon(process.step, context, callback, args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        """Schedules a step for later, as asyncio does."""
        context = copy_context() if context is None else context
        process = context.get(PROCESS)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        if process.on_timer is not None:
            process.on_timer(when - self.time())
        return super().call_at(when, process.step, context, callback, args, context=context)
