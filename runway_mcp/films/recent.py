"""What was read lately, kept for a while: a finished film and its chain stay as they are, so one read is enough."""

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

import anyio

KEPT_SECONDS: Final = 600.0
"""For how long what was read is used, in seconds; later the film may be gone."""

MOST: Final = 256
"""How much is kept at most; above it, what was noted first goes first."""

_T = TypeVar("_T")


class Recent(Generic[_T]):
    """What was noted in the last `kept_seconds`, by key; at most `most`."""

    def __init__(self, kept_seconds: float = KEPT_SECONDS, most: int = MOST) -> None:
        self._noted: dict[Hashable, tuple[float, _T]] = {}
        self._kept_seconds, self._most = kept_seconds, most

    def get(self, key: Hashable) -> _T | None:
        """What was noted under the key; None if nothing was lately."""
        until, value = self._noted.get(key, (0.0, None))
        return value if anyio.current_time() < until else None

    def note(self, key: Hashable, value: _T) -> None:
        """Keeps it from now on."""
        self._noted.pop(key, None)
        self._noted[key] = anyio.current_time() + self._kept_seconds, value
        if len(self._noted) > self._most:
            del self._noted[next(iter(self._noted))]

    def forget(self, key: Hashable) -> None:
        """Forgets what was noted under the key, if anything was."""
        self._noted.pop(key, None)
