"""The keeping of one film: how far it is, how it ended, and who waits for that."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from runway_mcp.films.naming import Wanted
from runway_mcp.films.places import SavedFilm
from runway_mcp.media.errors import DeadLink, MediaError


class FilmGone(DeadLink):
    """Runway has no link to the film any more: it was deleted there."""


@dataclass
class Keeping:
    """The keeping of one film: how many bytes of how many have come, and how it ended once it has.

    `waiting` until it has its turn; `named` is the film once its file has its name, a moment before that is written
    down and the keeping ends.
    """

    wanted: Wanted
    waiting: bool = True
    received: int = 0
    total: int | None = None
    outcome: SavedFilm | MediaError | None = None
    named: SavedFilm | None = None
    _stirred: anyio.Event = field(default_factory=anyio.Event)

    async def wait(self, *, deadline: float, tell: Callable[["Keeping"], Awaitable[None]]) -> None:
        """Waits for its end until `deadline` of the loop's clock; `tell` is awaited with it as bytes come."""
        with anyio.move_on_after(deadline - anyio.current_time()):
            while self.outcome is None:
                stirred = self._stirred
                await tell(self)
                await stirred.wait()

    @property
    def saved(self) -> SavedFilm | None:
        """The film on disk, as soon as it is there."""
        return self.outcome if isinstance(self.outcome, SavedFilm) else self.named

    def take_turn(self) -> None:
        """Notes that it waits no more."""
        self.waiting = False
        self._stir()

    def advance(self, received: int, total: int | None) -> None:
        """Notes how far the transfer is."""
        self.received, self.total = received, total
        self._stir()

    def end(self, outcome: SavedFilm | MediaError) -> None:
        """Notes how it ended, and wakes whoever waits."""
        self.outcome = outcome
        self._stir()

    def _stir(self) -> None:
        self._stirred.set()
        self._stirred = anyio.Event()
