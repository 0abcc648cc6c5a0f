"""Fetching behind signed links: the only module of media that sends bytes, each to an address that was judged.

Requests carry no token, no cookie and no header of the caller but ranges. No proxy of the environment is used, because
it would resolve names itself. Redirects are followed here, each judged as the first link is.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from socket import SOCK_STREAM
from typing import Any, Final, cast

import anyio
import httpcore
import httpx

from runway_mcp.descriptors import OUT_OF_DESCRIPTORS, lacks_descriptors
from runway_mcp.media.errors import Cut, DeadLink, LinkError, NoFilm, RefusedAddress, RefusedLink, Unreachable
from runway_mcp.media.fetch.addresses import HTTPS_PORT, Target, judged_link, may_dial, redirected

Resolve = Callable[[str, int], Awaitable[Iterable[str]]]
"""Gives the IP addresses of a host name for a port; raises OSError if it has none."""

Stream = httpcore.AsyncNetworkStream
"""An open connection, before TLS."""

Dial = Callable[[str, int, float | None], Awaitable[Stream]]
"""Connects to an IP address and port within so many seconds; raises what `httpcore.AnyIOBackend` raises."""

MOST_REDIRECTS: Final = 3

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_DEAD: Final = frozenset({401, 403, 404, 410})
_NOT_NOW: Final = frozenset({408, 425, 429})
_OK, _PARTIAL, _NOT_SATISFIABLE = 200, 206, 416
_CONNECTIONS = 16
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

    def __init__(
        self,
        network: httpcore.AsyncNetworkBackend,
        tls: ssl.SSLContext | None,
        allowed_origin: str | None,
        limits: Limits,
    ) -> None:
        self.limits = limits
        self._network = network
        self._tls = tls
        self._allowed_origin = allowed_origin
        self._pool: httpcore.AsyncConnectionPool | None = None

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
        with anyio.move_on_after(deadline - anyio.current_time()) as scope:
            try:
                async with self._followed(link, wanted or {}) as opened, aclosing(_told_of(opened.chunks)) as chunks:
                    yield replace(opened, chunks=chunks)
            except _TROUBLE as error:
                # The cause is cut because it may hold the link.
                raise _told(error) from None
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
        url = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        return self._connections().stream("GET", url, headers=headers, extensions={"timeout": timeout})

    def _connections(self) -> httpcore.AsyncConnectionPool:
        """Made at the first request, because loading the usual certificates is slow."""
        if self._pool is None:
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=self._tls or httpx.create_ssl_context(),
                max_connections=_CONNECTIONS,
                max_keepalive_connections=4,
                keepalive_expiry=15.0,
                network_backend=self._network,
            )
        return self._pool


@asynccontextmanager
async def open_links(
    *,
    allowed_origin: str | None = None,
    limits: Limits | None = None,
    resolve: Resolve | None = None,
    dial: Dial | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncGenerator[Links]:
    """A client for signed links, for as long as the server lives.

    `allowed_origin` (`http://127.0.0.1:8000`, the stand-in's; a path counts for nothing) may be plain http on this
    machine; all else, an allowed origin with https too, is https to public addresses. `resolve`, `dial` and `tls` take
    the place of the system's resolver, of sockets and of the usual certificates in tests.
    """
    allowed = None if allowed_origin is None else judged_link(allowed_origin, allowed_origin=allowed_origin)
    if allowed is not None and allowed.scheme != "http":
        allowed = allowed_origin = None
    network = _JudgedNetwork(resolve or _resolved, dial or _dialled, allowed)
    links = Links(network, tls, allowed_origin, limits or Limits())
    try:
        yield links
    finally:
        await links.aclose()


class _JudgedNetwork(httpcore.AsyncNetworkBackend):
    """Resolves a name, judges all of its addresses and dials one of those: what was judged is what is dialled."""

    def __init__(self, resolve: Resolve, dial: Dial, allowed: Target | None) -> None:
        self._resolve = resolve
        self._dial = dial
        self._allowed = None if allowed is None else (allowed.host, allowed.port)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the signature is httpcore's
        local_address: str | None = None,  # noqa: ARG002  likewise
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002  likewise
    ) -> Stream:
        """Connects to the first of the name's addresses that answers, all within `timeout`."""
        try:
            with anyio.fail_after(timeout):
                addresses = list(dict.fromkeys(await self._resolve(host, port)))
                if not may_dial(frozenset(addresses), loopback=(host, port) == self._allowed):
                    raise RefusedAddress("The link leads to an address that is not public.")
                return await self._first(addresses, port, timeout)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        except (OSError, UnicodeError):
            raise httpcore.ConnectError from None

    async def _first(self, addresses: list[str], port: int, seconds: float | None) -> Stream:
        """Each address gets its share of the time, so that one that swallows packets does not hide the next."""
        share = None if seconds is None else seconds / len(addresses)
        for address in addresses[:-1]:
            try:
                return await self._dial(address, port, share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._dial(addresses[-1], port, share)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  the signature is httpcore's
        socket_options: Iterable[Any] | None = None,
    ) -> Stream:
        """Refused: no link leads to a local socket."""
        raise NotImplementedError(path, timeout, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Waits, as the pool asks."""
        await anyio.sleep(seconds)


async def _resolved(host: str, port: int) -> Iterable[str]:
    found = await anyio.getaddrinfo(host, port, type=SOCK_STREAM)
    return [str(each[4][0]) for each in found]


async def _dialled(address: str, port: int, seconds: float | None) -> Stream:
    # httpcore declares a second class of this name, for when anyio is absent.
    backend = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
    return await backend.connect_tcp(address, port, timeout=seconds)


_NOT_CONNECTED = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout)
_TROUBLE = (*_NOT_CONNECTED, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)


async def _told_of(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The chunks, whose end by a failure is told in our words to whoever reads them."""
    try:
        async for chunk in chunks:
            yield chunk
    except _TROUBLE as error:
        raise _told(error) from None


def _told(error: Exception) -> LinkError:
    if isinstance(error, _NOT_CONNECTED):
        # httpcore hands the error of TLS on as its own one's argument.
        if any(isinstance(each, ssl.SSLCertVerificationError) for each in error.args):
            return RefusedLink("The certificate of the link's host does not fit its name, or is not trusted.")
        if lacks_descriptors(error):
            return Unreachable(f"The request could not leave this machine: {OUT_OF_DESCRIPTORS}.")
        return Unreachable("No connection to the link's host came about.")
    if isinstance(error, httpcore.TimeoutException):
        return Cut("The transfer fell silent.")
    return Cut("The connection was lost.")


def _check_status(status: int) -> None:
    if status in _DEAD:
        raise DeadLink(f"The link has died (HTTP {status}).")
    if status in _NOT_NOW or status >= 500:  # noqa: PLR2004  the 5xx
        raise Unreachable(f"The link's host would not serve it now (HTTP {status}).")
    if status not in {_OK, _PARTIAL, _NOT_SATISFIABLE}:
        raise NoFilm(f"The link leads to no file (HTTP {status}).")


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip()
