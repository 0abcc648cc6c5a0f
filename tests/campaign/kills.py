"""Kills the real server, over real sockets and pipes, and looks what is left of its submit.

Each run starts a server on a fresh data folder, makes a call, and strikes at a drawn moment of its life: at any time,
or while the stand-in holds the POST, before or after it was accepted, or as the answer arrives. Then a fresh server on
the same folder must know the task, the identical call must find it, and nothing may have been posted twice.
"""

import contextlib
import json
import shutil
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

from tests.campaign.pipes import Gone, ServerProcess, StandIn

Strike = Literal["SIGKILL", "SIGTERM", "two servers", "two servers, SIGKILL"]
Moment = Literal["any", "arrived", "accepted", "answered"]

# How soon a restarted server must know a task that upstream shows, in seconds.
SETTLING = 10.0
# How long the life of a call is that is struck at any moment, in seconds.
LIFE = 0.7
# One start in so many is the command itself, and not a fork of this process.
WHOLE_EVERY = 10


@dataclass(frozen=True)
class Kill:
    """One run: what strikes, when, and what the call asks for."""

    seed: int
    strike: Strike
    moment: Moment
    delay: float
    whole: bool
    arguments: dict[str, Any]
    faults: tuple[dict[str, Any], ...]
    switches: dict[str, Any]


@dataclass
class KillTally:
    """What the kills came to; `nothing` counts runs in which nothing had been submitted, or surely nothing taken."""

    runs: int = 0
    strikes: Counter[str] = field(default_factory=Counter[str])
    calls: int = 0
    posts: int = 0
    accepted: int = 0
    found: int = 0
    doubled: int = 0
    lost: int = 0
    wrong: int = 0
    unsettled: int = 0
    lies: int = 0
    broken: int = 0
    nothing: int = 0
    seconds: float = 0.0
    failed: list[tuple[int, list[str]]] = field(default_factory=list[tuple[int, list[str]]])


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
    return Kill(
        seed=seed,
        strike=strike,
        moment=moment,
        delay=rng.uniform(0, delays[moment]),
        whole=seed % WHOLE_EVERY == 0,
        arguments=arguments,
        faults=tuple(faults),
        switches={"late_in_lists": late, "late_in_scheduler": late, "wrap_create": rng.random() < 0.5},
    )


def kill_many(seed: int, kills: int, folder: Path | None = None) -> KillTally:
    """Does so many kills, one after the other; to be called in a process without threads, since it forks."""
    began = time.monotonic()
    tally = KillTally()
    with contextlib.closing(StandIn()) as stand_in:
        for number in range(seed, seed + kills):
            place = Path(tempfile.mkdtemp(dir=folder))
            try:
                kill_one(draw(number), stand_in, place, tally)
            finally:
                shutil.rmtree(place, ignore_errors=True)
    tally.seconds = time.monotonic() - began
    return tally


def kill_one(kill: Kill, stand_in: StandIn, data: Path, tally: KillTally) -> None:
    """Plays one kill on an empty data folder, and adds it to the tally."""
    findings = _Case(kill, stand_in, data, tally).play()
    if findings:
        tally.failed.append((kill.seed, findings))


class _Case:
    """One kill under way."""

    def __init__(self, kill: Kill, stand_in: StandIn, data: Path, tally: KillTally) -> None:
        self.kill = kill
        self.stand_in = stand_in
        self.data = data
        self.tally = tally
        self.findings: list[str] = []
        self.servers: list[ServerProcess] = []
        self.hold = {"any": None, "answered": "accepted"}.get(kill.moment, kill.moment)

    def play(self) -> list[str]:
        """Plays the run; returns what it found."""
        self.tally.runs += 1
        self.tally.strikes[f"{self.kill.strike}, {self.kill.moment}"] += 1
        order = {"pace": 0.5, "hold": self.hold, "faults": self.kill.faults, "switches": self.kill.switches}
        self.world = self.stand_in.ask({"op": "open", **order}, "url")
        self.arguments = {"assetId": self.world["assetId"], **self.kill.arguments}
        try:
            self._strike()
            self._restart()
            self._judge()
        except (Gone, TimeoutError) as error:
            said = (self.data / "stderr.txt").read_text(encoding="utf-8")[-300:]
            self._find("broken", f"{type(error).__name__}: {error} {said}")
        finally:
            for server in self.servers:
                server.signal(signal.SIGKILL)
                server.close()
            self.stand_in.pipe.send({"op": "close"})
        return self.findings

    def _start(self) -> ServerProcess:
        server = ServerProcess(self.world["url"], self.world["token"], self.data, whole=self.kill.whole)
        self.servers.append(server)
        server.open()
        return server

    def _call(self, server: ServerProcess, **changes: Any) -> int:
        self.tally.calls += 1
        call = {"name": "extend_video", "arguments": {**self.arguments, **changes}}
        return server.begin("tools/call", call)

    def _strike(self) -> None:
        """The call, and what befalls it."""
        kill = self.kill
        servers = [self._start() for _ in range(2 if kill.strike.startswith("two") else 1)]
        calls = [(server, self._call(server)) for server in servers]
        if self.hold:
            self.stand_in.pipe.hear(lambda message: message.get("event") == self.hold)
        if kill.moment == "answered":
            self.stand_in.pipe.send({"op": "release"})
        time.sleep(kill.delay)
        if kill.strike.endswith("SIGKILL"):
            servers[0].signal(signal.SIGKILL)
            servers[0].wait()
            calls = calls[1:]
        elif kill.strike == "SIGTERM":
            servers[0].signal(signal.SIGTERM)
        self.stand_in.pipe.send({"op": "release"})
        if kill.strike == "SIGTERM":
            code = servers[0].wait(8.0)
            if code:
                self._find("broken", f"SIGTERM ended the server with {code}")
            self._check_shutdown()
        else:
            results = [server.reply(number, 40.0)["structuredContent"] for server, number in calls]
            self._check_results(results)

    def _check_shutdown(self) -> None:
        """An answer that comes while the server shuts down is written before it ends."""
        is_lost = any(fault["method"] == "POST" for fault in self.kill.faults)
        if self.kill.moment in ("arrived", "accepted") and not is_lost:
            states = [row["state"] for row in self._rows()]
            if states != ["accepted"]:
                self._find("unsettled", f"after the shutdown the ledger says {states}")

    def _restart(self) -> None:
        """A fresh server on the same folder must know the task, and the identical call must find it."""
        for server in self.servers:
            server.close()
        before = self._truth()["accepted"]
        server = self._start()
        until = time.monotonic() + SETTLING
        while not {task["taskId"] for task in before} <= self._known(server):
            if time.monotonic() > until:
                self._find("lost", f"the restarted server does not know {before}")
                break
            time.sleep(0.05)
        result = server.reply(self._call(server, wait_seconds=1 if before else 6), 40.0)["structuredContent"]
        self._check_results([result])
        if code := server.close():
            self._find("broken", f"the restarted server ended with {code}")

    def _known(self, server: ServerProcess) -> set[str]:
        answer = server.request("resources/read", {"uri": "runway://tasks"})
        listed = json.loads(answer["contents"][0]["text"])["tasks"]
        return {task["taskId"] for task in listed if "taskId" in task}

    def _check_results(self, results: list[dict[str, Any]]) -> None:
        accepted = {task["taskId"] for task in self._truth()["accepted"]}
        for result in results:
            error = result.get("error", {})
            if result.get("taskId") and result["taskId"] not in accepted:
                self._find("wrong", f"a call returned {result['taskId']}")
            if error.get("charged") == "no" and accepted:
                self._find("lies", f"a call said {error}, and {accepted} was accepted")
            if not result.get("taskId") and not error:
                self._find("lies", f"a call returned neither a task nor an error: {result}")
            if error and error["kind"] not in ("submission_unknown", "busy"):
                self._find("lies", f"a call said {error}")

    def _judge(self) -> None:
        truth, rows = self._truth(), self._rows()
        accepted = truth["accepted"]
        owned = {row["task_id"] for row in rows if row["task_id"]}
        ids = {task["taskId"] for task in accepted}
        self.tally.posts += truth["posts"]
        self.tally.accepted += len(accepted)
        self.tally.found += len(ids & owned)
        self.tally.nothing += not accepted
        if len(accepted) > 1 or truth["posts"] > 1:
            self._find("doubled", f"{truth['posts']} POSTs, {len(accepted)} accepted")
        if ids - owned:
            self._find("lost", f"no intent owns {ids - owned}")
        if owned - ids:
            self._find("wrong", f"the ledger owns {owned - ids}")
        open_ones = [row["state"] for row in rows if row["state"] in ("posting", "unclear", "unknown")]
        if open_ones and ids:
            self._find("unsettled", f"the ledger says {open_ones}")

    def _truth(self) -> dict[str, Any]:
        return self.stand_in.ask({"op": "truth"}, "accepted")

    def _rows(self) -> list[dict[str, Any]]:
        ledger = self.data / "ledger.sqlite3"
        if not ledger.exists():
            return []
        with contextlib.closing(sqlite3.connect(ledger)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM intents")]

    def _find(self, kind: str, sentence: str) -> None:
        setattr(self.tally, kind, getattr(self.tally, kind) + 1)
        self.findings.append(f"{kind}: {sentence}")
