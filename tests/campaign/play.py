"""Plays one scenario on virtual time: servers, hosts and troubles, a healthy quarter of an hour, the judgement."""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from random import Random

import anyio

from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.world import World
from tests.campaign.judge import Verdict, judge
from tests.campaign.processes import CampaignLoop, Fuse, Process
from tests.campaign.scenario import Act, Hand, Incident, Scenario
from tests.campaign.servers import Called, Life, OpenRoom, Server, Truth, open_ours
from tests.campaign.wire import Traffic
from tests.campaign.worlds import build, heal, interfere, wish_of

# After the troubles, in seconds: what every run is given to settle, more than the ten minutes of looking.
QUIET = 900.0
# No run may take longer, in seconds of its own time.
LONGEST = 20_000.0

_OK = 200
_KINDS = {
    "delay": "late arrival",
    "delay_after": "late answer",
    "reset": "reset before it arrived",
    "reset_after": "reset after it was handled",
    "cut": "answer cut",
    "redirect": "redirect",
}

Log = Callable[[str], None]


def play(scenario: Scenario, folder: Path, *, open_room: OpenRoom = open_ours, log: Log = lambda _: None) -> Verdict:
    """Plays a scenario with its ledger in an empty folder, and judges it. The same scenario plays the same."""
    random.seed(scenario.seed)
    run = partial(_play, scenario, folder / "ledger.sqlite3", open_room, log)
    return anyio.run(run, backend_options={"loop_factory": CampaignLoop})


async def _play(scenario: Scenario, ledger: Path, open_room: OpenRoom, log: Log) -> Verdict:
    run = _Run(scenario, ledger, open_room, log)
    with anyio.fail_after(LONGEST):
        return await run.play()


class _Run:
    """One run under way."""

    def __init__(self, scenario: Scenario, ledger: Path, open_room: OpenRoom, log: Log) -> None:
        self.scenario = scenario
        self.ledger = ledger
        self.log: Log = lambda text: log(f"{anyio.current_time():9.3f}  {text}")
        self.rng = Random(scenario.seed)  # noqa: S311  the same seed must give the same run
        self.world: World = build(scenario)
        self.truth = Truth(held_up=scenario.slow_say > 0)
        self.healthy = False
        self.traffic = Traffic(self.world, self.rng, self._odds, self.log)
        self.traffic.trap = self._spring
        self.rules = [Fault(**rule) for rule in scenario.rules]
        self.world.faults.extend(self.rules)
        self.traps: list[tuple[str, str, Callable[[], None]]] = []
        begin = partial(
            Life, traffic=self.traffic, ledger=ledger, open_room=open_room, truth=self.truth, slow=scenario.slow_say
        )
        self.servers = [Server(f"server {number}", begin) for number in range(scenario.servers)]

    async def play(self) -> Verdict:
        """Plays and judges."""
        try:
            return await self._played()
        finally:
            with anyio.move_on_after(QUIET, shield=True):
                await self._clean_up()

    async def _played(self) -> Verdict:
        async with anyio.create_task_group() as supervision:
            for server in self.servers:
                supervision.start_soon(server.keep_up)
            async with anyio.create_task_group() as troubles:
                for incident in self.scenario.incidents:
                    troubles.start_soon(self._incident, incident)
                for hand in self.scenario.hands:
                    troubles.start_soon(self._hand, hand)
                async with anyio.create_task_group() as hosts:
                    for acts in self.scenario.hosts:
                        hosts.start_soon(self._host, acts)
                troubles.cancel_scope.cancel()
            await self._settle()
            supervision.cancel_scope.cancel()
        return self._verdict()

    def _verdict(self) -> Verdict:
        with closing(sqlite3.connect(self.ledger)) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute("SELECT * FROM intents ORDER BY created")]
        met = self.traffic.met.copy()
        for rule, drawn in zip(self.rules, self.scenario.rules, strict=True):
            met[f"{'POST' if rule.method == 'POST' else 'read'}: {_named(rule)}"] += drawn["times"] - (rule.times or 0)
        for row in rows:
            self.log(f"ledger: {row}")
        verdict = judge(self.world, self.traffic.posts, self.truth, rows)
        verdict.faults.update(met)
        for sentence in verdict.findings:
            self.log(f"FOUND: {sentence}")
        self.log("the run is judged")
        return verdict

    async def _settle(self) -> None:
        """Upstream is well, every server is up, and what was left open is asked for once more."""
        self.log("upstream is well from here on")
        self.healthy = True
        heal(self.world)
        for server in self.servers:
            server.hasten()
        await anyio.sleep(self.scenario.repeat_after)
        async with anyio.create_task_group() as hosts:
            for request in dict.fromkeys(called.request for called in self.truth.calls):
                last = [called for called in self.truth.calls if called.request == request][-1]
                if _is_outstanding(last):
                    act = Act(0.0, request, self.rng.randrange(len(self.servers)), 45.0)
                    hosts.start_soon(self._call, act, 0)
        await anyio.sleep(QUIET)

    async def _clean_up(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CampaignLoop)
        for server in self.servers:
            for life in server.lives:
                await life.bury(loop)
        if self.traffic.under_way:
            await asyncio.wait(self.traffic.under_way)

    async def _host(self, acts: tuple[Act, ...]) -> None:
        for act in acts:
            await anyio.sleep(act.pause)
            async with anyio.create_task_group() as calls:
                for copy in range(act.copies):
                    calls.start_soon(self._call, act, copy)

    async def _call(self, act: Act, copy: int) -> None:
        server = self.servers[(act.server + copy) % len(self.servers)]
        life = await server.reached()
        called = Called(
            number=len(self.truth.calls),
            request=act.request,
            wish=wish_of(self.world, act.request),
            wait=act.wait,
            began=anyio.current_time(),
            fuse=act.give_up_steps,
        )
        self.truth.calls.append(called)
        self.log(f"{life.process.name}: call {called.number} asks {called.request}, waits {act.wait:g} s")
        life.ask(called)
        if act.give_up is not None:
            life.give_up(called, act.give_up)
        await called.done.wait()
        status = called.returned.status if called.returned else None
        self.log(f"{life.process.name}: call {called.number} {called.end}: {status} {called.failure or ''}")

    async def _incident(self, incident: Incident) -> None:
        await anyio.sleep(incident.at)
        server = self.servers[incident.server]
        struck = anyio.Event()
        victim: list[Life] = []

        def strike() -> None:
            life = server.life
            if struck.is_set() or life is None or self.healthy:
                return
            victim.append(life)
            self.log(f"{life.process.name}: {incident.fate} for {incident.seconds:.1f} s ({incident.trigger})")
            self.truth.held_up |= incident.fate in ("stall", "lock")
            if incident.fate == "stall":
                life.process.freeze()
            elif incident.fate != "lock":
                server.down = incident.seconds
                life.close() if incident.fate == "close" else life.abandon()
            struck.set()

        if incident.trigger == "time":
            strike()
        elif incident.trigger == "steps" and (life := server.life):
            life.process.fuse = Fuse(incident.steps, strike)
        else:
            self.traps.append((server.name, incident.trigger, strike))
        await struck.wait()
        if incident.fate == "lock":
            await self._lock(incident.seconds)
        elif incident.fate == "stall":
            await self._stall(victim[0], incident.seconds)

    async def _lock(self, seconds: float) -> None:
        with locked(self.ledger):
            await anyio.sleep(seconds)

    async def _stall(self, life: Life, seconds: float) -> None:
        try:
            await anyio.sleep(seconds)
        finally:
            if not life.gone.is_set():
                self.log(f"{life.process.name} goes on")
                loop = asyncio.get_running_loop()
                assert isinstance(loop, CampaignLoop)
                life.process.thaw(loop)

    async def _hand(self, hand: Hand) -> None:
        await anyio.sleep(hand.at)
        interfere(self.world, hand, self.scenario.requests)
        self.log(f"somebody else starts a task: {hand.differs}")

    def _odds(self, is_post: bool) -> float:
        if self.healthy:
            return 0.0
        now = anyio.current_time()
        outages = [outage.odds for outage in self.scenario.outages if outage.begin <= now < outage.end]
        return max([self.scenario.posts if is_post else self.scenario.reads, *outages])

    def _spring(self, process: Process, moment: str) -> None:
        for trap in self.traps:
            name, trigger, strike = trap
            if trigger == moment and process.name.startswith(f"{name}."):
                self.traps.remove(trap)
                strike()
                return


def _is_outstanding(called: Called) -> bool:
    """Whether a host would ask once more: it has no end of a task, and was not told that the prompt is refused."""
    if called.failure is not None and called.failure.kind == "moderated":
        return False
    return called.end != "answered" or called.returned is None or not called.returned.is_terminal


@contextmanager
def locked(ledger: Path) -> Generator[None]:
    """Holds the ledger's file as another program might; does nothing if it is not there, or somebody else holds it."""
    if not ledger.exists():
        yield
        return
    with closing(sqlite3.connect(ledger, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            yield
            return
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def _named(rule: Fault) -> str:
    """What a rule of the stand-in's did; HTTP errors are counted where they come in."""
    if rule.kind != "status":
        return _KINDS[rule.kind]
    if rule.status == _OK:
        return "odd answer with HTTP 200"
    return "of these, although handled" if rule.handled else "of these, made up and not handled"
