"""Signed links without sockets: connections that hand a request to the stand-in in the same process and time."""

from collections.abc import Iterable
from ssl import SSLContext
from typing import Any

import anyio
import httpcore
import httpx
from starlette.applications import Starlette

from runway_mcp.media.fetch.network import Dial, Stream
from runway_mcp.simulator.faults import ConnectionLost
from tests.campaign.wire import carried

ORIGIN = "http://127.0.0.1"
"""Where the links of the stand-in lead; nothing listens there."""

_END = b"\r\n\r\n"


class _Connection(httpcore.AsyncNetworkStream):
    """One request and its answer, whole or lost."""

    def __init__(self, upstream: Starlette) -> None:
        self._upstream = upstream
        self._request = b""
        self._answer: bytes | None = None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109  httpcore's signature
        """Takes a piece of the request."""
        self._request += buffer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  httpcore's signature
        """Gives a piece of the answer; raises `ReadError` where the stand-in drops the connection."""
        if self._answer is None:
            self._answer = await _answered(self._upstream, self._request, timeout)
        piece, self._answer = self._answer[:max_bytes], self._answer[max_bytes:]
        return piece

    async def aclose(self) -> None:
        """Nothing is open."""

    async def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's signature
    ) -> Stream:
        """Refused: the stand-in's links are plain."""
        raise NotImplementedError(ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """Nothing is known of it."""
        del info


async def _answered(upstream: Starlette, request: bytes, timeout: float | None) -> bytes:  # noqa: ASYNC109  from httpcore
    head, _, _ = request.partition(_END)
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    asked = httpx.Request(method, f"{ORIGIN}{path}", headers=[(name, value) for name, value in headers])
    try:
        with anyio.fail_after(timeout):
            answer = await carried(upstream, asked)
    except ConnectionLost:
        raise httpcore.ReadError from None
    except TimeoutError:
        raise httpcore.ReadTimeout from None
    kept = [(name, value) for name, value in answer.headers if name.lower() != b"connection"]
    told = b"".join(name + b": " + value + b"\r\n" for name, value in kept)
    return b"HTTP/1.1 %d Told\r\n" % answer.status + told + b"connection: close\r\n\r\n" + answer.body


def dialled_in(upstream: Starlette) -> Dial:
    """Connections to that stand-in, whatever the address."""

    async def dial(_address: str, _port: int, _seconds: float | None) -> Stream:
        return _Connection(upstream)

    return dial


async def resolved(_host: str, _port: int) -> Iterable[str]:
    """The address of this machine, for every name."""
    return ["127.0.0.1"]
