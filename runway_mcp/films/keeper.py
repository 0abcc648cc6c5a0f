"""Keeper: brings films to the disk in the background, two at once and each once, and knows which are there.

What is kept and what was begun stands in records, so that a restart goes on, and every process of the data folder knows
it. Everything that touches the disk runs in worker threads.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

import anyio
from anyio.abc import TaskGroup
from anyio.to_thread import run_sync

from runway_mcp.films.checking import check_ends
from runway_mcp.films.naming import Wanted
from runway_mcp.films.records import Record, begun_records, records_of, write_record
from runway_mcp.media.errors import (
    DeadLink,
    KeepingError,
    KeptElsewhere,
    MediaError,
    NoFilm,
    RefusedLink,
    TooLarge,
    Unreachable,
)
from runway_mcp.media.fetch.client import Links
from runway_mcp.media.files.download import Pause
from runway_mcp.media.files.folder import Free, disk_free
from runway_mcp.media.files.keeping import Check, keep
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import NotFound, RunwayError
from runway_mcp.tasks.intents import uuid_of

AT_ONCE: Final = 2
"""So many films are fetched at the same time."""

MOST_WAITING: Final = 100
"""So many films are under way or wait for their turn; more are written down, and a restart goes on with them."""

_log = logging.getLogger(__name__)

# How long another process that keeps the same film is waited for, and how often it is asked, in seconds.
_ELSEWHERE_SECONDS, _ELSEWHERE_PAUSE = 900.0, 1.0
_LINK_SECONDS = 10.0
_REMEMBERED = 1000
# The same film would be refused again.
_FOR_GOOD = (NoFilm, TooLarge, RefusedLink)


class FilmGone(DeadLink):
    """Runway has no link to the film any more: it was deleted there."""


@dataclass(frozen=True)
class SavedFilm:
    """A film on disk: its id, where it lies, and its length in bytes."""

    asset_id: str
    path: Path
    size: int


@dataclass
class Keeping:
    """The keeping of one film: how many bytes of how many have come, and how it ended once it has."""

    wanted: Wanted
    received: int = 0
    total: int | None = None
    outcome: SavedFilm | MediaError | None = None
    _stirred: anyio.Event = field(default_factory=anyio.Event)

    async def wait(self, *, deadline: float, tell: Callable[["Keeping"], Awaitable[None]]) -> None:
        """Waits for its end until `deadline` of the loop's clock; `tell` is awaited with it as bytes come."""
        with anyio.move_on_after(deadline - anyio.current_time()):
            while self.outcome is None:
                stirred = self._stirred
                await tell(self)
                await stirred.wait()

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


Place = SavedFilm | Literal["gone", "begun", "refused"] | None
"""Where a film is: on disk; moved or deleted since it was kept; begun; refused for good; None if nothing is known."""


class Keeper:
    """Keeps films in one folder; made for the server's lifespan, in whose task group it works.

    `background` is that group, `folder` takes the films, `data_dir` the records. `free`, `check` and `pause` are the
    seams of `media.files.keeping`.
    """

    def __init__(
        self,
        background: TaskGroup,
        *,
        client: RunwayClient,
        links: Links,
        folder: Path,
        data_dir: Path,
        free: Free = disk_free,
        check: Check = check_ends,
        pause: Pause = anyio.sleep,
    ) -> None:
        self.folder = folder
        self.background = background
        self._client = client
        self._links = links
        self._data_dir = data_dir
        self._keep = partial(keep, free=free, check=check, pause=pause)
        self._pause = pause
        self._turn = anyio.Semaphore(AT_ONCE)
        self._under_way: dict[tuple[str, str, str], Keeping] = {}
        self._failed: dict[tuple[str, str, str], Keeping] = {}

    async def place(self, asset_id: str, caller: str, *, name: str | None = None) -> Place:
        """Where a caller's film is, by its assetId or uuid; with `name` the file that was wished for under that name.

        Never touches the network.
        """
        return await run_sync(_place, self._data_dir, asset_id, caller, name)

    async def begin(self, wanted: Wanted, *, again: bool = True) -> Keeping:
        """Begins to keep a film, or finds it being kept; goes on in the background.

        A film whose keeping has failed in this process is told with that failure and, unless it is wished for
        (`again`), not tried once more.
        """
        key = (uuid_of(wanted.asset_id), wanted.caller, wanted.name)
        if (known := self._under_way.get(key)) is not None:
            return known
        if not again and (failed := self._failed.get(key)) is not None:
            return failed
        keeping = Keeping(wanted)
        full = len(self._under_way) >= MOST_WAITING
        self._under_way[key] = keeping
        try:
            await self._note(wanted, "begun")
        except BaseException:
            # Whoever found it meanwhile must not wait for ever.
            self._finish(key, keeping, KeepingError("The film could not be written down to be kept."))
            raise
        if full:
            message = "Too many films wait to be kept; this one is taken up when the server starts again."
            self._finish(key, keeping, KeepingError(message))
        else:
            self.background.start_soon(self._run, key, keeping)
        return keeping

    async def resume(self) -> None:
        """Goes on with everything that was begun and is not on disk."""
        for record in await run_sync(begun_records, self._data_dir):
            await self.begin(Wanted(record.asset_id, record.caller, record.name))

    async def _run(self, key: tuple[str, str, str], keeping: Keeping) -> None:
        outcome: SavedFilm | MediaError
        try:
            outcome = await self._kept(keeping)
            await self._note(keeping.wanted, "kept", outcome)
        except MediaError as error:
            outcome = error
            if isinstance(error, _FOR_GOOD):
                await self._note(keeping.wanted, "refused")
            _log.warning("a film could not be kept: %s", error)
        except Exception:  # noqa: BLE001  a crash here would end every other call of the process
            _log.exception("the keeping of a film crashed")
            outcome = KeepingError("Something in this server failed while the film was kept.")
        self._finish(key, keeping, outcome)

    def _finish(self, key: tuple[str, str, str], keeping: Keeping, outcome: SavedFilm | MediaError) -> None:
        self._under_way.pop(key, None)
        self._failed.pop(key, None)
        if isinstance(outcome, MediaError):
            self._failed[key] = keeping
            while len(self._failed) > _REMEMBERED:
                del self._failed[next(iter(self._failed))]
        keeping.end(outcome)

    async def _kept(self, keeping: Keeping) -> SavedFilm:
        """The film on disk; another process that is keeping it is waited for. Raises `MediaError`."""
        until = anyio.current_time() + _ELSEWHERE_SECONDS
        wanted = keeping.wanted

        async def fresh_link() -> str:
            return await self._fresh_link(wanted.asset_id)

        while True:
            try:
                async with self._turn:
                    kept = await self._keep(
                        self._links,
                        wanted.link or await fresh_link(),
                        self.folder,
                        key=uuid_of(wanted.asset_id),
                        name=wanted.name,
                        fresh_link=fresh_link,
                        told=keeping.advance,
                        tells_film=wanted.tells_film,
                    )
            except KeptElsewhere:
                if anyio.current_time() >= until:
                    raise
                await self._pause(_ELSEWHERE_PAUSE)
            else:
                return SavedFilm(wanted.asset_id, kept.path, kept.size)

    async def _fresh_link(self, asset_id: str) -> str:
        """A link to the film as Runway gives it now; raises `FilmGone` or `Unreachable`."""
        try:
            asset = await self._client.asset(asset_id, patience=_LINK_SECONDS)
        except NotFound as error:
            raise FilmGone("Runway does not know this film any more, so there is no link to it.") from error
        except RunwayError as error:
            raise Unreachable(f"No fresh link to the film could be had: {error.message}") from error
        if not asset.url:
            raise FilmGone("Runway names no link to this film.")
        return asset.url

    async def _note(
        self, wanted: Wanted, state: Literal["begun", "kept", "refused"], film: SavedFilm | None = None
    ) -> None:
        """Writes the record; a data folder that refuses is only logged, and a restart then knows nothing of it."""
        record = Record(wanted.asset_id, wanted.caller, wanted.name, state)
        if film is not None:
            record = replace(record, path=film.path, size=film.size)
        try:
            await run_sync(write_record, self._data_dir, record)
        except OSError as error:
            _log.warning("the record of a kept film could not be written: %s", error.strerror)


def _place(data_dir: Path, asset_id: str, caller: str, name: str | None) -> Place:
    records = [each for each in records_of(data_dir, asset_id, caller) if name in (None, each.name)]
    for record in records:
        if record.is_there and record.path is not None and record.size is not None:
            return SavedFilm(record.asset_id, record.path, record.size)
    states = {record.state for record in records}
    if "begun" in states:
        return "begun"
    return "gone" if "kept" in states else "refused" if states else None


@asynccontextmanager
async def open_keeper(
    client: RunwayClient, *, links: Links, folder: Path, data_dir: Path, free: Free = disk_free
) -> AsyncGenerator[Keeper]:
    """A keeper for as long as the server lives; what is under way at the end stays as a part, to go on from."""
    async with anyio.create_task_group() as background:
        yield Keeper(background, client=client, links=links, folder=folder, data_dir=data_dir, free=free)
        background.cancel_scope.cancel()
