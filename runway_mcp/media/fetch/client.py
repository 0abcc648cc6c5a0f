"""Fetching behind signed links: the only module of media that sends bytes, each to an address that was judged.

Requests carry no token, no cookie and no header of the caller but ranges. No proxy of the environment is used, because
it would resolve names itself. Redirects are followed here, each judged as the first link is.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import anyio

from runway_mcp.media.errors import Cut, DeadLink, NoFilm, RefusedLink, Unreachable
from runway_mcp.media.fetch.addresses import HTTPS_PORT, Target, judged_link, redirected

if TYPE_CHECKING:
    from ssl import SSLContext

    from runway_mcp.media.fetch.network import Dial, Pool, Resolve

MOST_REDIRECTS: Final = 3

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_DEAD: Final = frozenset({401, 403, 404, 410})
_NOT_NOW: Final = frozenset({408, 425, 429})
_OK, _PARTIAL, _NOT_SATISFIABLE = 200, 206, 416
# Firewalls of content networks refuse requests that name no program.
_NAME = "useapi-runway-mcp"


@dataclass(frozen=True)
class Limits:
    """What a fetch may take: seconds to connect, of silence, and in all; bytes of one film.

    The whole time covers every attempt and every redirect of one film or range.
    """

    connect_seconds: float = 10.0
    silence_seconds: float = 20.0
    whole_seconds: float = 900.0
    most_bytes: int = 2**30


@dataclass(frozen=True)
class Response:
    """An answer with a file or a part of one: 200, 206 or 416; header names in lower case, `chunks` its raw body."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Links:
    """An open client for signed links; made by `open_links`."""

    def __init__(self, connect: "Callable[[], Pool]", allowed_origin: str | None, limits: Limits) -> None:
        self.limits = limits
        self._connect = connect
        self._allowed_origin = allowed_origin
        self._pool: Pool | None = None

    async def aclose(self) -> None:
        """Closes every connection."""
        if self._pool is not None:
            await self._pool.aclose()

    @asynccontextmanager
    async def get(
        self, link: str, *, wanted: Mapping[str, str] | None = None, deadline: float
    ) -> AsyncGenerator[Response]:
        """Opens a link, with the headers `wanted` (`Range`, `If-Range`), until `deadline` of the loop's clock.

        Raises `RefusedLink`, `RefusedAddress`, `Unreachable`, `DeadLink`, `NoFilm`, and `Cut` also while the body is
        read.
        """
        from runway_mcp.media.fetch.network import TROUBLE, told, told_of  # noqa: PLC0415  two megabytes

        with anyio.move_on_after(deadline - anyio.current_time()) as scope:
            try:
                async with self._followed(link, wanted or {}) as opened, aclosing(told_of(opened.chunks)) as chunks:
                    yield replace(opened, chunks=chunks)
            except TROUBLE as error:
                # The cause is cut because it may hold the link.
                raise told(error) from None
        if scope.cancelled_caught:
            raise Cut("The transfer took too long.")

    @asynccontextmanager
    async def _followed(self, link: str, wanted: Mapping[str, str]) -> AsyncGenerator[Response]:
        target = judged_link(link, allowed_origin=self._allowed_origin)
        first_port = target.port
        for _ in range(MOST_REDIRECTS + 1):
            async with self._sent(target, wanted) as response:
                if response.status not in _REDIRECTS:
                    _check_status(response.status)
                    headers = {name.decode("latin-1").lower(): _text(value) for name, value in response.headers}
                    yield Response(response.status, headers, response.aiter_stream())
                    return
                location = {name.lower(): _text(value) for name, value in response.headers}.get(b"location", "")
            target = redirected(target, location, allowed_origin=self._allowed_origin, first_port=first_port)
        raise RefusedLink(f"The link redirects more than {MOST_REDIRECTS} times.")

    def _sent(self, target: Target, wanted: Mapping[str, str]) -> Any:
        default = target.port == (HTTPS_PORT if target.scheme == "https" else 80)
        host = f"[{target.host}]" if ":" in target.host else target.host
        headers: list[tuple[bytes | str, bytes | str]] = [
            ("Host", host if default else f"{host}:{target.port}"),
            ("User-Agent", _NAME),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
            *wanted.items(),
        ]
        limits = self.limits
        timeout = {
            "connect": limits.connect_seconds,
            "pool": limits.silence_seconds,
            "read": limits.silence_seconds,
            "write": limits.silence_seconds,
        }
        if self._pool is None:
            self._pool = self._connect()
        return self._pool.stream(target, headers, timeout)


@asynccontextmanager
async def open_links(
    *,
    allowed_origin: str | None = None,
    limits: Limits | None = None,
    resolve: "Resolve | None" = None,
    dial: "Dial | None" = None,
    tls: "SSLContext | None" = None,
) -> AsyncGenerator[Links]:
    """A client for signed links, for as long as the server lives.

    `allowed_origin` (`http://127.0.0.1:8000`, the stand-in's; a path counts for nothing) may be plain http on this
    machine; all else, an allowed origin with https too, is https to public addresses. `resolve`, `dial` and `tls` take
    the place of the system's resolver, of sockets and of the usual certificates in tests.
    """
    allowed = None if allowed_origin is None else judged_link(allowed_origin, allowed_origin=allowed_origin)
    if allowed is not None and allowed.scheme != "http":
        allowed = allowed_origin = None

    def connect() -> "Pool":
        # At the first request: an idle server needs neither the client nor certificates, whose loading is slow.
        from runway_mcp.media.fetch.network import Pool  # noqa: PLC0415  two megabytes

        return Pool(resolve=resolve, dial=dial, allowed=allowed, tls=tls)

    links = Links(connect, allowed_origin, limits or Limits())
    try:
        yield links
    finally:
        await links.aclose()


def _check_status(status: int) -> None:
    if status in _DEAD:
        raise DeadLink(f"The link has died (HTTP {status}).")
    if status in _NOT_NOW or status >= 500:  # noqa: PLR2004  the 5xx
        raise Unreachable(f"The link's host would not serve it now (HTTP {status}).")
    if status not in {_OK, _PARTIAL, _NOT_SATISFIABLE}:
        raise NoFilm(f"The link leads to no file (HTTP {status}).")


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip()
