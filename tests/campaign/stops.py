"""Stops one of two real servers (SIGSTOP) at a drawn moment, lets the other act on the same request, and lets it go on.

Both share a data folder and a stand-in. A server is stopped at any time of its call, while the stand-in holds its POST,
while it waits for a slot, or at the ledger's lock: the harness holds the lock itself, so that the server waits for it
there, and lets go only once the server is stopped. Meanwhile the other server is asked for the same, in some runs with
a clock an hour ahead, so that every lease is over, and that goes back afterwards. Then the stopped one goes on: it must
return the same task, and nothing may be posted twice.

`python -m tests.campaign.stops --count 200 --seed 1`; `--only SEED` replays one.
"""

import contextlib
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from tests.campaign.cases import Case
from tests.campaign.evidence import Called, posts_of, rows_of
from tests.campaign.pipes import Gone, ServerProcess, UpstreamProcess
from tests.campaign.tallies import Tally, command, play_many

Moment = Literal[
    "any",
    "arrived",
    "accepted",
    "answered",
    "slot",
    "lock at the claim",
    "lock before the POST",
    "lock after the slot",
    "lock at the answer",
]

MOMENTS: dict[Moment, int] = {
    "any": 4,
    "arrived": 2,
    "accepted": 2,
    "answered": 2,
    "slot": 3,
    "lock at the claim": 2,
    "lock before the POST": 3,
    "lock after the slot": 4,
    "lock at the answer": 2,
}
"""The moments, and how often each is drawn."""

HOUR = 3600.0
# How long a server waits for a slot, in seconds, where it does.
SLOT = 0.6
# A lease of one that waits is over after so many seconds.
WAITING_LEASE = 10.0

_HOLDS = {"arrived": "arrived", "accepted": "accepted", "answered": "accepted", "lock at the answer": "accepted"}
# A server that stands at the lock has tried it at least so long.
_AT_THE_LOCK = 0.15


@dataclass(frozen=True)
class Stop:
    """One run: when the first server is stopped, and what the second one does meanwhile.

    `delay` is in seconds from the moment on; `rest` is how long both rest before the second call, `ahead` by how much
    the second server's clock is ahead for that call, `stays` whether it stays so. `early` lets a held POST go before
    the second call. `late` is how long upstream's lists hide a task, `lost` loses the answer of a POST,
    `kept` leaves the ledger locked during the second call, as a server would that was stopped in mid-transaction.
    `refusals` are the POSTs that find no slot, where the moment is about one.
    """

    seed: int
    moment: Moment
    delay: float
    arguments: dict[str, Any]
    rest: float
    ahead: float
    stays: bool = False
    early: bool = False
    late: float = 0.0
    lost: bool = False
    kept: bool = False
    refusals: int = 1


def draw(seed: int) -> Stop:
    """The stop of a seed."""
    rng = Random(f"stop {seed}")  # noqa: S311  the same seed must give the same run
    moment: Moment = rng.choices(list(MOMENTS), list(MOMENTS.values()))[0]
    arguments: dict[str, Any] = {"text_prompt": f"stop {seed}"}
    if rng.random() < 0.25:
        arguments["seed"] = 7
    if rng.random() < 0.25:
        arguments["replyRef"] = "mine"
    over = rng.random() < 0.04
    return Stop(
        seed=seed,
        moment=moment,
        delay=rng.uniform(0, 0.4) if moment == "any" else rng.uniform(0, 0.03),
        arguments=arguments,
        rest=WAITING_LEASE + 1.5 if over else rng.uniform(0, 0.3),
        ahead=0.0 if over else rng.choice((0.0, HOUR, HOUR, HOUR, -HOUR)),
        stays=rng.random() < 0.3,
        early=rng.random() < 0.5,
        late=rng.choice((0.0, 0.0, 0.0, 1.0)),
        lost=rng.random() < 0.15,
        kept=rng.random() < 0.05,
        refusals=rng.choice((1, 1, 2, 3)),
    )


def stop_many(seed: int, stops: int, folder: Path | None = None, /) -> Tally:
    """Plays so many stops, one after the other."""
    return play_many(play_seed, seed, stops, folder)


def play_seed(seed: int, upstream: UpstreamProcess, data: Path, tally: Tally) -> None:
    """Plays the stop of a seed on an empty data folder, and adds it to the tally."""
    stop_one(draw(seed), upstream, data, tally)


def stop_one(stop: Stop, upstream: UpstreamProcess, data: Path, tally: Tally) -> None:
    """Plays one stop on an empty data folder, and adds it to the tally."""
    faults: list[dict[str, Any]] = []
    if stop.moment in ("slot", "lock after the slot"):
        busy = {"method": "POST", "path_prefix": "", "kind": "status", "status": 429, "retry_after": SLOT}
        faults.append({**busy, "times": stop.refusals})
    if stop.lost:
        faults.append({"method": "POST", "path_prefix": "", "kind": "reset_after"})
    switches = {"late_in_lists": stop.late, "late_in_scheduler": stop.late}
    order = {"pace": 0.5, "hold": _HOLDS.get(stop.moment), "faults": faults, "switches": switches}
    with Case(upstream, data, stop.arguments, order) as case:
        strike = stop.moment
        try:
            strike = _play(stop, case)
        except (Gone, TimeoutError, sqlite3.Error) as error:
            case.broke(error)
        evidence = case.evidence()
        tally.add(stop.seed, strike, evidence, [*case.found, *evidence.findings()])


def _play(stop: Stop, case: Case) -> str:
    """The run; returns at what moment the server was stopped."""
    first, second = case.start(), case.start()
    with contextlib.ExitStack() as lock:
        begun = _until(stop, case, first, lock)
        time.sleep(stop.delay)
        state = ", ".join(row["state"] for row in rows_of(case.data)) or "nothing"
        first.signal(signal.SIGSTOP)
    if stop.early:
        case.upstream.pipe.send({"op": "release"})
    time.sleep(stop.rest)
    second.move_clock(stop.ahead)
    with contextlib.ExitStack() as lock:
        if stop.kept:
            # It may be locked already: by the server that was stopped.
            with contextlib.suppress(sqlite3.OperationalError):
                lock.enter_context(_locked(lock.enter_context(_ledger(case.data))))
        case.call(second, wait_seconds=2)
    if not stop.stays:
        second.move_clock(0.0)
    case.upstream.pipe.send({"op": "release"})
    first.signal(signal.SIGCONT)
    case.end(first, begun)
    second.move_clock(0.0)
    time.sleep(stop.late)  # what upstream hides for so long nobody can find sooner
    for server in (first, second):
        case.expect_same(server, "Once both go on", tries=3, wait_seconds=2)
        server.close()
    server = case.start()
    case.settle(server)
    case.expect_same(server, "After a restart", tries=2, wait_seconds=2)
    server.close()
    ahead = f", an hour {'ahead' if stop.ahead > 0 else 'back'}" if stop.ahead else ""
    return f"{stop.moment} ({state}){ahead}{', ledger locked' if stop.kept else ''}"


def _until(stop: Stop, case: Case, first: ServerProcess, lock: contextlib.ExitStack) -> tuple[int, Called]:
    """Begins the call and waits for the moment; `lock` then holds the ledger where that is the moment."""
    match stop.moment:
        case "lock at the claim":
            lock.enter_context(_locked(lock.enter_context(_ledger(case.data))))
            begun = case.begin(first, wait_seconds=20)
            time.sleep(_AT_THE_LOCK)
        case "lock before the POST":
            ledger = lock.enter_context(_ledger(case.data))
            begun = case.begin(first, wait_seconds=20)
            # The lock is taken in the moment between the claim and what follows it.
            _wait(lambda: ledger.execute("SELECT count(*) FROM intents").fetchone()[0], pause=0.0)
            lock.enter_context(_locked(ledger))
            time.sleep(_AT_THE_LOCK)
        case "slot" | "lock after the slot":
            begun = case.begin(first, wait_seconds=20)
            _wait(lambda: any(post.is_refused and post.ended for post in posts_of(case.upstream.truth())))
            if stop.moment != "slot":
                time.sleep(SLOT / 2)
                lock.enter_context(_locked(lock.enter_context(_ledger(case.data))))
                time.sleep(SLOT / 2 + _AT_THE_LOCK)
        case "any":
            begun = case.begin(first, wait_seconds=20)
        case _:
            begun = case.begin(first, wait_seconds=20)
            hold = _HOLDS[stop.moment]
            case.upstream.pipe.hear(lambda message: message.get("event") == hold)
            if stop.moment == "lock at the answer":
                lock.enter_context(_locked(lock.enter_context(_ledger(case.data))))
            if stop.moment not in ("arrived", "accepted"):
                case.upstream.pipe.send({"op": "release"})
            if stop.moment == "lock at the answer":
                time.sleep(_AT_THE_LOCK)
    return begun


@contextlib.contextmanager
def _ledger(data: Path) -> Generator[sqlite3.Connection]:
    """A connection of our own to the ledger, which the servers make a moment after they started."""
    file = data / "ledger.sqlite3"
    # To connect would make an empty file, in the way of the server's own.
    _wait(file.exists)
    with contextlib.closing(sqlite3.connect(file, timeout=2, isolation_level=None)) as ledger:
        _wait(lambda: ledger.execute("SELECT count(*) FROM sqlite_master WHERE name = 'intents'").fetchone()[0])
        yield ledger


@contextlib.contextmanager
def _locked(ledger: sqlite3.Connection) -> Generator[None]:
    """Keeps every server from writing."""
    ledger.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        ledger.execute("ROLLBACK")


def _wait(is_so: Callable[[], object], *, pause: float = 0.005) -> None:
    until = time.monotonic() + 40.0
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError("what a stop waits for did not come")
        time.sleep(pause)


if __name__ == "__main__":
    sys.exit(command("stops", stop_many))
