"""Kills the real server, over real sockets and pipes, and looks what is left of its submit.

Each run starts a server on a fresh data folder, makes a call, and strikes at a drawn moment of its life: at any time,
or while the stand-in holds the POST, before or after it was accepted, or as the answer arrives; some strike the restart
that follows as well, and some restarts come hours later or meet a network that is down. Then a fresh server on the same
folder must know the task, and the identical call must be answered with it: at once, after the film was told, hours and
days later, and when its source is gone. Nothing may have been posted twice.

`python -m tests.campaign.kills --count 200 --seed 1`; `--only SEED` replays one.
"""

import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from tests.campaign.cases import Case
from tests.campaign.evidence import posts_of
from tests.campaign.pipes import Gone, ServerProcess, UpstreamProcess
from tests.campaign.tallies import Tally, command, play_many

Strike = Literal["SIGKILL", "SIGTERM", "two servers", "two servers, SIGKILL"]
Moment = Literal["any", "arrived", "accepted", "answered"]

KillTally = Tally

HOUR = 3600.0
# How long the life of a call is that is struck at any moment, in seconds; and that of a restart.
LIFE = 0.7
RESTART = 0.6
# By how much a machine's clock may be ahead of upstream's, in seconds.
SKEWS = (0.0, 90.0, HOUR, -HOUR, 25 * HOUR)
# One start in so many is the command itself, and not a fork.
WHOLE_EVERY = 10


@dataclass(frozen=True)
class Kill:
    """One run: what strikes, when, and what the call asks for.

    `skew` is by how much the machine's clock is ahead before the strike and after it; `again` strikes the restart, so
    many seconds after its start; `away` passes before the last restart, and `down` reads fail in it; `then` passes
    after the film was told, when its source may be deleted as well.
    """

    seed: int
    strike: Strike
    moment: Moment
    delay: float
    whole: bool
    arguments: dict[str, Any]
    faults: tuple[dict[str, Any], ...]
    switches: dict[str, Any]
    again: tuple[Literal["SIGKILL", "SIGTERM"], float] | None = None
    skew: tuple[float, float] = (0.0, 0.0)
    away: float = 0.0
    down: int = 0
    then: tuple[float, ...] = ()
    deleted: bool = False


def draw(seed: int) -> Kill:
    """The kill of a seed."""
    rng = Random(f"kill {seed}")  # noqa: S311  the same seed must give the same run
    strike: Strike = rng.choices(("SIGKILL", "SIGTERM", "two servers", "two servers, SIGKILL"), (6, 2, 1, 1))[0]
    moment: Moment = rng.choice(("any", "any", "arrived", "accepted", "accepted", "answered"))
    delays = {"any": LIFE, "arrived": 0.05, "accepted": 0.05, "answered": 0.03}
    arguments: dict[str, Any] = {"text_prompt": f"kill {seed}", "wait_seconds": rng.choice((1, 20))}
    if rng.random() < 0.3:
        arguments["seed"] = 7
    if rng.random() < 0.3:
        arguments["replyRef"] = "mine"
    lost = {"method": "POST", "path_prefix": "", "kind": rng.choice(("reset_after", "cut")), "after_bytes": 90}
    slow = {"path_prefix": "", "method": "*", "kind": "delay", "seconds": rng.uniform(0, 0.15), "times": 4}
    faults: list[dict[str, Any]] = [slow] if moment == "any" else []
    if rng.random() < 0.2:
        faults.append(lost)
    late = rng.choice((0.0, 0.0, 1.0))
    again = (rng.choice(("SIGKILL", "SIGKILL", "SIGTERM")), rng.uniform(0, RESTART)) if rng.random() < 0.35 else None
    away = rng.choice((0.0, 0.0, 0.2 * HOUR, 3 * HOUR, 20 * HOUR))
    return Kill(
        seed=seed,
        strike=strike,
        moment=moment,
        delay=rng.uniform(0, delays[moment]),
        whole=seed % WHOLE_EVERY == 0,
        arguments=arguments,
        faults=tuple(faults),
        switches={"late_in_lists": late, "late_in_scheduler": late, "wrap_create": rng.random() < 0.5},
        again=again,
        skew=(rng.choice(SKEWS), rng.choice(SKEWS)) if rng.random() < 0.4 else (0.0, 0.0),
        away=away,
        down=rng.choice((0, 0, 0, 2, 5)) if away else 0,
        then=rng.choice(((), (130.0,), (130.0,), (3 * HOUR,), (25 * HOUR,), (HOUR, 40 * 24 * HOUR))),
        deleted=rng.random() < 0.25,
    )


def kill_many(seed: int, kills: int, folder: Path | None = None, /) -> Tally:
    """Does so many kills, one after the other."""
    return play_many(play_seed, seed, kills, folder)


def play_seed(seed: int, upstream: UpstreamProcess, data: Path, tally: Tally) -> None:
    """Plays the kill of a seed on an empty data folder, and adds it to the tally."""
    kill_one(draw(seed), upstream, data, tally)


def kill_one(kill: Kill, upstream: UpstreamProcess, data: Path, tally: Tally) -> None:
    """Plays one kill on an empty data folder, and adds it to the tally."""
    hold = {"any": None, "answered": "accepted"}.get(kill.moment, kill.moment)
    order = {"pace": 0.5, "hold": hold, "faults": kill.faults, "switches": kill.switches}
    with Case(upstream, data, kill.arguments, order) as case:
        try:
            case.skew = kill.skew[0]
            _strike(kill, case, hold)
            case.skew = kill.skew[1]
            _restart(kill, case)
            _repeat(kill, case)
        except (Gone, TimeoutError) as error:
            case.broke(error)
        again = f", then {kill.again[0]}" if kill.again else ""
        evidence = case.evidence()
        tally.add(kill.seed, f"{kill.strike}, {kill.moment}{again}", evidence, [*case.found, *evidence.findings()])


def _strike(kill: Kill, case: Case, hold: str | None) -> None:
    """The call, and what befalls it."""
    servers = [case.start(whole=kill.whole) for _ in range(2 if kill.strike.startswith("two") else 1)]
    calls = [(server, case.begin(server)) for server in servers]
    if hold:
        case.upstream.pipe.hear(lambda message: message.get("event") == hold)
    if kill.moment == "answered":
        case.upstream.pipe.send({"op": "release"})
    time.sleep(kill.delay)
    if kill.strike.endswith("SIGKILL"):
        servers[0].signal(signal.SIGKILL)
        servers[0].wait()
        calls = calls[1:]
    elif kill.strike == "SIGTERM":
        servers[0].signal(signal.SIGTERM)
    case.upstream.pipe.send({"op": "release"})
    if kill.strike == "SIGTERM":
        code = servers[0].wait(30.0)
        if code:
            case.find("broken", f"SIGTERM ended the server with {code}")
        _check_shutdown(kill, case)
    else:
        for server, begun in calls:
            case.end(server, begun)
    for server in servers:
        server.close()


def _check_shutdown(kill: Kill, case: Case) -> None:
    """An answer that comes while the server shuts down is written before it ends."""
    is_lost = any(fault["method"] == "POST" for fault in kill.faults)
    if kill.moment in ("arrived", "accepted") and not is_lost:
        evidence = case.evidence()
        if not {post.task_id for post in evidence.accepted} <= evidence.owned:
            case.find("unsettled", f"after the shutdown the ledger says {[row['state'] for row in evidence.rows]}")


def _restart(kill: Kill, case: Case) -> None:
    """The restart, which may be struck too; the last one may come late, and with the network down at first."""
    if kill.again:
        name, delay = kill.again
        server = case.start()
        begun = time.monotonic()
        if delay > RESTART / 3:
            case.begin(server, wait_seconds=1)
        time.sleep(max(0.0, begun + delay - time.monotonic()))
        server.signal(getattr(signal, name))
        if server.wait(30.0) > 0:
            case.find("broken", f"{name} ended the restarted server with {server.wait()}")
        server.close()
    if kill.away:
        case.pass_time(kill.away)
    if kill.down:
        down = {"method": "GET", "path_prefix": "", "kind": "reset", "times": kill.down}
        case.upstream.order("faults", faults=[down])


def _repeat(kill: Kill, case: Case) -> None:
    """The identical call, on a fresh server: at once, when the film was told, much later, without its source."""
    server = case.start(whole=kill.whole)
    case.settle(server)
    case.expect_same(server, "After the restart", wait_seconds=2)
    if posts_of(case.upstream.truth()):
        _repeat_later(kill, case, server)
    if code := server.close():
        case.find("broken", f"the restarted server ended with {code}")


def _repeat_later(kill: Kill, case: Case, server: ServerProcess) -> None:
    for seconds in kill.then:
        case.pass_time(seconds)
        case.expect_same(server, f"{seconds:g} s after the film was told", film=True, wait_seconds=0)
    if kill.deleted:
        case.upstream.order("delete", assetId=case.world["assetId"])
        case.expect_same(server, "With its source deleted", film=True, wait_seconds=0)


if __name__ == "__main__":
    sys.exit(command("kills", kill_many))
