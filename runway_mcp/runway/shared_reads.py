"""Reads that several callers share, so that asking often costs upstream little.

For what is shown alone. A look for a submit shares nothing, since its read must begin after the POST.
"""

from collections.abc import Awaitable, Callable, Hashable
from copy import copy
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, TypeVar

import anyio

from runway_mcp.runway.errors import NotFound, RunwayError

KEPT_SECONDS: Final = 1.0
"""For how long an answer that will hardly change serves later callers, in seconds."""

_T = TypeVar("_T")


@dataclass(eq=False)
class _Outcome:
    """The last outcome of one read: when it came, and until when it serves callers who ask after that."""

    turn: anyio.Lock = field(default_factory=anyio.Lock)
    waiting: int = 0
    came: float = -inf
    until: float = -inf
    value: Any = None
    error: RunwayError | None = None


class SharedReads:
    """The reads that are under way or were made within the last second, each by its key."""

    def __init__(self) -> None:
        self._outcomes: dict[Hashable, _Outcome] = {}

    async def read(
        self,
        key: Hashable,
        once: Callable[[], Awaitable[_T]],
        *,
        keeps: Callable[[_T], bool] = lambda _: True,
        seconds: float | Callable[[_T], float] = KEPT_SECONDS,
    ) -> _T:
        """What `once` reads; its outcome is shared with all who ask for the key before it comes.

        It also serves those who ask later: for `seconds`, which may depend on it, if `keeps` says so, and for
        `KEPT_SECONDS`, if upstream knows nothing of the kind. Raises what `once` raises. A caller who is cancelled
        leaves the read to the next one.
        """
        asked = anyio.current_time()
        self._forget(asked)
        outcome = self._outcomes.setdefault(key, _Outcome())
        outcome.waiting += 1
        try:
            async with outcome.turn:
                if outcome.came < asked and outcome.until <= asked:
                    await self._renew(outcome, once, keeps, seconds)
                if outcome.error is not None:
                    raise copy(outcome.error)
                return outcome.value
        finally:
            outcome.waiting -= 1

    @staticmethod
    async def _renew(
        outcome: _Outcome,
        once: Callable[[], Awaitable[_T]],
        keeps: Callable[[_T], bool],
        seconds: float | Callable[[_T], float],
    ) -> None:
        try:
            value = await once()
        except RunwayError as error:
            outcome.value, outcome.error = None, error
            kept = KEPT_SECONDS if isinstance(error, NotFound) else 0.0
        else:
            outcome.value, outcome.error = value, None
            kept = 0.0 if not keeps(value) else seconds(value) if callable(seconds) else seconds
        outcome.came = anyio.current_time()
        outcome.until = outcome.came + kept

    def _forget(self, now: float) -> None:
        """Forgets what serves nobody any more."""
        for key in [key for key, each in self._outcomes.items() if not each.waiting and each.until <= now]:
            del self._outcomes[key]
