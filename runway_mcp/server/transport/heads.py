# pyright: reportUnknownMemberType=false
# The base is the one of uvicorn's two protocols that is installed, so its type is known to nobody.
"""Bounds what a connection may send besides bodies: headers, chunk extensions, trailers, requests ahead of their turn.

Uvicorn's protocol on h11 takes 64 KiB of any of it. The one on httptools keeps whatever comes, each short header in
twenty times its bytes, and takes the trailers behind a body for headers of its request.
"""

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

MOST_HEAD: Final = 65_536
"""The most bytes that may come without a part of a body, the end of headers or the end of a request among them."""

MOST_HEADERS: Final = 256
"""The most headers of a request."""

MOST_AHEAD: Final = 16
"""The most requests that may wait on a connection for the answers of earlier ones; no client in use sends any so."""

_FED_AT_ONCE: Final = 16_384
_REFUSAL: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_Serving: Any = AutoHTTPProtocol


class _Bounded(_Serving):
    """Uvicorn's protocol on httptools, fed in small steps; after each it looks at what the parser took and told."""

    # Its base has nearly as many attributes as connections can share the names of: three more would cost each 1.3 kB.
    __slots__ = ("_has_too_many", "_head", "_is_in_head")

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._head = 0
        self._is_in_head = False
        self._has_too_many = False

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, and ends the connection once it is over a bound."""
        for at in range(0, len(data), _FED_AT_ONCE):
            step = data[at : at + _FED_AT_ONCE]
            self._head += len(step)
            super().data_received(step)
            if self.transport.is_closing():
                return
            if self._head > MOST_HEAD or self._has_too_many or len(self.pipeline) > MOST_AHEAD:
                self._refuse()
                return

    def _refuse(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_REFUSAL)
            self.transport.close()
        else:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Begins a request."""
        self._is_in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps a header; a trailer is dropped, since it was not there when its request was checked."""
        if not self._is_in_head:
            return
        if len(self.headers) < MOST_HEADERS:
            super().on_header(name, value)
        else:
            self._has_too_many = True

    def on_headers_complete(self) -> None:
        """Serves the request, unless it has too many headers."""
        self._is_in_head, self._head = False, 0
        if not self._has_too_many:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keeps a part of a body."""
        self._head = 0
        if not self._has_too_many:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends a request."""
        self._head = 0
        if not self._has_too_many:
            super().on_message_complete()


def bounded() -> type[asyncio.Protocol]:
    """Uvicorn's protocol with these bounds; the one on h11 has its own."""
    return cast("type[asyncio.Protocol]", _Bounded if hasattr(AutoHTTPProtocol, "on_header") else AutoHTTPProtocol)
