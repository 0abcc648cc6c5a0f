"""HTTP exchanges with upstream: the only module of `runway` that imports an HTTP client and sends bytes.

It repeats no request, follows no redirect and interprets no body, of which it takes no more than a bound. Requests to
the loopback address bypass the environment's proxy, so that a stand-in on this machine is always reached.
"""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import anyio

from runway_mcp.importing import COMMAND_LINE_OF_HTTPX, without
from runway_mcp.out_of_descriptors import OUT_OF_DESCRIPTORS, lacks_descriptors
from runway_mcp.runway.errors import quoted
from runway_mcp.runway.http.answers import Answer, Lost
from runway_mcp.runway.http.bodies import LARGEST, Undecodable, body_within
from runway_mcp.runway.http.clock import UpstreamClock

with without(COMMAND_LINE_OF_HTTPX):
    import httpx

Transport = httpx.AsyncBaseTransport
"""What carries requests; tests and the demo pass their own."""

CONNECT_SECONDS = 10.0
"""How long making a connection may take."""

READ_SECONDS = 15.0
"""How long a read may stay silent."""

WHOLE_READ_SECONDS = 30.0
"""How long one attempt of a read may take in all, even if bytes keep arriving."""

SUBMIT_SECONDS = 60.0
"""How long a submit may take in all."""

_Failures = tuple[type[Exception], ...]

_DIRECT = ("all://127.0.0.1", "all://localhost", "all://[::1]")
_NOT_SENT = (
    httpx.ConnectError,  # DNS, refusal and TLS: the request is written only after them
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,  # the proxy refused to connect, so nothing passed through it
    httpx.UnsupportedProtocol,
)
_CAUSES: tuple[tuple[_Failures, str], ...] = (
    ((httpx.ConnectTimeout, httpx.PoolTimeout), f"no connection came about within {CONNECT_SECONDS:.0f} seconds"),
    ((httpx.ConnectError,), "no connection came about"),
    ((httpx.ProxyError,), "the proxy refused the connection"),
    ((httpx.TimeoutException,), "the answer did not come in time"),
    ((httpx.DecodingError,), "the answer could not be decoded"),
    ((httpx.NetworkError, httpx.RemoteProtocolError), "the connection was lost"),
)
_NO_PROXY = "the proxy in this machine's environment cannot be used"
_NO_CERTIFICATES = "the certificates of this machine could not be read"


@dataclass(frozen=True)
class Clients:
    """Open clients for reads and for submits, and upstream's clock, which their answers set."""

    reads: httpx.AsyncClient
    submits: httpx.AsyncClient
    clock: UpstreamClock

    async def aclose(self) -> None:
        """Closes all connections."""
        await self.reads.aclose()
        await self.submits.aclose()

    async def get(self, url: str, query: Mapping[str, str | int], *, largest: int) -> Answer | Lost:
        """Reads once; an answer of more than `largest` decoded bytes has no body and is `too_long`."""
        request = self.reads.build_request("GET", url, params=query)
        asked = _Asked(self.reads, request, self.clock, largest)
        return await _exchange(asked, seconds=WHOLE_READ_SECONDS, failures=(httpx.HTTPError,))

    async def post(self, url: str, **request: Any) -> Answer | Lost:
        """Sends once, on a new connection; every failure after it began is returned, never raised."""
        asked = _Asked(self.submits, self.submits.build_request("POST", url, **request), self.clock, LARGEST)
        return await _exchange(asked, seconds=SUBMIT_SECONDS, failures=(Exception,))


def opened(*, token: str, transport: Transport | None, clock: UpstreamClock) -> Clients | Lost:
    """The clients of a token, which set the clock; lost before it was sent if they cannot be made on this machine."""
    try:
        return _clients(token, transport, clock)
    except OSError as error:
        cause = OUT_OF_DESCRIPTORS if lacks_descriptors(error) else _NO_CERTIFICATES
        return Lost(cause=cause, sent=False, is_own=True)
    except (ImportError, ValueError):
        return Lost(cause=_NO_PROXY, sent=False, is_own=True)


def _clients(token: str, transport: Transport | None, clock: UpstreamClock) -> Clients:
    plain = {"Accept-Encoding": "identity"}
    bearer = plain | ({"Authorization": f"Bearer {token}"} if token else {})
    # One TLS context for all, since loading the certificates is slow; a given transport brings its own.
    shared: dict[str, Any] = {"transport": transport, "mounts": dict.fromkeys(_DIRECT)}
    shared["cookies"] = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    if transport is None:
        shared["verify"] = httpx.create_ssl_context()
    fresh = httpx.Limits(max_keepalive_connections=0)
    return Clients(
        httpx.AsyncClient(headers=bearer, timeout=_silence(READ_SECONDS), **shared),
        httpx.AsyncClient(headers=bearer, timeout=_silence(SUBMIT_SECONDS), limits=fresh, **shared),
        clock,
    )


def is_http_url(url: str) -> bool:
    """Whether the URL is absolute http(s) and free of a login, which would replace the token."""
    try:
        read = httpx.URL(url)
        # The host's name is decoded when it is asked for, which may fail as well.
        return read.scheme in {"http", "https"} and bool(read.host) and not read.userinfo
    except (httpx.InvalidURL, ValueError):
        return False


def _silence(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=CONNECT_SECONDS)


@dataclass(frozen=True)
class _Asked:
    """A request, the client that sends it, the clock that its answer sets, and the most bytes of that answer."""

    client: httpx.AsyncClient
    request: httpx.Request
    clock: UpstreamClock
    largest: int


async def _exchange(asked: _Asked, *, seconds: float, failures: _Failures) -> Answer | Lost:
    """Sends once, gathers as much of the answer as comes within `seconds`, and sets the clock by its date."""
    outcome: Answer | Lost = Lost(cause=f"no answer came within {seconds:.0f} seconds", sent=True)
    with anyio.move_on_after(seconds):
        try:
            async with aclosing(await asked.client.send(asked.request, stream=True)) as response:
                retry_after, date = response.headers.get("retry-after"), response.headers.get("date")
                asked.clock.note(date)
                outcome = Answer(status=response.status_code, body=None, retry_after=retry_after, date=date)
                body = await _body(response, asked.largest)
                outcome = replace(outcome, body=body, too_long=body is None)
        except failures as error:
            if isinstance(outcome, Lost):
                is_own = isinstance(error, httpx.ConnectError) and lacks_descriptors(error)
                cause = OUT_OF_DESCRIPTORS if is_own else _cause(error)
                outcome = Lost(cause=cause, sent=not isinstance(error, _NOT_SENT), is_own=is_own)
            else:
                outcome = replace(outcome, flaw=_cause(error))
    return outcome


async def _body(response: httpx.Response, largest: int) -> bytes | None:
    """The decoded body; None if it is larger. Raises `httpx.DecodingError` for a coding that we do not read."""
    if not isinstance(response.stream, httpx.AsyncByteStream):  # pragma: no cover  an async client has no other
        raise TypeError(response.stream)
    try:
        # Not `aiter_bytes`, which decodes a chunk in whole: 64 KiB of a gzip bomb are 64 MiB.
        return await body_within(response.stream, response.headers.get("content-encoding", ""), largest)
    except Undecodable as error:
        raise httpx.DecodingError(str(error), request=response.request) from None


def _cause(error: Exception) -> str:
    """How an exchange failed, in a few words."""
    if isinstance(error, httpx.ConnectError) and str(error):
        return f"no connection came about ({quoted(str(error))})"
    return next((words for kinds, words in _CAUSES if isinstance(error, kinds)), "the exchange broke off")
