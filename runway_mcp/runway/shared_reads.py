"""Reads that several callers share, so that asking often costs upstream little.

For what is shown alone. A look for a submit shares nothing, since its read must begin after the POST.
"""

from collections.abc import Awaitable, Callable, Hashable
from copy import copy
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import Any, Final, TypeVar

import anyio

from runway_mcp.runway.errors import NotFound, RunwayError

KEPT_SECONDS: Final = 1.0
"""For how long an answer that will hardly change serves later callers, in seconds."""

_T = TypeVar("_T")


@dataclass(eq=False)
class _Outcome:
    """The last outcome of one read: when it came, and until when it serves callers who ask after that.

    `turn` is for who reads it anew, `begun` the number that it began with, in the order of calls and reads. `patience`
    is for how many seconds the read was tried again before it failed.
    """

    turn: anyio.Lock = field(default_factory=anyio.Lock)
    waiting: int = 0
    begun: int = -1
    came: float = -inf
    until: float = -inf
    value: Any = None
    error: RunwayError | None = None
    patience: float = inf

    def serves(self, asked: float, *, after: int | None, patience: float) -> bool:
        """Whether it answers a caller who asked at `asked`, and wants a read that began `after` that number if any.

        A caller of more patience is not told that the read failed.
        """
        is_new = self.begun > after if after is not None else self.came >= asked or self.until > asked
        is_final = self.error is None or isinstance(self.error, NotFound)
        return is_new and (is_final or self.patience >= patience)


class SharedReads:
    """The reads that are under way or were made within the last second, each by its key."""

    def __init__(self) -> None:
        self._outcomes: dict[Hashable, _Outcome] = {}
        # The clock does not tell a call from a read that began just before it.
        self._numbers = count()

    async def read(
        self,
        key: Hashable,
        once: Callable[[], Awaitable[_T]],
        *,
        keeps: Callable[[_T], bool] = lambda _: True,
        seconds: float | Callable[[_T], float] = KEPT_SECONDS,
        fresh: bool = False,
        patience: float = 0.0,
    ) -> _T:
        """What `once` reads; its outcome is shared with all who ask for the key before it comes.

        It also serves those who ask later: for `seconds`, which may depend on it, if `keeps` says so, and for
        `KEPT_SECONDS`, if upstream knows nothing of the kind. Who wants it `fresh` shares only a read that begins after
        that. `patience` is for how many seconds `once` tries again; only callers of no more patience share its failure,
        the others go on. Raises what `once` raises. A caller who is cancelled leaves the read to the next one.
        """
        asked, after = anyio.current_time(), next(self._numbers) if fresh else None
        self._forget(asked)
        outcome = self._outcomes.setdefault(key, _Outcome())
        outcome.waiting += 1
        try:
            async with outcome.turn:
                if not outcome.serves(asked, after=after, patience=patience):
                    await self._renew(outcome, once, keeps, seconds)
                    outcome.patience = patience
                if outcome.error is not None:
                    raise copy(outcome.error)
                return outcome.value
        finally:
            outcome.waiting -= 1

    async def _renew(
        self,
        outcome: _Outcome,
        once: Callable[[], Awaitable[_T]],
        keeps: Callable[[_T], bool],
        seconds: float | Callable[[_T], float],
    ) -> None:
        begun = next(self._numbers)
        try:
            value = await once()
        except RunwayError as error:
            outcome.value, outcome.error = None, error
            kept = KEPT_SECONDS if isinstance(error, NotFound) else 0.0
        else:
            outcome.value, outcome.error = value, None
            kept = 0.0 if not keeps(value) else seconds(value) if callable(seconds) else seconds
        outcome.begun, outcome.came = begun, anyio.current_time()
        outcome.until = outcome.came + kept

    def _forget(self, now: float) -> None:
        """Forgets what serves nobody any more."""
        for key in [key for key, each in self._outcomes.items() if not each.waiting and each.until <= now]:
            del self._outcomes[key]
