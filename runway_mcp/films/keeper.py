"""Keeper: brings films to the disk in the background, two at once and each once, and knows which are there.

What is kept and what was begun stands in records, so that a restart goes on, and every process of the data folder knows
it. Everything that touches the disk runs in worker threads.

Whoever paid for a film wants it on disk whatever happened, so the film of an own task whose keeping failed is tried
again after a while and at each start. Only what is no film, or has no link, at three tries is given up. A wish for
another film or another name is over with its failure: that was told, the film is still where it was, and a file that
comes unasked days later is a surprise.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

import anyio
from anyio.abc import TaskGroup
from anyio.to_thread import run_sync

from runway_mcp.films.checking import check_ends
from runway_mcp.films.keeping import FilmGone, Keeping
from runway_mcp.films.naming import Wanted
from runway_mcp.films.places import Place, SavedFilm, files_of, place_of
from runway_mcp.films.records import Record, Records, State, not_written
from runway_mcp.media.errors import (
    KeepingError,
    KeptElsewhere,
    MediaError,
    NoFilm,
    TooLarge,
    Unreachable,
)
from runway_mcp.media.fetch.client import Links
from runway_mcp.media.files.download import Pause
from runway_mcp.media.files.folder import Free, disk_free
from runway_mcp.media.files.keeping import Check, Kept, keep, keep_copy
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import NotFound, RunwayError
from runway_mcp.tasks.intents import uuid_of

AT_ONCE: Final = 2
"""So many films are fetched at the same time."""

MOST_WAITING: Final = 100
"""So many films are under way or wait for their turn in memory; more wait as records until a place is free."""

TRIED_AGAIN: Final = (60.0, 600.0, 3600.0, 21_600.0)
"""After so many seconds each a film of an own task is tried again; after the last it waits for a start."""

_log = logging.getLogger(__name__)


# How long another process that keeps the same film is waited for, and how often it is asked, in seconds.
_ELSEWHERE_SECONDS, _ELSEWHERE_PAUSE = 900.0, 1.0
_LINK_SECONDS = 10.0
_REMEMBERED = 1000
# The same film would be refused again; a refused link may be this machine's trouble with names or certificates. Each is
# tried again all the same: the first time a network's sign-in page may have come, or the link not have been there yet.
_FOR_GOOD = (NoFilm, TooLarge, FilmGone)
_TRIES_OF_NO_FILM = 2

_Key = tuple[str, str, str]

Owns = Callable[[str], bool]
"""Whether a caller's films are this keeper's."""


def everybody(_caller: str) -> bool:
    """Every caller's films are."""
    return True


class Keeper:
    """Keeps films in one folder; made for the server's lifespan, in whose task group it works.

    `background` is that group, `folder` takes the films, `data_dir` the records. `free`, `check` and `pause` are those
    of `media.files.keeping`; `most_waiting` is how many films have a place in memory, `tried_again` as `TRIED_AGAIN`.
    `owns` tells of which callers it takes up what earlier processes began.
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
        most_waiting: int = MOST_WAITING,
        tried_again: Sequence[float] = TRIED_AGAIN,
        owns: Owns = everybody,
    ) -> None:
        self.folder = folder
        self.background = background
        self._client = client
        self._links = links
        self._records = Records(data_dir)
        self._keep = partial(keep, free=free, check=check, pause=pause)
        self._keep_copy = partial(keep_copy, free=free, check=check)
        self._pause = pause
        self._most_waiting = most_waiting
        self._turn = anyio.Semaphore(AT_ONCE)
        self._under_way: dict[_Key, Keeping] = {}
        # Those for which there was no place, as long as somebody waits for them; their records are what counts.
        self._queued: WeakValueDictionary[_Key, Keeping] = WeakValueDictionary()
        self._more = self._taking_up = False
        self._failed: dict[_Key, Keeping] = {}
        self._tried_again = tried_again
        self._owns = owns
        self._tries: dict[_Key, int] = {}
        self._due: set[_Key] = set()

    async def place(self, asset_id: str, caller: str, *, name: str | None = None) -> Place:
        """Where a caller's film is, by its assetId or uuid; with `name` the file that was wished for under that name.

        Never touches the network.
        """
        return await run_sync(place_of, self._records, asset_id, caller, name)

    async def as_before(self, wanted: Wanted) -> Wanted:
        """The wish under the name that the film had last, where it was never kept under the wanted one."""
        records = await run_sync(self._records.of, wanted.asset_id, wanted.caller)
        kept = [record for record in records if record.path is not None]
        if not kept or any(record.name == wanted.name for record in kept):
            return wanted
        return replace(wanted, name=kept[0].name, own=kept[0].own)

    async def begin(self, wanted: Wanted, *, again: bool = True) -> Keeping:
        """Begins to keep a film, or finds it being kept; goes on in the background.

        A film whose keeping has failed in this process is told with that failure and, unless it is wished for
        (`again`), not tried once more. While `most_waiting` are under way it is only written down, and taken up as soon
        as a place is free; where that cannot be written either it ends with `KeepingError`.
        """
        key = _key_of(wanted)
        known = self._under_way.get(key) or self._queued.get(key) or (None if again else self._failed.get(key))
        if known is not None:
            return known
        # What waits for a place must not pass for what has failed.
        self._failed.pop(key, None)
        keeping = Keeping(wanted)
        full = len(self._under_way) >= self._most_waiting
        (self._queued if full else self._under_way)[key] = keeping
        try:
            refusal = await self._note(wanted, "begun")
        except BaseException:
            # Whoever found it meanwhile must not wait for ever.
            self._finish(key, keeping, KeepingError("The film could not be written down to be kept."))
            raise
        if not full:
            self.background.start_soon(self._run, key, keeping)
        elif refusal is None:
            self._more = True
            self._take_up()
        else:
            message = f"Too many films wait to be kept, and this one could not be written down ({refusal})."
            await self._note(wanted, "refused")
            self._finish(key, keeping, KeepingError(message))
        return keeping

    async def resume(self) -> None:
        """Goes on with everything that was begun and is not on disk, now or when a place is free."""
        self._more = True
        self._taking_up = True
        await self._taken_up()

    def _take_up(self) -> None:
        """Begins what was only written down, in the background, if a place is free."""
        if self._more and not self._taking_up and len(self._under_way) < self._most_waiting:
            self._taking_up = True
            self.background.start_soon(self._taken_up)

    async def _taken_up(self) -> None:
        try:
            while self._more and len(self._under_way) < self._most_waiting:
                self._more = False
                for record in await run_sync(self._records.begun):
                    if not self._owns(record.caller):
                        continue
                    wanted = Wanted(record.asset_id, record.caller, record.name, own=record.own)
                    key = _key_of(wanted)
                    if key in self._under_way or key in self._failed:
                        continue
                    if len(self._under_way) >= self._most_waiting:
                        self._more = True
                        break
                    keeping = self._under_way[key] = self._queued.pop(key, None) or Keeping(wanted)
                    self.background.start_soon(self._run, key, keeping)
        finally:
            self._taking_up = False

    async def _run(self, key: _Key, keeping: Keeping) -> None:
        outcome: SavedFilm | MediaError
        wanted = keeping.wanted
        try:
            outcome = keeping.named = await self._kept(keeping)
            refusal = await self._note(wanted, "kept", outcome)
            if refusal is not None:
                outcome = _remarked(outcome, not_written(refusal))
        except MediaError as error:
            outcome = error
            _log.warning("a film could not be kept: %s", error)
        except Exception:  # noqa: BLE001  a crash here would end every other call of the process
            _log.exception("the keeping of a film crashed")
            outcome = KeepingError("Something in this server failed while the film was kept.")
        if isinstance(outcome, MediaError):
            await self._given_up(key, wanted, outcome)
        else:
            self._tries.pop(key, None)
        self._finish(key, keeping, outcome)
        self._take_up()

    async def _given_up(self, key: _Key, wanted: Wanted, error: MediaError) -> None:
        """Gives a wish up at once, the film of an own task after several tries, of which one at most is waited for."""
        tries, for_good = self._tries.get(key, 0), isinstance(error, _FOR_GOOD)
        if wanted.own and key in self._due:
            return
        if wanted.own and tries < min(len(self._tried_again), _TRIES_OF_NO_FILM if for_good else _REMEMBERED):
            self._tries[key] = tries + 1
            self._due.add(key)
            self.background.start_soon(self._try_again, key, wanted, self._tried_again[tries])
        elif not wanted.own or for_good:
            self._tries.pop(key, None)
            # Another process may have kept it meanwhile.
            await self._note(wanted, "refused", if_begun=True)

    async def _try_again(self, key: _Key, wanted: Wanted, seconds: float) -> None:
        """Begins it once more after so many seconds, over a fresh link, unless it was kept or deleted meanwhile."""
        await anyio.sleep(seconds)
        self._due.discard(key)
        try:
            if key in self._failed and await self._is_begun(wanted):
                await self.begin(replace(wanted, link=None))
        except Exception:  # noqa: BLE001  a crash here would end every other call of the process
            _log.exception("a film could not be tried again")

    async def _is_begun(self, wanted: Wanted) -> bool:
        """Whether nothing but its beginning is known of the film under this name."""
        return await self.place(wanted.asset_id, wanted.caller, name=wanted.name) == "begun"

    def _finish(self, key: _Key, keeping: Keeping, outcome: SavedFilm | MediaError) -> None:
        for places in (self._under_way, self._queued):
            if places.get(key) is keeping:
                del places[key]
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
        while True:
            name, sources = await run_sync(files_of, self._records, wanted, self.folder)
            try:
                async with self._turn:
                    keeping.take_turn()
                    kept = await self._copied(keeping, name, sources) or await self._downloaded(keeping, name)
            except KeptElsewhere:
                if anyio.current_time() >= until:
                    raise
                await self._pause(_ELSEWHERE_PAUSE)
            else:
                return SavedFilm(wanted.asset_id, kept.path, kept.size, kept.warning)

    async def _copied(self, keeping: Keeping, name: str, sources: list[Kept]) -> Kept | None:
        """The film from one of its files; None if none of them is what was kept."""
        key = uuid_of(keeping.wanted.asset_id)
        for source in sources:
            kept = await self._keep_copy(source, self.folder, key=key, name=name, told=keeping.advance)
            if kept is not None:
                return kept
            _log.warning("a file of a kept film is not what it was, so that no copy of it is made")
        return None

    async def _downloaded(self, keeping: Keeping, name: str) -> Kept:
        wanted = keeping.wanted

        async def fresh_link() -> str:
            return await self._fresh_link(wanted.asset_id)

        return await self._keep(
            self._links,
            wanted.link or await fresh_link(),
            self.folder,
            key=uuid_of(wanted.asset_id),
            name=name,
            fresh_link=fresh_link,
            told=keeping.advance,
            tells_film=wanted.tells_film,
        )

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
        self, wanted: Wanted, state: State, film: SavedFilm | None = None, *, if_begun: bool = False
    ) -> str | None:
        """Writes the record; why the data folder refuses, which only means that a restart knows nothing of it."""
        record = Record(wanted.asset_id, wanted.caller, wanted.name, state, own=wanted.own)
        if film is not None:
            record = replace(record, path=film.path, size=film.size)
        remark = film.warning if film is not None else None
        refusal = await run_sync(partial(self._records.note, record, if_begun=if_begun, remark=remark))
        if refusal is not None:
            _log.warning("the record of a kept film could not be written: %s", refusal)
        return refusal


def _key_of(wanted: Wanted) -> _Key:
    return wanted.asset_id.lower(), wanted.caller, wanted.name


def _remarked(film: SavedFilm, remark: str) -> SavedFilm:
    return replace(film, warning=f"{film.warning} {remark}" if film.warning else remark)


@asynccontextmanager
async def open_keeper(
    client: RunwayClient, *, links: Links, folder: Path, data_dir: Path, free: Free = disk_free, owns: Owns = everybody
) -> AsyncGenerator[Keeper]:
    """A keeper for as long as the server lives; what is under way at the end stays as a part, to go on from.

    Of what earlier processes began it takes up the films of the callers that it `owns`.
    """
    async with anyio.create_task_group() as background:
        yield Keeper(background, client=client, links=links, folder=folder, data_dir=data_dir, free=free, owns=owns)
        background.cancel_scope.cancel()
