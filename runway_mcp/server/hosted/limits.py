"""How much of a hosted server one caller may take: requests in a time, calls at once, open streams."""

import math
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import anyio
from mcp.shared.exceptions import MCPError
from starlette.responses import JSONResponse, Response

MOST_CALLERS = 10_000
"""Of how many callers it is known when they asked last; of those above it, the ones that asked longest ago are new."""


STREAMS: Final = ("listen", "get", "sse")
"""The kinds of streams: of a `subscriptions/listen`, of a session at `/mcp`, of the older transport."""

_CALL, _LEFT = "call", "left"
_CODE = -32000


@dataclass(frozen=True)
class CallerLimits:
    """For one caller: `rate` requests a second after a `burst`, `calls` at once, `streams` open; for all: `all_…`."""

    rate: float = 10.0
    burst: int = 20
    calls: int = 20
    streams: int = 20
    all_calls: int = 2000
    all_streams: int = 1000


class TooMany(Exception):  # noqa: N818  named for the fact, as every refusal here
    """A caller is over a limit; the same request is worth trying after `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def response(self) -> Response:
        """429 as JSON-RPC hosts can read it."""
        told = {"code": _CODE, "message": self._message}
        headers = {"Retry-After": str(self._after)}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": told}, 429, headers=headers)

    def error(self) -> MCPError:
        """The same as the answer to a request that was taken already."""
        return MCPError(_CODE, self._message)

    @property
    def _after(self) -> int:
        return max(1, math.ceil(self.seconds))

    @property
    def _message(self) -> str:
        return f"Too many requests of this caller; try again in {self._after} s."


class Taken:
    """What one request takes: first a call's place; `become_stream` changes that. Made by `Uses.taking`.

    It is given back once the request has been answered and the call that it began is over.
    """

    def __init__(self, uses: "Uses", caller: str, stream: str | None = None) -> None:
        self._uses = uses
        self._caller = caller
        # `_CALL`, a kind of streams or, of a call that its client has left, `_LEFT`.
        self._place = stream or _CALL
        self._is_answered = False
        self._running = 0

    def become_stream(self) -> None:
        """Gives the call's place back and takes a stream's; raises `TooMany`."""
        if self._place == _CALL:
            self._uses.take(self._caller, "listen")
            self._uses.give_back(self._caller, _CALL)
            self._place = "listen"

    @contextmanager
    def running(self) -> Generator[None]:
        """Keeps the place while a call of the request runs, answered or not; raises `TooMany`.

        Calls that were left count beside requests that are being answered, so that leaving them frees no place.
        """
        if self._is_answered and not self._running:
            self._uses.take(self._caller, _LEFT)
            self._place = _LEFT
        elif self._place == _CALL:
            self._uses.check(self._caller)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            if self._is_answered and not self._running:
                self._uses.give_back(self._caller, self._place)

    @contextmanager
    def answering(self) -> Generator[None]:
        """Takes the place for the time in which the request is answered; raises `TooMany`."""
        self._uses.take(self._caller, self._place)
        try:
            yield
        finally:
            self._is_answered = True
            if not self._running:
                self._uses.give_back(self._caller, self._place)
            elif self._place == _CALL:
                self._uses.leave(self._caller)
                self._place = _LEFT


class Uses:
    """What the callers of a server use at the moment, within `limits`; `now` gives seconds."""

    def __init__(self, limits: CallerLimits | None = None, *, now: Callable[[], float] | None = None) -> None:
        self.limits = limits or CallerLimits()
        self._now = now or anyio.current_time
        # How full each caller's bucket was, and when.
        self._buckets: dict[str, tuple[float, float]] = {}
        self._at_once: Counter[tuple[str, str]] = Counter()
        self._all: Counter[str] = Counter()

    def streams(self, kind: str | None = None) -> int:
        """How many streams are open, of one kind or of all."""
        return sum(self._all[each] for each in STREAMS if kind in (None, each))

    def calls(self) -> int:
        """How many other requests are being answered, or run on though their client has left."""
        return self._all[_CALL] + self._all[_LEFT]

    def count(self, caller: str) -> None:
        """Counts a request; raises `TooMany` above the rate."""
        rate, burst, now = self.limits.rate, self.limits.burst, self._now()
        left, at = self._buckets.pop(caller, (float(burst), now))
        left = min(float(burst), left + (now - at) * rate)
        self._buckets[caller] = (max(left - 1, 0.0) if left >= 1 else left, now)
        while len(self._buckets) > MOST_CALLERS:
            del self._buckets[next(iter(self._buckets))]
        if left < 1:
            raise TooMany((1 - left) / rate)

    @contextmanager
    def taking(self, caller: str, stream: str | None = None) -> Generator[Taken]:
        """Takes a place, of a stream by its kind, while it is open and a call that began meanwhile runs.

        Raises `TooMany` if none is free. Calls that were left take none from other requests of their caller, by which
        he may cancel them.
        """
        taken = Taken(self, caller, stream)
        with taken.answering():
            yield taken

    def check(self, caller: str) -> None:
        """Raises `TooMany` if more of a caller's calls are under way than may be, those that he has left included."""
        if self._at_once[caller, _CALL] + self._at_once[caller, _LEFT] > self.limits.calls:
            raise TooMany(1.0)

    def take(self, caller: str, place: str) -> None:
        """Takes a place; raises `TooMany` if the caller has too many, or all together."""
        limits, own, everybody = self.limits, self._at_once[caller, place], self.calls()
        most, most_of_all = limits.calls, limits.all_calls
        if place in STREAMS:
            own, everybody = sum(self._at_once[caller, kind] for kind in STREAMS), self.streams()
            most, most_of_all = limits.streams, limits.all_streams
        elif place == _LEFT:
            own += self._at_once[caller, _CALL]
        if own >= most or everybody >= most_of_all:
            raise TooMany(1.0)
        self._at_once[caller, place] += 1
        self._all[place] += 1

    def leave(self, caller: str) -> None:
        """Makes the place of a request that of a call which its client has left."""
        self.give_back(caller, _CALL)
        self._at_once[caller, _LEFT] += 1
        self._all[_LEFT] += 1

    def give_back(self, caller: str, place: str) -> None:
        """Gives a place back."""
        self._all[place] -= 1
        self._at_once[caller, place] -= 1
        if not self._at_once[caller, place]:
            del self._at_once[caller, place]
