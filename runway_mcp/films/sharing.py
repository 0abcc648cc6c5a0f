"""Work that several callers may wait for: begun once, and finished though all of them have gone.

What has no turn yet and nobody waits for gives way to newer work of its kind: who asks and leaves fills no queue.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from runway_mcp.media.errors import Cut

AT_ONCE: Final = 4
"""How many films are read for pictures at once."""

OF_ONE_CLIP: Final = 2
"""How many pictures of one clip at once, so that a clip whose link is slow does not hold up the others."""

LONGEST_SECONDS: Final = 300.0
"""How long one of them may take, in seconds, whether or not somebody waits for it."""

MOST_LEFT: Final = 16
"""How much waits for its turn though nobody waits for it; what was left longest ago is given up first."""

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


@dataclass
class _Running(Generic[_T]):
    done: anyio.Event = field(default_factory=anyio.Event)
    value: _T | None = None
    error: Exception | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    waiting: int = 0
    has_turn: bool = False


@dataclass
class _Share:
    """The turns of one clip, as long as anything of it is made or waits."""

    turns: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(OF_ONE_CLIP))
    users: int = 0


class Shared(Generic[_T]):
    """What is being made, by key; it runs in `group`, so that a call that gives up loses nothing that it began."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._turns = anyio.Semaphore(AT_ONCE)
        self._running: dict[str, _Running[_T]] = {}
        self._clips: dict[str, _Share] = {}
        self._left: dict[str, _Running[_T]] = {}

    async def of(self, key: str, make: Callable[[], Awaitable[_T]], *, clip: str) -> _T:
        """What is made of a clip under this key, begun now unless it was.

        Raises what making it raises, `Cut` after its time.
        """
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = _Running[_T]()
            self._group.start_soon(self._run, key, running, make, clip)
        running.waiting += 1
        self._left.pop(key, None)
        try:
            await running.done.wait()
        finally:
            running.waiting -= 1
            if not (running.waiting or running.has_turn or running.done.is_set()):
                self._leave(key, running)
        if running.value is None:
            raise running.error or Cut("It took too long.")
        return running.value

    def _leave(self, key: str, running: _Running[_T]) -> None:
        self._left[key] = running
        if len(self._left) > MOST_LEFT:
            oldest = next(iter(self._left))
            # Forgotten here already: whoever asks for it before it has ended begins another one.
            del self._running[oldest]
            self._left.pop(oldest).scope.cancel()

    async def _run(self, key: str, running: _Running[_T], make: Callable[[], Awaitable[_T]], clip: str) -> None:
        try:
            with running.scope, anyio.move_on_after(LONGEST_SECONDS):
                async with self._turn(clip):
                    running.has_turn = True
                    self._left.pop(key, None)
                    running.value = await make()
        except Exception as error:  # noqa: BLE001  whoever waits gets it; here it would end all background work
            _log.info("a picture could not be made: %s", type(error).__name__)
            running.error = error
        finally:
            if self._running.get(key) is running:
                del self._running[key]
                self._left.pop(key, None)
            running.done.set()

    @asynccontextmanager
    async def _turn(self, clip: str) -> AsyncGenerator[None]:
        """One of the clip's turns, and then one of all, so that none waits for its own clip with a turn of all."""
        share = self._clips.setdefault(clip, _Share())
        share.users += 1
        try:
            async with share.turns, self._turns:
                yield
        finally:
            share.users -= 1
            if not share.users:
                del self._clips[clip]
