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
# What a call may take beside its wait, at least, in seconds; a wait ends by more than that before the host's limit.
_OVERHEAD = 0.4
# The shortest wait that cuts leave, in seconds; the factor by which a wait that was granted raises the longest.
_SHORTEST_WAIT, _GROWTH = 1.0, 1.25
# A user who has cut a call off is not heard of again so soon, in seconds; an agent whose host has goes on at once.
_AT_ONCE = 8.0
# After so many answers near the limit a cut that may have been the user's is forgotten.
_PATIENT = 3
_REMEMBERED = 1000
_STDIO = object()
_MODERN = "2026"


@dataclass
class _Granted:
    """What a host was seen to grant, in seconds; `cut` is after how long it last cut a call off.

    `cut` is None once a call has returned; `limit`, which next steps stay below, only once one has taken longer.
    `since` is the time of the last cut, until another call arrives; `is_hosts` says that the limit is not the user's
    doing, `near` counts the answers just below it. `connection` is held because its id is a key, which must not be
    reused.
    """

    connection: object
    default: float
    longest: float
    cut: float | None = None
    limit: float | None = None
    since: float | None = None
    is_hosts: bool = False
    near: int = 0


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
        """The wait that a next step names, in whole seconds: its call returns before the host was last seen to cut.

        Where that may have been the user's doing, the longest again after some calls that were waited for.
        """
        granted = self._granted.get(id(_connection(ctx)))
        if granted is None:
            return int(self._most)
        is_forgotten = granted.near >= _PATIENT and not granted.is_hosts
        return int(granted.longest) if is_forgotten else _safe(granted)

    def arrived(self, ctx: ServerRequestContext[Any]) -> None:
        """Notes a call: one that follows a cut at once is an agent's, whose host cut the call before."""
        granted = self._granted.get(id(_connection(ctx)))
        if granted is not None and granted.since is not None:
            granted.is_hosts = granted.is_hosts or anyio.current_time() - granted.since < _AT_ONCE
            granted.since = None

    def cut_off(self, ctx: ServerRequestContext[Any], seconds: float, *, by_default: bool) -> None:
        """Notes that the host cancelled a call after `seconds`; `by_default` if the call named no wait.

        One cut may be the user's doing, and shortens only the default wait and those of next steps. Two in a row,
        however short, are a limit of the host's, and shorten every wait.
        """
        connection = _connection(ctx)
        if connection is None:
            return
        granted = self._granted.pop(id(connection), None) or _Granted(connection, self._most, self._most)
        if by_default and seconds >= _TELLING:
            granted.default = min(self._most, max(SHORTEST, _SHARE * seconds))
        if granted.cut is not None:
            granted.longest = min(self._most, max(_SHORTEST_WAIT, _SHARE * min(seconds, granted.cut)))
        # A wait that was tried again is cut off only by a host.
        granted.is_hosts = granted.is_hosts or granted.near >= _PATIENT
        # So early only a user cuts, if it happens once: below such a limit no wait would be left.
        if granted.cut is not None or seconds > _SHORTEST_WAIT + _OVERHEAD:
            granted.limit = seconds
        granted.cut = seconds
        granted.since, granted.near = anyio.current_time(), 0
        self._granted[id(connection)] = granted
        while len(self._granted) > _REMEMBERED:
            del self._granted[next(iter(self._granted))]

    def answered(self, ctx: ServerRequestContext[Any], seconds: float) -> None:
        """Notes that the host waited `seconds` for a result."""
        granted = self._granted.get(id(_connection(ctx)))
        if granted is None:
            return
        granted.cut = None
        # An answer may cross the cut of its call, so one that took about as long shows no patience.
        if granted.limit is not None and seconds > granted.limit + max(_OVERHEAD, (1 - _SHARE) * granted.limit):
            granted.limit, granted.is_hosts = None, False
        granted.near += seconds >= max(_SHORTEST_WAIT, _safe(granted))
        granted.default = min(self._most, max(granted.default, seconds))
        most = _below(granted.limit) if granted.is_hosts and granted.limit is not None else self._most
        granted.longest = max(granted.longest, min(most, _GROWTH * seconds))


def _below(limit: float) -> float:
    """The longest wait after which a call surely returns before a limit."""
    return max(0.0, min(_SHARE * limit, limit - _OVERHEAD))


def _safe(granted: _Granted) -> int:
    """The longest wait, in whole seconds, that the host has not been seen to cut off."""
    limit = granted.longest if granted.limit is None else _below(granted.limit)
    return int(min(granted.default, granted.longest, limit))


def _connection(ctx: ServerRequestContext[Any]) -> object | None:
    if ctx.protocol_version < _MODERN:
        return ctx.session.client_params
    return _STDIO if ctx.request is None else None
