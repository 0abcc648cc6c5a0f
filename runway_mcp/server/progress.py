"""Progress notifications of one call, sent only if its host asked for them; a failed send never fails the call.

Numbers rise strictly and stay below 100. Messages stay below 200 characters and say what upstream says; the first one
about a task holds its whole id. Notifications are at least one second and at most ten seconds apart.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from runway_mcp.runway.models import RunningTask, Task
from runway_mcp.server.contract.results.text import standing
from runway_mcp.tasks.spend.submit import Waiting

log = logging.getLogger(__name__)

TOTAL = 100.0
"""The total of every notification."""

QUIET_SECONDS = 1.0
"""The shortest time between two notifications, in seconds."""

HEARTBEAT_SECONDS = 9.5
"""The longest time between two notifications, in seconds; the promise is ten."""

LONGEST_MESSAGE = 199
"""The longest message, in characters."""

_HIGHEST = 99.0
_CREEP = 0.001

Report = Callable[[float, float | None, str | None], Awaitable[None]]
"""Sends one progress notification: number, total, message."""


class Progress:
    """The progress notifications of one call; to be made when the call arrives."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._number = 0.0
        self._message = "asking Runway"
        # As if just sent: the first second needs no notification, unless it names a task.
        self._sent_at = anyio.current_time()
        self._is_silent = True
        self._named = self._naming = False
        self._unsent: float | None = None
        self._stirred = anyio.Event()

    async def say(self, message: str, *, percent: float = 0.0, names_task: bool = False) -> None:
        """Sends a message, at least a second after the last one, unless another replaces it until then.

        The number is `percent` where that is a rise, else slightly above the last one. The first message is sent at
        once if it names the task.
        """
        self._message, self._naming = message[:LONGEST_MESSAGE], names_task
        if (names_task and self._is_silent) or anyio.current_time() - self._sent_at >= QUIET_SECONDS:
            await self._send(percent)
        else:
            self._unsent = percent
            self._stirred.set()

    async def task(self, task: Task) -> None:
        """Sends where the task stands, at first with its id; what the last message said is not sent again."""
        percent = (task.progress or 0.0) * TOTAL
        message = standing(task)
        if not self._named:
            await self.say(f"Task {task.task_id}: {message}", percent=percent, names_task=True)
        elif not self._message.endswith(message):
            await self.say(message, percent=percent)

    async def waiting(self, waiting: Waiting) -> None:
        """Sends what a submit waits for; for a slot, also which tasks hold the slots."""
        match waiting.reason:
            case "slot":
                await self.say(_queue_message(waiting.running))
            case "answer":
                await self.say("submitting, waiting for Runway's answer")
            case "trace":
                await self.say("Runway's answer was lost; looking for the task, submitting nothing")

    @asynccontextmanager
    async def kept_alive(self) -> AsyncGenerator[None]:
        """Sends messages that were held back, and repeats the last one after `HEARTBEAT_SECONDS`."""
        async with anyio.create_task_group() as beside:
            beside.start_soon(self._repeat)
            yield
            beside.cancel_scope.cancel()

    async def _repeat(self) -> None:
        while True:
            self._stirred = anyio.Event()
            pause = HEARTBEAT_SECONDS if self._unsent is None else QUIET_SECONDS
            patience = self._sent_at + pause - anyio.current_time()
            if patience > 0:
                with anyio.move_on_after(patience):
                    await self._stirred.wait()
            else:
                await self._send(self._unsent or 0.0)

    async def _send(self, percent: float) -> None:
        self._unsent, self._is_silent = None, False
        self._named = self._named or self._naming
        self._number = max(min(percent, _HIGHEST), self._number + (TOTAL - self._number) * _CREEP)
        self._sent_at = anyio.current_time()
        try:
            await self._report(self._number, TOTAL, self._message)
        except Exception:
            log.debug("A progress message could not be sent.", exc_info=True)


def _queue_message(running: tuple[RunningTask, ...]) -> str:
    """Names as many running tasks as fit into a message, and counts the rest."""
    message = "waiting for a slot"
    for told, task in enumerate(running):
        named = f"{message}{', ' if told else '; running: '}{task.task_id}"
        rest = len(running) - told
        if len(named) + len(f" and {rest} more") > LONGEST_MESSAGE:
            return f"{message} and {rest} more" if told else f"{message}; {rest} running"
        message = named
    return message
