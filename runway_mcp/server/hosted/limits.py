"""How much of a hosted server one caller may take: requests in a time, calls at once, open streams."""

import math
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
from starlette.responses import JSONResponse, Response

MOST_CALLERS = 10_000
"""Of how many callers it is known when they asked last; of those above it, the ones that asked longest ago are new."""


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
        self.is_stream = False

    def become_stream(self) -> None:
        """Gives the call's place back and takes a stream's; raises `TooMany`."""
        if not self.is_stream:
            self._uses.take(self._caller, stream=True)
            self._uses.give_back(self._caller, stream=False)
            self.is_stream = True


class Uses:
    """What the callers of a server use at the moment, within `limits`; `now` gives seconds."""

    def __init__(self, limits: CallerLimits | None = None, *, now: Callable[[], float] | None = None) -> None:
        self.limits = limits or CallerLimits()
        self._now = now or anyio.current_time
        # How full each caller's bucket was, and when.
        self._buckets: dict[str, tuple[float, float]] = {}
        self._at_once: defaultdict[tuple[str, bool], int] = defaultdict(int)
        self._all = {False: 0, True: 0}

    def streams(self) -> int:
        """How many streams are open."""
        return self._all[True]

    def calls(self) -> int:
        """How many other requests are being answered."""
        return self._all[False]

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
    def taking(self, caller: str, *, stream: bool = False) -> Generator[Taken]:
        """Takes a place while it is open; raises `TooMany` if none is free."""
        self.take(caller, stream=stream)
        taken = Taken(self, caller)
        taken.is_stream = stream
        try:
            yield taken
        finally:
            self.give_back(caller, stream=taken.is_stream)

    def take(self, caller: str, *, stream: bool) -> None:
        """Takes a place; raises `TooMany` if the caller has too many, or all together."""
        limits = self.limits
        own, everybody = (limits.streams, limits.all_streams) if stream else (limits.calls, limits.all_calls)
        if self._at_once[caller, stream] >= own or self._all[stream] >= everybody:
            raise TooMany(1.0)
        self._at_once[caller, stream] += 1
        self._all[stream] += 1

    def give_back(self, caller: str, *, stream: bool) -> None:
        """Gives a place back."""
        self._all[stream] -= 1
        self._at_once[caller, stream] -= 1
        if not self._at_once[caller, stream]:
            del self._at_once[caller, stream]
