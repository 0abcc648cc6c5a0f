"""Reading: the bytes of a film, local or by ranges, as the file that a decoder wants.

A decoder asks for bytes in a worker thread and cannot wait there for a network. So it works on what is held; where it
needs more it meets the end of the file, the event loop fetches that, and the decoder begins again.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic
from types import TracebackType
from typing import IO, Protocol, Self, TypeVar

from anyio import CapacityLimiter, from_thread
from anyio.to_thread import run_sync

from runway_mcp.media.errors import NotDecodedHere, RangesRefused, UnreadableFilm
from runway_mcp.media.pictures.limits import Limits

FIRST_BYTES = 262_144
"""How much is asked for at first, and again wherever the decoder needs bytes that no plan named."""

_MOST = 0.6
_SURPRISES = 1
_PIECE = 32 * 1024 * 1024

T = TypeVar("T")


class FilmReader(Protocol):
    """A film elsewhere, which can be read by ranges."""

    @property
    def size(self) -> int:
        """The size of the whole file in bytes."""
        ...

    async def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end` - 1, all of them.

        Its errors pass unchanged, but for `RangesRefused`, after which the whole is read.
        """
        ...


class MissingBytes(Exception):  # noqa: N818  named for what is missing
    """These bytes of the file are needed and not held; `planned` unless the decoder came upon them."""

    def __init__(self, start: int, end: int, *, planned: bool) -> None:
        super().__init__(start, end)
        self.start, self.end, self.planned = start, end, planned


class FilmFile:
    """A film as a readable file of `size` bytes, of which some may be missing.

    What reads missing bytes, or reads after `limits.seconds` from `begin` or after `close`, finds the end of the file,
    and `check` tells why. One thread reads while another may close.
    """

    def __init__(self, stored: IO[bytes], size: int, limits: Limits, *, held: bool) -> None:
        self.size = size
        self.limits = limits
        self._stored = stored
        self._gaps = [] if held or not size else [(0, size)]
        self._at = 0
        self._deadline = 0.0
        self._missed: tuple[int, int] | None = None
        self._unchecked = 0
        self._lock = threading.Lock()
        self.begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends all reading, also in another thread."""
        with self._lock:
            self._stored.close()

    def begin(self) -> None:
        """Goes back to the start of the file and of the time that reading may take."""
        self._at, self._deadline, self._missed = 0, monotonic() + self.limits.seconds, None
        self._unchecked = 0

    def check(self) -> None:
        """Raises `MissingBytes` if bytes were missed, `NotDecodedHere` when the time is over or the file is closed.

        In a worker thread of a call that was cancelled it raises that cancellation.
        """
        with suppress(RuntimeError):
            # Which says that this is no worker thread.
            from_thread.check_cancelled()
        if self._missed is not None:
            raise MissingBytes(*self._missed, planned=False)
        if monotonic() > self._deadline:
            raise NotDecodedHere(f"the film takes more than {self.limits.seconds:g} s to decode")
        if self._stored.closed:
            raise NotDecodedHere("the film is no longer read")
        if self._unchecked > self.limits.held:
            raise NotDecodedHere(f"the film needs more than {self.limits.held // 1_000_000} MB at once")
        self._unchecked = 0

    def require(self, start: int, end: int) -> None:
        """Raises `MissingBytes` for the whole span unless all of it is held."""
        if self.gaps(start, end):
            raise MissingBytes(start, end, planned=True)

    def gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        """What is missing from `start` to `end` - 1."""
        return [(max(start, first), min(end, last)) for first, last in self._gaps if first < end and start < last]

    def put(self, start: int, data: bytes) -> None:
        """Keeps these bytes."""
        with self._lock:
            self._stored.seek(start)
            self._stored.write(data)
        end = start + len(data)
        pieces = [piece for first, last in self._gaps for piece in ((first, min(last, start)), (max(first, end), last))]
        self._gaps = [(first, last) for first, last in pieces if first < last]

    def read(self, count: int) -> bytes:
        """Up to `count` bytes from where the file stands; empty at its end, or where `check` has something to tell."""
        self._unchecked += count
        if self._missed is not None or monotonic() > self._deadline or self._unchecked > self.limits.held:
            return b""
        end = min(self.size, self._at + count)
        missing = self.gaps(self._at, end)
        if missing and missing[0][0] <= self._at:
            self._missed = self._at, min(self.size, self._at + FIRST_BYTES)
            return b""
        if missing:
            end = missing[0][0]
        with self._lock:
            if self._stored.closed:
                return b""
            self._stored.seek(self._at)
            data = self._stored.read(max(0, end - self._at))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves as files do; returns the new place."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """The place of the next read."""
        return self._at


async def worked_on(
    film: Path | FilmReader, work: Callable[[FilmFile], T], *, limits: Limits, limiter: CapacityLimiter
) -> T:
    """What `work` makes of the film, in a worker thread; of a film elsewhere no byte is read twice.

    Such a film is asked for as `work` needs it: at first the front, then its index if that stands at the end, then what
    a plan requires. Where that is most of the rest, or the decoder goes on looking around, the rest is read at once.
    Raises `UnreadableFilm`, and what the reader raises.
    """
    with await run_sync(_opened, film, limits, limiter=limiter) as file:
        if isinstance(film, Path):
            return await run_sync(_begun, work, file, limiter=limiter, abandon_on_cancel=True)
        await _fetch(film, file, 0, min(file.size, FIRST_BYTES))
        surprises = 0
        while True:
            try:
                return await run_sync(_begun, work, file, limiter=limiter, abandon_on_cancel=True)
            except MissingBytes as missing:
                surprises += not missing.planned
                span = missing.start, missing.end
            if surprises > _SURPRISES or _is_most(file, *span):
                span = 0, file.size
            await _fetch(film, file, *span)


def _begun(work: Callable[[FilmFile], T], file: FilmFile) -> T:
    file.begin()
    try:
        made = work(file)
    except UnreadableFilm:
        file.check()
        raise
    file.check()
    return made


def local_film(path: Path, limits: Limits) -> FilmFile:
    """The file at `path`, all of it held. Raises `NotDecodedHere` if it cannot be opened."""
    return _opened(path, limits)


def _opened(film: Path | FilmReader, limits: Limits) -> FilmFile:
    try:
        if isinstance(film, Path):
            stored = film.open("rb")
            return FilmFile(stored, os.fstat(stored.fileno()).st_size, limits, held=True)
        return FilmFile(TemporaryFile(prefix="runway-film-"), film.size, limits, held=False)
    except OSError as error:
        raise NotDecodedHere(f"the film cannot be opened: {error.strerror}") from error


def _is_most(file: FilmFile, start: int, end: int) -> bool:
    wanted = sum(last - first for first, last in file.gaps(start, end))
    return wanted > _MOST * sum(last - first for first, last in file.gaps(0, file.size))


async def _fetch(film: FilmReader, file: FilmFile, start: int, end: int) -> None:
    """Reads what is missing there, in pieces that memory can hold; all of it at once where no parts are to be had."""
    gaps = file.gaps(start, end)
    if sum(last - first for first, last in gaps) > file.limits.bytes:
        raise NotDecodedHere(f"the film needs more than {file.limits.bytes // 1_000_000} MB to be read for a picture")
    try:
        for first, last in gaps:
            for piece in range(first, last, _PIECE):
                await _read(film, file, piece, min(last, piece + _PIECE))
    except RangesRefused:
        if file.size > file.limits.whole_bytes:
            raise NotDecodedHere("the film is served only whole, and is too large to be read so") from None
        await _read(film, file, 0, file.size)


async def _read(film: FilmReader, file: FilmFile, start: int, end: int) -> None:
    data = await film.read(start, end)
    if len(data) != end - start:
        raise UnreadableFilm(f"the film has {len(data)} bytes where it promised {end - start}")
    try:
        await run_sync(file.put, start, data)
    except OSError as error:
        raise NotDecodedHere(f"the film cannot be held on disk: {error.strerror}") from error
