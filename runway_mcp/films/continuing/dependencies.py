"""What the steps of a continuation work with, as long as the server lives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from anyio import CapacityLimiter

from runway_mcp.films.opening import Films
from runway_mcp.media.files.download import Pause
from runway_mcp.media.files.folder import Free, disk_free
from runway_mcp.runway.client import RunwayClient
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.spend.preparing import ClaimLost
from runway_mcp.tasks.store.protocol import Store

if TYPE_CHECKING:
    from runway_mcp.media.join.joining import Joined


class JoinParts(Protocol):
    """Joins parts to a new file; as `media.join.joining.join_films`."""

    async def __call__(
        self, parts: Sequence[Path], target: Path, *, limiter: CapacityLimiter, undouble: bool
    ) -> "Joined":
        """The film that they are."""
        ...


async def _join_films(parts: Sequence[Path], target: Path, *, limiter: CapacityLimiter, undouble: bool) -> "Joined":
    # Loaded here, since most servers never join a film.
    from runway_mcp.media.join.joining import join_films  # noqa: PLC0415

    return await join_films(parts, target, limiter=limiter, undouble=undouble)


@dataclass(frozen=True)
class Dependencies:
    """Client, ledger and films; `data_dir` holds the working folders, `folder` takes the joined films.

    Without a `folder` a film stays in its working folder. `uploads` says that joined films are uploaded to the account
    as well, and `user` whose accounts these are, as ids of his begin; None where the token does not tell. `free`,
    `pause` and `join` take the place of the system's in tests.
    """

    client: RunwayClient
    store: Store
    films: Films
    data_dir: Path
    folder: Path | None
    free: Free = disk_free
    pause: Pause = anyio.sleep
    join: JoinParts = _join_films
    uploads: bool = False
    user: str | None = None


async def end_step(dependencies: Dependencies, intent: Intent, name: str, made: Mapping[str, Any]) -> Intent:
    """The intent with a step that has ended; raises `ClaimLost`, and `LedgerError`."""
    standing = await dependencies.store.end_step(intent.id, intent.claim, name, made)
    if standing is None:
        raise ClaimLost
    return standing
