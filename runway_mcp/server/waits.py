"""How long a call waits by default and at most, learned for each connection from the calls that its host cuts off."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext

SHORTEST = 4.0
"""The shortest default wait, in seconds."""

_TELLING = 3.0
_SHARE = 0.8
# The shortest wait that cuts leave, in seconds; the factor by which a wait that was granted raises the longest.
_SHORTEST_WAIT, _GROWTH = 1.0, 1.25
# The factor by which an answer raises what one cut has shown.
_TRIED = 1.6
_REMEMBERED = 1000
_STDIO = object()
_MODERN = "2026"


@dataclass
class _Granted:
    """What a host was seen to grant, in seconds; `cut` is after how long it last cut a call off.

    `cut` is None once a call has returned; `limit`, which next steps stay below, only once one has returned after as
    long; `cuts` counts them. `connection` is held because its id is a key, which must not be reused.
    """

    connection: object
    default: float
    longest: float
    cut: float | None = None
    limit: float | None = None
    cuts: int = 0


class Waits:
    """The waits of connections whose hosts cut calls off, at most `most` seconds; the latest 1000 are kept.

    A connection of the 2025 protocols is identified by its handshake; under 2026-07-28 only stdio has one. HTTP
    requests without a session have no connection, and always get `most`.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._granted: dict[int, _Granted] = {}
        self._waiting: set[anyio.CancelScope] = set()
        self._is_over = False

    @contextmanager
    def waiting(self) -> Generator[None]:
        """A wait, which `end_all` ends; what comes after it goes on."""
        with anyio.CancelScope() as scope:
            self._waiting.add(scope)
            if self._is_over:
                scope.cancel()
            try:
                yield
            finally:
                self._waiting.discard(scope)

    def end_all(self) -> None:
        """Ends each `waiting`, now and from now on: the server will stop soon."""
        self._is_over = True
        for scope in tuple(self._waiting):
            scope.cancel()

    def default(self, ctx: ServerRequestContext[Any]) -> float:
        """How long a call that names no wait waits, in seconds."""
        granted = self._granted.get(id(_connection(ctx)))
        return granted.default if granted else self._most

    def longest(self, ctx: ServerRequestContext[Any]) -> int:
        """The longest wait of a call, in whole seconds; two cuts in a row shorten it."""
        granted = self._granted.get(id(_connection(ctx)))
        return int(granted.longest if granted else self._most)

    def suggested(self, ctx: ServerRequestContext[Any]) -> int:
        """The wait that a next step names, in whole seconds: less than the host was last seen to cut off."""
        granted = self._granted.get(id(_connection(ctx)))
        limit = granted.limit if granted else None
        shortest = self._most if limit is None else max(_SHORTEST_WAIT, _SHARE * limit)
        return int(min(self.default(ctx), self.longest(ctx), shortest))

    def cut_off(self, ctx: ServerRequestContext[Any], seconds: float, *, by_default: bool) -> None:
        """Notes that the host cancelled a call after `seconds`; `by_default` if the call named no wait.

        One cut may be the user's doing, and shortens only the default wait. Two in a row, however short, are a limit of
        the host's, and shorten every wait.
        """
        connection = _connection(ctx)
        if connection is None:
            return
        granted = self._granted.pop(id(connection), None) or _Granted(connection, self._most, self._most)
        if by_default and seconds >= _TELLING:
            granted.default = min(self._most, max(SHORTEST, _SHARE * seconds))
        if granted.cut is not None:
            granted.longest = min(self._most, max(_SHORTEST_WAIT, _SHARE * min(seconds, granted.cut)))
        granted.cut = granted.limit = seconds
        granted.cuts += 1
        self._granted[id(connection)] = granted
        while len(self._granted) > _REMEMBERED:
            del self._granted[next(iter(self._granted))]

    def answered(self, ctx: ServerRequestContext[Any], seconds: float) -> None:
        """Notes that the host waited `seconds` for a result."""
        granted = self._granted.get(id(_connection(ctx)))
        if granted is not None:
            granted.cut = None
            granted.limit = _raised(granted, seconds)
            granted.default = min(self._most, max(granted.default, seconds))
            granted.longest = min(self._most, max(granted.longest, _GROWTH * seconds))


def _raised(granted: _Granted, seconds: float) -> float | None:
    """The limit after an answer that took so many seconds; after a single cut it grows, since the user may have cut."""
    limit = granted.limit
    if limit is None or seconds >= limit:
        return None
    near = seconds >= int(max(_SHORTEST_WAIT, _SHARE * limit))
    return limit * _TRIED if near and granted.cuts == 1 else limit


def _connection(ctx: ServerRequestContext[Any]) -> object | None:
    if ctx.protocol_version < _MODERN:
        return ctx.session.client_params
    return _STDIO if ctx.request is None else None
