"""Work that several callers may wait for: begun once, and finished though all of them have gone."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from runway_mcp.media.errors import Cut

AT_ONCE: Final = 4
"""How many films are read for pictures at once."""

LONGEST_SECONDS: Final = 300.0
"""How long one of them may take, in seconds, whether or not somebody waits for it."""

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


@dataclass
class _Running(Generic[_T]):
    done: anyio.Event = field(default_factory=anyio.Event)
    value: _T | None = None
    error: Exception | None = None


class Shared(Generic[_T]):
    """What is being made, by key; it runs in `group`, so that a call that gives up loses nothing that it began."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._turns = anyio.Semaphore(AT_ONCE)
        self._running: dict[str, _Running[_T]] = {}

    async def of(self, key: str, make: Callable[[], Awaitable[_T]]) -> _T:
        """What is made under this key, begun now unless it was; raises what making it raises, `Cut` after its time."""
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = _Running[_T]()
            self._group.start_soon(self._run, key, running, make)
        await running.done.wait()
        if running.value is None:
            raise running.error or Cut("It took too long.")
        return running.value

    async def _run(self, key: str, running: _Running[_T], make: Callable[[], Awaitable[_T]]) -> None:
        try:
            with anyio.move_on_after(LONGEST_SECONDS):
                async with self._turns:
                    running.value = await make()
        except Exception as error:  # noqa: BLE001  whoever waits gets it; here it would end all background work
            _log.info("a picture could not be made: %s", type(error).__name__)
            running.error = error
        finally:
            del self._running[key]
            running.done.set()
