"""A film behind a link, read by ranges: its size, and bytes from anywhere in it, always of the same version."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol, TypeVar

import anyio

from runway_mcp.media.errors import Changed, Cut, DeadLink, NoFilm, RangesRefused, TooLarge, Unreachable
from runway_mcp.media.fetch.answers import Range, Version, check_type, length_of, range_of, strong_etag
from runway_mcp.media.fetch.client import Links, Response

FreshLink = Callable[[], Awaitable[str]]
"""Gives a new link to the same film, when one has died."""

HEAD_BYTES: Final = 256 * 1024
"""How much is fetched with the first request, where most films have their index."""

SILENCE_SECONDS: Final = 15.0
"""A read that brings nothing for so long is given up, all its tries taken together; whoever looks can look again."""

_T = TypeVar("_T")

_TRIES: Final = 3
_OK, _PARTIAL = 200, 206


class FilmBytes(Protocol):
    """A film of which any part can be read, wherever it lies."""

    @property
    def size(self) -> int:
        """Its length in bytes."""
        ...

    async def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, `end` excluded; both lie within the film. Never fewer."""
        ...


@dataclass
class RemoteFilm:
    """A film behind a link, one object for each film; made by `open_film`. Is a `FilmBytes`.

    `ranges` says whether its host serves parts. `requests` and `received` (bytes) count what was asked for and came.
    """

    version: Version
    ranges: bool
    head: bytes = field(repr=False)
    requests: int
    received: int
    _links: Links = field(repr=False)
    _link: str = field(repr=False)
    _fresh_link: FreshLink | None = field(repr=False)

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.version.size

    async def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end` (excluded), by one request, by none where they came with the first one.

        A read that breaks off or whose link has died is tried again, over a fresh link if there is a way to one.
        Raises `Changed` if the film became another one, `RangesRefused` where its host serves it only whole (a read of
        all of it works there), and what `Links.get` raises.
        """
        if not 0 <= start <= end <= self.size:
            raise ValueError(f"The film has {self.size} bytes; {start} to {end} do not lie within it.")
        if end <= len(self.head):
            return self.head[start:end]
        if not self.ranges and (start, end) != (0, self.size):
            raise RangesRefused("The link's host serves the film only as a whole.")
        deadline = anyio.current_time() + self._links.limits.whole_seconds
        return await _tried(self._links, self._link, self._fresh_link, partial(self._read, start, end, deadline))

    async def _read(self, start: int, end: int, deadline: float, link: str, quiet: anyio.CancelScope) -> bytes:
        self._link = link
        wanted = {"Range": f"bytes={start}-{end - 1}"} if self.ranges else {}
        if self.ranges and self.version.etag:
            wanted["If-Range"] = self.version.etag
        self.requests += 1
        async with self._links.get(link, wanted=wanted, deadline=deadline) as response:
            self._check(response, start, end)
            body = await _body(response, end - start, quiet)
        self.received += len(body)
        return body

    def _check(self, response: Response, start: int, end: int) -> None:
        check_type(response.headers)
        etag = strong_etag(response.headers)
        if self.version.etag is not None and etag not in {None, self.version.etag}:
            raise Changed("The film behind the link became another one while it was read.")
        if response.status == _PARTIAL:
            if range_of(response.headers) != Range(start, end, self.size):
                raise Changed("The link's host sent another part than the one that was asked for.")
        elif length_of(response.headers) != self.size:
            raise Changed("The film behind the link became another one while it was read.")
        elif self.ranges:
            raise RangesRefused("The link's host no longer serves parts of the film.")


async def open_film(
    links: Links, link: str, *, fresh_link: FreshLink | None = None, head_bytes: int = HEAD_BYTES
) -> RemoteFilm:
    """Opens the film behind a link with one request, which also brings its first `head_bytes`.

    Raises `NoFilm` for what has no length or is no file, `TooLarge`, and what `Links.get` raises; is tried again as a
    read of it is.
    """
    deadline = anyio.current_time() + links.limits.whole_seconds

    async def attempt(link: str, quiet: anyio.CancelScope) -> RemoteFilm:
        async with links.get(link, wanted={"Range": f"bytes=0-{head_bytes - 1}"}, deadline=deadline) as response:
            version, head = await _opened(response, head_bytes, links.limits.most_bytes, quiet)
        return RemoteFilm(version, head is not None, head or b"", 1, len(head or b""), links, link, fresh_link)

    return await _tried(links, link, fresh_link, attempt)


async def _opened(
    response: Response, head_bytes: int, most_bytes: int, quiet: anyio.CancelScope
) -> tuple[Version, bytes | None]:
    """The film's version and first bytes, None where its host sends it only whole."""
    check_type(response.headers)
    part = range_of(response.headers) if response.status == _PARTIAL else None
    strange = part is not None and (part.start != 0 or part.end > head_bytes)
    size = length_of(response.headers) if response.status == _OK else part and part.size
    if not size or strange:
        raise NoFilm("The link leads to a file without a length, or to an empty one.")
    if size > most_bytes:
        raise TooLarge(f"The film has {size} bytes; at most {most_bytes} are taken.")
    head = None if part is None else await _body(response, part.end, quiet)
    return Version(size, strong_etag(response.headers)), head


async def _tried(
    links: Links,
    link: str,
    fresh_link: FreshLink | None,
    attempt: Callable[[str, anyio.CancelScope], Awaitable[_T]],
) -> _T:
    """What an attempt over the link brings; tried again at once after a cut, and over a fresh link after a dead one.

    The attempt is given the scope that ends it once nothing has come for `SILENCE_SECONDS`.
    """
    began = anyio.current_time()
    with anyio.move_on_after(SILENCE_SECONDS) as quiet:
        for left in reversed(range(_TRIES)):
            try:
                return await attempt(link, quiet)
            except DeadLink:
                if fresh_link is None or not left:
                    raise
                quiet.deadline = math.inf
                link = await fresh_link()
                _heard(quiet)
            except (Cut, Unreachable):
                if not left or anyio.current_time() >= began + links.limits.whole_seconds:
                    raise
    raise Cut("The transfer fell silent.")


def _heard(quiet: anyio.CancelScope) -> None:
    quiet.deadline = anyio.current_time() + SILENCE_SECONDS


async def _body(response: Response, length: int, quiet: anyio.CancelScope) -> bytes:
    """The body, which has exactly `length` bytes; no more of it is held."""
    body = bytearray()
    async for chunk in response.chunks:
        _heard(quiet)
        body += chunk
        if len(body) > length:
            raise Changed("The link's host sent more than it had announced.")
    if len(body) < length:
        raise Cut("The connection was lost.")
    return bytes(body)
