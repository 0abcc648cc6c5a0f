"""HTTP connections, to useapi.net by a token or elsewhere by none, that load the HTTP client at their first use."""

import re
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from runway_mcp.runway.http.answers import Answer, Lost
from runway_mcp.runway.http.bodies import LARGEST
from runway_mcp.runway.http.clock import UpstreamClock

if TYPE_CHECKING:
    from runway_mcp.runway.http.exchange import Clients, Transport

# What every parser of URLs takes for the same: a name with a letter in each part or 127.0.0.1, and a plain path. The
# largest of ports are left out, since not every parser bounds them alike.
_PLAIN: Final = re.compile(
    r"https?://(127\.0\.0\.1|(?!xn--)[a-z][a-z0-9-]*(\.(?!xn--)[a-z][a-z0-9-]*)*)"
    r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}))?(/[A-Za-z0-9_/-]*)?"
)


class Connections:
    """Connections of one token, or of none, as an async context manager: kept for reads, a new one for every POST.

    Downloads have connections of their own, which never carry the token. `clock` is upstream's, by the dates of its
    answers. Cookies are neither kept nor sent.
    """

    clock: UpstreamClock

    def __init__(self, *, token: str, transport: "Transport | None" = None) -> None:
        self.clock = UpstreamClock()
        self._token = token
        self._transport = transport
        self._clients: Clients | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._clients is not None:
            await self._clients.aclose()

    def _opened(self) -> "Clients | Lost":
        """The clients, made at the first exchange: an idle server needs no certificates, whose loading is slow."""
        if self._clients is None:
            from runway_mcp.runway.http.exchange import opened  # noqa: PLC0415  two megabytes

            found = opened(token=self._token, transport=self._transport, clock=self.clock)
            if isinstance(found, Lost):
                return found
            self._clients = found
        return self._clients

    async def get(self, url: str, query: Mapping[str, str | int], *, largest: int = LARGEST) -> Answer | Lost:
        """Reads once; an answer of more than `largest` decoded bytes has no body and is `too_long`."""
        opened = self._opened()
        return opened if isinstance(opened, Lost) else await opened.get(url, query, largest=largest)

    async def post(self, url: str, body: Mapping[str, Any]) -> Answer | Lost:
        """Submits once, on a new connection; every failure after it began is returned, never raised."""
        opened = self._opened()
        return opened if isinstance(opened, Lost) else await opened.post(url, json=body)

    async def upload(
        self, url: str, query: Mapping[str, str | int], content: bytes, content_type: str
    ) -> Answer | Lost:
        """Sends a file as it is, once, as `post` does."""
        opened = self._opened()
        if isinstance(opened, Lost):
            return opened
        return await opened.post(url, params=query, content=content, headers={"Content-Type": content_type})


def usable(url: str) -> bool:
    """Whether the URL is absolute http(s) and free of a login, which would replace the token."""
    if _PLAIN.fullmatch(url):
        return True
    from runway_mcp.runway.http.exchange import is_http_url  # noqa: PLC0415  only for unusual URLs

    return is_http_url(url)
