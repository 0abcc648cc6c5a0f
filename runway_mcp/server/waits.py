"""How long a call waits by default, learned for each connection from what its host was seen to grant."""

from typing import Any

from mcp.server.context import ServerRequestContext

SHORTEST = 4.0
"""No default wait is shorter, in seconds."""

_TELLING = 3.0
_SHARE = 0.8
_REMEMBERED = 1000
_STDIO = object()
_MODERN = "2026"


class Waits:
    """The default waits of connections whose hosts cut a call off; of very many, the latest.

    A connection of the 2025 protocols is known by its handshake; under 2026-07-28 the one client of stdio is. Requests
    over HTTP without a session have no connection, and always the default of the settings.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        # Each with what it is known by, which must live as long as its id is a key.
        self._seconds: dict[int, tuple[object, float]] = {}

    def default(self, ctx: ServerRequestContext[Any]) -> float:
        """How long a call of this connection waits that names no wait, in seconds."""
        _, seconds = self._seconds.get(id(_connection(ctx)), (None, self._most))
        return seconds

    def cut_off(self, ctx: ServerRequestContext[Any], seconds: float) -> None:
        """Notes that the host cancelled a call that had named no wait, after so many seconds."""
        connection = _connection(ctx)
        if connection is not None and seconds >= _TELLING:
            self._seconds.pop(id(connection), None)
            self._seconds[id(connection)] = connection, min(self._most, max(SHORTEST, _SHARE * seconds))
            while len(self._seconds) > _REMEMBERED:
                del self._seconds[next(iter(self._seconds))]

    def answered(self, ctx: ServerRequestContext[Any], seconds: float) -> None:
        """Notes that the host waited so many seconds for an answer."""
        connection = _connection(ctx)
        if id(connection) in self._seconds and seconds > self.default(ctx):
            self._seconds[id(connection)] = connection, min(self._most, seconds)


def _connection(ctx: ServerRequestContext[Any]) -> object | None:
    if ctx.protocol_version < _MODERN:
        return ctx.session.client_params
    return _STDIO if ctx.request is None else None
