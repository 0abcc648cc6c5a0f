"""Results that stay true for a while, so that agents who ask again and again cost no read and no work."""

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
from mcp_types import CallToolResult

KEPT_SECONDS: Final = 60.0
"""For how long a result is told from memory, in seconds."""

MOST: Final = 256
"""How many results are kept; the oldest goes first."""

FRESH_SECONDS: Final = 600.0
"""How long a signed link in a result must live on at least, in seconds."""

# The longest arguments of which a result is kept, in characters.
_LONGEST: Final = 4096
_MOST_ARGUMENTS: Final = 64


@dataclass(frozen=True)
class _Kept:
    """A result as it goes over the wire, until when it serves, and the file that it tells of."""

    result: dict[str, Any]
    until: float
    file: tuple[Path, int] | None


class ResultCache:
    """The results of calls, until a call of this process may have changed something."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, _Kept] = {}

    def recall(self, key: Hashable | None) -> dict[str, Any] | None:
        """The result of the same call within the last minute; None once its file is not where it says any more.

        Shared: nobody may change it.
        """
        kept = None if key is None else self._kept.get(key)
        if kept is None or key is None:
            return None
        if kept.until > anyio.current_time() and (kept.file is None or _has_size(*kept.file)):
            return kept.result
        del self._kept[key]
        return None

    def remember(self, key: Hashable | None, result: CallToolResult) -> None:
        """Keeps a result for a minute; without a key, does nothing."""
        if key is None:
            return
        told = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        content: dict[str, Any] = result.structured_content or {}
        saved: dict[str, Any] | None = content.get("saved")
        file = (Path(saved["path"]), int(saved["size_bytes"])) if saved else None
        self._kept.pop(key, None)
        self._kept[key] = _Kept(told, anyio.current_time() + KEPT_SECONDS, file)
        while len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]

    def forget(self) -> None:
        """Forgets all, after a call that may have changed anything."""
        self._kept.clear()


def memory_key(caller: str, tool: str, arguments: Mapping[str, Any] | None, wait_seconds: int) -> Hashable | None:
    """What makes two calls the same, None above 4,096 characters; `wait_seconds` is what their next step would name.

    None also for arguments that no tool has, which are not sorted to find that out: too many, or lists and objects.
    """
    given = arguments or {}
    if len(given) > _MOST_ARGUMENTS or any(isinstance(value, dict | list) for value in given.values()):
        return None
    told = json.dumps(arguments, sort_keys=True)
    return None if len(told) > _LONGEST else (caller, tool, told, wait_seconds)


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
