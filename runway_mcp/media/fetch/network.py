"""The network under signed links: httpcore, dialling the address that was judged; loaded at the first link.

It has `httpx` for the usual certificates alone.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from socket import SOCK_STREAM
from typing import Any, cast

import anyio
import httpcore

from runway_mcp.importing import COMMAND_LINE_OF_HTTPX, without
from runway_mcp.media.errors import Cut, LinkError, RefusedAddress, RefusedLink, Unreachable
from runway_mcp.media.fetch.addresses import Target, may_dial
from runway_mcp.out_of_descriptors import OUT_OF_DESCRIPTORS, lacks_descriptors

with without(COMMAND_LINE_OF_HTTPX):
    import httpx

Resolve = Callable[[str, int], Awaitable[Iterable[str]]]
"""Gives the IP addresses of a host name for a port; raises OSError if it has none."""

Stream = httpcore.AsyncNetworkStream
"""An open connection, before TLS."""

Dial = Callable[[str, int, float | None], Awaitable[Stream]]
"""Connects to an IP address and port within so many seconds; raises what `httpcore.AnyIOBackend` raises."""

Headers = Sequence[tuple[bytes | str, bytes | str]]
"""The headers of a request, as they are sent."""

_CONNECTIONS = 16


class Pool:
    """Connections to judged addresses, kept alive for some seconds; the parameters are those of `open_links`."""

    def __init__(
        self, *, resolve: Resolve | None, dial: Dial | None, allowed: Target | None, tls: ssl.SSLContext | None
    ) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or httpx.create_ssl_context(),
            max_connections=_CONNECTIONS,
            max_keepalive_connections=4,
            keepalive_expiry=15.0,
            network_backend=_JudgedNetwork(resolve or _resolved, dial or _dialled, allowed),
        )

    def stream(
        self, target: Target, headers: Headers, timeout: dict[str, float]
    ) -> AbstractAsyncContextManager[httpcore.Response]:
        """Asks for a target, whose body is then read; raises `TROUBLE` and `RefusedAddress`."""
        url = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        return self._pool.stream("GET", url, headers=headers, extensions={"timeout": timeout})

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._pool.aclose()


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

TROUBLE = (*_NOT_CONNECTED, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)
"""What a request and its body raise when the network fails."""


async def told_of(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The chunks, whose end by a failure is told in our words to whoever reads them."""
    try:
        async for chunk in chunks:
            yield chunk
    except TROUBLE as error:
        raise told(error) from None


def told(error: Exception) -> LinkError:
    """One of `TROUBLE` in our words, which hold no link."""
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
