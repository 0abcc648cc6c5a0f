"""How much of a hosted server one caller may take: requests in a time, calls at once, open streams."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import anyio
from starlette.responses import JSONResponse, Response

MOST_CALLERS = 10_000
"""Of how many callers it is known when they asked last; of those above it, the ones that asked longest ago are new."""


STREAMS: Final = ("listen", "get", "sse")
"""The kinds of streams: of a `subscriptions/listen`, of a session at `/mcp`, of the older transport."""


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
        after = max(1, math.ceil(self.seconds))
        told = {"code": -32000, "message": f"Too many requests of this caller; try again in {after} s."}
        headers = {"Retry-After": str(after)}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": told}, 429, headers=headers)


class Taken:
    """What one request takes: first a call's place; `become_stream` changes that."""

    def __init__(self, uses: "Uses", caller: str) -> None:
        self._uses = uses
        self._caller = caller
        self.kind: str | None = None

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream's place."""
        return self.kind is not None

    def become_stream(self) -> None:
        """Gives the call's place back and takes a stream's; raises `TooMany`."""
        if not self.is_stream:
            self._uses.take(self._caller, "listen")
            self._uses.give_back(self._caller, None)
            self.kind = "listen"


class Uses:
    """What the callers of a server use at the moment, within `limits`; `now` gives seconds."""

    def __init__(self, limits: CallerLimits | None = None, *, now: Callable[[], float] | None = None) -> None:
        self.limits = limits or CallerLimits()
        self._now = now or anyio.current_time
        # How full each caller's bucket was, and when.
        self._buckets: dict[str, tuple[float, float]] = {}
        self._at_once: defaultdict[tuple[str, bool], int] = defaultdict(int)
        self._all: Counter[str | None] = Counter()

    def streams(self, kind: str | None = None) -> int:
        """How many streams are open, of one kind or of all."""
        return sum(self._all[each] for each in STREAMS if kind in (None, each))

    def calls(self) -> int:
        """How many other requests are being answered."""
        return self._all[None]

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
        """Takes a place, of a stream by its kind, while it is open; raises `TooMany` if none is free."""
        self.take(caller, stream)
        taken = Taken(self, caller)
        taken.kind = stream
        try:
            yield taken
        finally:
            self.give_back(caller, taken.kind)

    def take(self, caller: str, stream: str | None) -> None:
        """Takes a place; raises `TooMany` if the caller has too many, or all together."""
        limits, is_stream = self.limits, stream is not None
        own, everybody = (limits.streams, limits.all_streams) if is_stream else (limits.calls, limits.all_calls)
        taken = self.streams() if is_stream else self.calls()
        if self._at_once[caller, is_stream] >= own or taken >= everybody:
            raise TooMany(1.0)
        self._at_once[caller, is_stream] += 1
        self._all[stream] += 1

    def give_back(self, caller: str, stream: str | None) -> None:
        """Gives a place back."""
        is_stream = stream is not None
        self._all[stream] -= 1
        self._at_once[caller, is_stream] -= 1
        if not self._at_once[caller, is_stream]:
            del self._at_once[caller, is_stream]
