"""Observers of films of several parts: each observed film is followed once, whoever asked and wherever it runs."""

import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from runway_mcp.films.continuing.continuations import Continuations
from runway_mcp.films.continuing.standing import FilmStanding
from runway_mcp.films.continuing.steps import is_continuation
from runway_mcp.server.boundary import log_crash
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.service import TaskService
from runway_mcp.tasks.store.protocol import LedgerError

_log = logging.getLogger(__name__)

_AGAIN = 15.0


OnFilmChange = Callable[[Intent], Awaitable[None]]
"""Is told of each change of an observed film; as `Subscriptions.film_changed`."""


@dataclass
class _Observed:
    count: int = 0
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class FilmObservers:
    """How many observers each film has. Who an observer is does not matter: changes are told to the film's caller."""

    def __init__(
        self, service: TaskService, continuations: Continuations, background: TaskGroup, *, tell: OnFilmChange
    ) -> None:
        self._service = service
        self._continuations = continuations
        self._background = background
        self._tell = tell
        self._observed: dict[str, _Observed] = {}

    def add(self, film_id: str) -> None:
        """Adds an observer of a film, which need not exist, until one `remove`."""
        observed = self._observed.get(film_id)
        if observed is None:
            observed = self._observed[film_id] = _Observed()
            self._background.start_soon(self._follow, film_id, observed)
        observed.count += 1

    def remove(self, film_id: str) -> None:
        """Removes an observer of a film; with the last one the following ends."""
        observed = self._observed[film_id]
        observed.count -= 1
        if not observed.count:
            observed.scope.cancel()
            del self._observed[film_id]

    async def _follow(self, film_id: str, observed: _Observed) -> None:
        """Tells of a film's changes until it is joined; after any other end the same call may go on with it."""
        with observed.scope:
            last: FilmStanding | None = None
            try:
                while last is None or last.joined is None:
                    film = await self._found(film_id)
                    if film is None:
                        return
                    last = await self._told(film, last)
                    await anyio.sleep(_AGAIN)
            except Exception as error:  # noqa: BLE001  a crash here would end all background work
                log_crash("the following of a film", error)

    async def _told(self, film: Intent, last: FilmStanding | None) -> FilmStanding | None:
        """How a film stands when its changes pause; each that differs from the one before is told."""
        try:
            async for changed, standing in self._continuations.changes(self._service, film, math.inf):
                if last is not None and standing != last:
                    await self._tell(changed)
                last = standing
        except LedgerError as error:
            _log.info("a film that somebody looks at could not be read: %s", error)
        return last

    async def _found(self, film_id: str) -> Intent | None:
        """The film of that id, whosever it is; asked for again while the ledger cannot be read."""
        while True:
            try:
                found = await self._service.ledger.store.find("film_id", film_id)
            except LedgerError as error:
                _log.info("a film that somebody looks at could not be found: %s", error)
                await anyio.sleep(_AGAIN)
            else:
                return found if found is not None and is_continuation(found) else None
