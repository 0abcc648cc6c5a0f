"""How much of a hosted server one caller may take: requests in a time, calls at once, open streams."""

import math
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import anyio
from mcp.shared.exceptions import MCPError
from starlette.responses import JSONResponse, Response

MOST_CALLERS = 10_000
"""The rates of so many callers are remembered; whoever asked longest ago is forgotten first."""


Stream = Literal["listen", "get", "sse"]
"""The kinds of streams: of a `subscriptions/listen`, of a session at `/mcp`, of the older transport."""

STREAMS: Final[tuple[Stream, ...]] = ("listen", "get", "sse")
"""All of them."""

_CODE = -32000


@dataclass(frozen=True)
class CallerLimits:
    """For one caller: `rate` requests a second after a `burst`, `calls` at once, `streams` open; for all: `all_…`.

    `films` are calls that are answered by the bytes of a film, each of which takes up to 100 MB while it is made.
    """

    rate: float = 10.0
    burst: int = 20
    calls: int = 20
    streams: int = 20
    films: int = 2
    all_calls: int = 2000
    all_streams: int = 1000
    all_films: int = 4


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
        return f"Too many requests at once, or in a second; try again in {self._after} s."


_Place = Literal["call", "left", "film"] | Stream
"""What is taken by a request that is being answered, by a call that its client has left, and by an open stream.

The answer by a film takes its place beside its call's.
"""

_Kept = Literal["call", "left", "film", "stream"]


class Taken:
    """What one request takes: first a call's place; `become_stream` changes that. Made by `Uses.taking`.

    It is given back once the request has been answered and the call that it began is over.
    """

    def __init__(self, uses: "Uses", caller: str, stream: Stream | None = None) -> None:
        self._uses = uses
        self._caller = caller
        self._place: _Place = stream or "call"
        self._is_answered = False
        self._has_film = False
        self._running = 0

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream's place."""
        return self._place in STREAMS

    def become_stream(self) -> None:
        """Gives the call's place back and takes a stream's; raises `TooMany`."""
        if self._place == "call":
            self._uses.take(self._caller, "listen")
            self._uses.give_back(self._caller, "call")
            self._place = "listen"

    def take_film(self) -> None:
        """Takes a place for the answer by a film, while the call keeps its own, unless it has one; raises `TooMany`."""
        if not self._has_film:
            self._uses.take(self._caller, "film")
            self._has_film = True

    @contextmanager
    def running(self) -> Generator[None]:
        """Keeps the place while a call of the request runs, answered or not; raises `TooMany`.

        Calls that were left count beside requests that are being answered, so that leaving them frees no place.
        """
        if self._is_answered and not self._running:
            self._uses.take(self._caller, "left")
            self._place = "left"
        elif self._place == "call":
            self._uses.check(self._caller)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            if self._is_answered and not self._running:
                self._give_back()

    @contextmanager
    def answering(self) -> Generator[None]:
        """Takes the place for the time in which the request is answered; raises `TooMany`."""
        self._uses.take(self._caller, self._place)
        try:
            yield
        finally:
            self._is_answered = True
            if not self._running:
                self._give_back()
            elif self._place == "call":
                self._uses.leave(self._caller)
                self._place = "left"

    def _give_back(self) -> None:
        self._uses.give_back(self._caller, self._place)
        if self._has_film:
            self._uses.give_back(self._caller, "film")
            self._has_film = False


class Uses:
    """What the callers of a server use at the moment, within `limits`; `now` gives seconds."""

    def __init__(self, limits: CallerLimits | None = None, *, now: Callable[[], float] | None = None) -> None:
        self.limits = limits or CallerLimits()
        self._now = now or anyio.current_time
        # How full each caller's bucket was, and when.
        self._buckets: dict[str, tuple[float, float]] = {}
        self._at_once: Counter[tuple[str, _Kept]] = Counter()
        self._all: Counter[_Place] = Counter()

    def streams(self, kind: Stream | None = None) -> int:
        """How many streams are open, of one kind or of all."""
        return self._all[kind] if kind else sum(self._all[each] for each in STREAMS)

    def calls(self) -> int:
        """How many other requests are being answered, or run on though their client has left."""
        return self._all["call"] + self._all["left"]

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
    def taking(self, caller: str, stream: Stream | None = None) -> Generator[Taken]:
        """Takes a place, of a stream by its kind, while it is open and a call that began meanwhile runs.

        Raises `TooMany` if none is free. Calls that were left take none from other requests of their caller, by which
        he may cancel them.
        """
        taken = Taken(self, caller, stream)
        with taken.answering():
            yield taken

    @contextmanager
    def holding(self, caller: str, place: _Place) -> Generator[None]:
        """Takes a place and gives it back; raises `TooMany`."""
        self.take(caller, place)
        try:
            yield
        finally:
            self.give_back(caller, place)

    def check(self, caller: str) -> None:
        """Raises `TooMany` if more of a caller's calls are under way than may be, those that he has left included."""
        if self._at_once[caller, "call"] + self._at_once[caller, "left"] > self.limits.calls:
            raise TooMany(1.0)

    def take(self, caller: str, place: _Place) -> None:
        """Takes a place; raises `TooMany` if the caller has too many, or all together."""
        limits, kept = self.limits, _kept(place)
        own, everybody, most, most_of_all = self._at_once[caller, kept], self.calls(), limits.calls, limits.all_calls
        if kept == "stream":
            everybody, most, most_of_all = self.streams(), limits.streams, limits.all_streams
        elif kept == "film":
            everybody, most, most_of_all = self._all["film"], limits.films, limits.all_films
        elif kept == "left":
            own += self._at_once[caller, "call"]
        if own >= most or everybody >= most_of_all:
            raise TooMany(1.0)
        self._at_once[caller, kept] += 1
        self._all[place] += 1

    def leave(self, caller: str) -> None:
        """Makes the place of a request that of a call which its client has left."""
        self.give_back(caller, "call")
        self._at_once[caller, "left"] += 1
        self._all["left"] += 1

    def give_back(self, caller: str, place: _Place) -> None:
        """Gives a place back."""
        kept = _kept(place)
        self._all[place] -= 1
        self._at_once[caller, kept] -= 1
        if not self._at_once[caller, kept]:
            del self._at_once[caller, kept]


def _kept(place: _Place) -> _Kept:
    """Under what a caller's places of a kind are counted: his streams are, together."""
    return place if place in ("call", "left", "film") else "stream"
