"""A film behind a link, read by ranges: its size, and bytes from anywhere in it, always of the same version."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import anyio

from runway_mcp.media.answers import Range, Version, check_type, length_of, range_of, strong_etag
from runway_mcp.media.errors import Changed, Cut, DeadLink, NoFilm, RangesRefused, TooLarge, Unreachable
from runway_mcp.media.fetch import Links, Response

FreshLink = Callable[[], Awaitable[str]]
"""Gives a new link to the same film, when one has died."""

HEAD_BYTES: Final = 256 * 1024
"""How much is fetched with the first request, where most films have their index."""

_TRIES: Final = 3


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
    head: bytes
    requests: int
    received: int
    _links: Links
    _link: str
    _fresh_link: FreshLink | None

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
        for left in reversed(range(_TRIES)):
            try:
                return await self._read(start, end, deadline)
            except DeadLink:
                if self._fresh_link is None or not left:
                    raise
                self._link = await self._fresh_link()
            except (Cut, Unreachable):
                if not left or anyio.current_time() >= deadline:
                    raise
        raise AssertionError  # pragma: no cover  the last try returns or raises

    async def _read(self, start: int, end: int, deadline: float) -> bytes:
        wanted = {"Range": f"bytes={start}-{end - 1}"} if self.ranges else {}
        if self.ranges and self.version.etag:
            wanted["If-Range"] = self.version.etag
        self.requests += 1
        async with self._links.get(self._link, wanted=wanted, deadline=deadline) as response:
            self._check(response, start, end)
            body = await _body(response, end - start)
        self.received += len(body)
        return body

    def _check(self, response: Response, start: int, end: int) -> None:
        check_type(response.headers)
        etag = strong_etag(response.headers)
        if self.version.etag is not None and etag not in {None, self.version.etag}:
            raise Changed("The film behind the link became another one while it was read.")
        if response.status == 206:  # noqa: PLR2004  partial content
            if range_of(response.headers) != Range(start, end, self.size):
                raise Changed("The link's host sent another part than the one that was asked for.")
        elif self.ranges or length_of(response.headers) not in {None, self.size}:
            if etag == self.version.etag:
                raise RangesRefused("The link's host no longer serves parts of the film.")
            raise Changed("The film behind the link became another one while it was read.")


async def open_film(
    links: Links, link: str, *, fresh_link: FreshLink | None = None, head_bytes: int = HEAD_BYTES
) -> RemoteFilm:
    """Opens the film behind a link with one request, which also brings its first `head_bytes`.

    Raises `NoFilm` for what has no length or is no file, `TooLarge`, and what `Links.get` raises; `fresh_link` is asked
    once when the link has died.
    """
    deadline = anyio.current_time() + links.limits.whole_seconds
    try:
        return await _opened(links, link, fresh_link, head_bytes, deadline)
    except DeadLink:
        if fresh_link is None:
            raise
        return await _opened(links, await fresh_link(), fresh_link, head_bytes, deadline)


async def _opened(
    links: Links, link: str, fresh_link: FreshLink | None, head_bytes: int, deadline: float
) -> RemoteFilm:
    async with links.get(link, wanted={"Range": f"bytes=0-{head_bytes - 1}"}, deadline=deadline) as response:
        check_type(response.headers)
        part = range_of(response.headers) if response.status == 206 else None  # noqa: PLR2004  partial content
        size = length_of(response.headers) if part is None else part.size
        strange = part is not None and (part.start != 0 or part.end > head_bytes)
        if not size or response.status == 416 or strange:  # noqa: PLR2004  no such range
            raise NoFilm("The link leads to a file without a length, or to an empty one.")
        if size > links.limits.most_bytes:
            raise TooLarge(f"The film has {size} bytes; at most {links.limits.most_bytes} are taken.")
        head = b"" if part is None else await _body(response, part.end)
        version = Version(size, strong_etag(response.headers))
        return RemoteFilm(version, part is not None, head, 1, len(head), links, link, fresh_link)


async def _body(response: Response, length: int) -> bytes:
    """The body, which has exactly `length` bytes; no more of it is held."""
    body = bytearray()
    async for chunk in response.chunks:
        body += chunk
        if len(body) > length:
            raise Changed("The link's host sent more than it had announced.")
    if len(body) < length:
        raise Cut("The connection was lost.")
    return bytes(body)
