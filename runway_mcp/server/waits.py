"""How long a call waits by default, learned for each connection from what its host was seen to grant."""

from dataclasses import dataclass
from typing import Any

from mcp.server.context import ServerRequestContext

SHORTEST = 4.0
"""No default wait is shorter, in seconds."""

_TELLING = 3.0
_SHARE = 0.8
# The shortest wait that is left after cuts, in seconds, and how much longer the one after an answered wait may be.
_SHORTEST_WAIT, _GROWTH = 1.0, 1.25
_REMEMBERED = 1000
_STDIO = object()
_MODERN = "2026"


@dataclass
class _Granted:
    """What a host was seen to grant, in seconds: `cut` is when it last cut a call off, None since it heard an answer.

    `connection` is what it is known by, which must live as long as its id is a key.
    """

    connection: object
    default: float
    longest: float
    cut: float | None = None


class Waits:
    """The waits of connections whose hosts cut calls off; of very many, the latest.

    A connection of the 2025 protocols is known by its handshake; under 2026-07-28 the one client of stdio is. Requests
    over HTTP without a session have no connection, and always the waits of the settings.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._granted: dict[int, _Granted] = {}

    def default(self, ctx: ServerRequestContext[Any]) -> float:
        """How long a call of this connection waits that names no wait, in seconds."""
        granted = self._granted.get(id(_connection(ctx)))
        return granted.default if granted else self._most

    def longest(self, ctx: ServerRequestContext[Any]) -> int:
        """The longest wait that a call of this connection is given, in seconds; two cuts in a row shorten it."""
        granted = self._granted.get(id(_connection(ctx)))
        return int(granted.longest if granted else self._most)

    def suggested(self, ctx: ServerRequestContext[Any]) -> int:
        """The wait that a next step of this connection names, in seconds."""
        return int(min(self.default(ctx), self.longest(ctx)))

    def cut_off(self, ctx: ServerRequestContext[Any], seconds: float, *, by_default: bool) -> None:
        """Notes that the host cancelled a call after so many seconds; `by_default` if it had named no wait.

        One such call may be a person's change of mind: it shortens the default wait alone. Two in a row, however short,
        are a host's limit, which every wait keeps to from then on.
        """
        connection = _connection(ctx)
        if connection is None:
            return
        granted = self._granted.pop(id(connection), None) or _Granted(connection, self._most, self._most)
        if by_default and seconds >= _TELLING:
            granted.default = min(self._most, max(SHORTEST, _SHARE * seconds))
        if granted.cut is not None:
            granted.longest = min(self._most, max(_SHORTEST_WAIT, _SHARE * min(seconds, granted.cut)))
        granted.cut = seconds
        self._granted[id(connection)] = granted
        while len(self._granted) > _REMEMBERED:
            del self._granted[next(iter(self._granted))]

    def answered(self, ctx: ServerRequestContext[Any], seconds: float) -> None:
        """Notes that the host waited so many seconds for an answer."""
        granted = self._granted.get(id(_connection(ctx)))
        if granted is not None:
            granted.cut = None
            granted.default = min(self._most, max(granted.default, seconds))
            granted.longest = min(self._most, max(granted.longest, _GROWTH * seconds))


def _connection(ctx: ServerRequestContext[Any]) -> object | None:
    if ctx.protocol_version < _MODERN:
        return ctx.session.client_params
    return _STDIO if ctx.request is None else None
