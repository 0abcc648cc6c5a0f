"""Plays one scenario on virtual time: servers, hosts and troubles, a healthy quarter of an hour, the last calls."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from random import Random

import anyio

from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.world import World
from tests.campaign.facts import Facts, Post, Row, SpendPolicy, Verdict
from tests.campaign.hosts import Host, RunContext
from tests.campaign.incidents import Incidents
from tests.campaign.judge import judge
from tests.campaign.processes import CampaignLoop, MachineClock, Process
from tests.campaign.scenario import Act, Hand, HostPlan, Request, Scenario
from tests.campaign.servers import Machine, Server
from tests.campaign.wire import Traffic
from tests.campaign.worlds import build, clip_of, delete_clip, heal, interfere, made_in, sources_of
from tests.kit.clock import EPOCH

# After the troubles, in seconds: what every run is given to settle, more than the ten minutes of looking.
QUIET = 900.0
# No run may take longer, in seconds of its own time.
LONGEST = 365 * 86_400.0
# How long a task may run on after the last calls, in seconds.
_WAIT = 45

_OK = 200
_KINDS = {
    "delay": "late arrival",
    "delay_after": "late answer",
    "reset": "reset before it arrived",
    "reset_after": "reset after it was handled",
    "cut": "answer cut",
    "redirect": "redirect",
    "foreign": "answer about another task",
    "busy_after": "HTTP 429 although accepted",
}

Log = Callable[[str], None]


def play(scenario: Scenario, folder: Path, *, log: Log = lambda _: None) -> Verdict:
    """Plays a scenario with its ledger in an empty folder, and judges it. The same scenario plays the same."""
    facts, met = played(scenario, folder, log=log)
    verdict = judge(facts)
    verdict.faults.update(met)
    for sentence in verdict.findings:
        log(f"FOUND: {sentence}")
    return verdict


def played(scenario: Scenario, folder: Path, *, log: Log = lambda _: None) -> tuple[Facts, dict[str, int]]:
    """The facts of a scenario that was played, and the faults that were met."""
    random.seed(scenario.seed)
    run = partial(_play, scenario, folder, log)
    return anyio.run(run, backend_options={"loop_factory": CampaignLoop})


async def _play(scenario: Scenario, folder: Path, log: Log) -> tuple[Facts, dict[str, int]]:
    run = _Run(scenario, folder, log)
    with anyio.fail_after(LONGEST):
        return await run.play()


class _Run:
    """One run under way."""

    def __init__(self, scenario: Scenario, folder: Path, log: Log) -> None:
        self.scenario = scenario
        self.ledger = folder / "ledger.sqlite3"
        self.log: Log = lambda text: log(f"{anyio.current_time():9.3f}  {text}")
        self.rng = Random(scenario.seed)  # noqa: S311  the same seed must give the same run
        self.world: World = build(scenario)
        self.is_healthy = False
        self.healed = 0.0
        self.traffic = Traffic(self.world, self.rng, self._odds, self.log)
        self.rules = [Fault(**rule) for rule in scenario.rules]
        self.world.faults.extend(self.rules)
        self.machine = Machine(folder, self.traffic, scenario.policy)
        self.servers = [
            Server(f"server {number}", MachineClock(ahead), self.machine) for number, ahead in enumerate(scenario.ahead)
        ]
        self.incidents = Incidents(self.ledger, self.servers, self.log, lambda: self.is_healthy)
        self.traffic.trap = self.incidents.spring
        limit = float(self.machine.settings().wait_seconds)
        confirms = "confirm_above" in scenario.policy
        self.context = RunContext(self.world, self.servers, self.rng, self.log, limit, confirms)

    async def play(self) -> tuple[Facts, dict[str, int]]:
        """Plays, and tells what happened."""
        try:
            return await self._played()
        finally:
            with anyio.move_on_after(QUIET, shield=True):
                await self._clean_up()

    async def _played(self) -> tuple[Facts, dict[str, int]]:
        early_rows: list[Row] = []
        tasks: list[str] = []
        async with anyio.create_task_group() as supervision:
            for server in self.servers:
                supervision.start_soon(server.keep_up)
            async with anyio.create_task_group() as troubles:
                for incident in self.scenario.incidents:
                    troubles.start_soon(self.incidents.befall, incident)
                for hand in self.scenario.hands:
                    troubles.start_soon(self._hand, hand)
                for number, at in self.scenario.deleted:
                    troubles.start_soon(self._delete, number, at)
                async with anyio.create_task_group() as hosts:
                    for number, plan in enumerate(self.scenario.hosts):
                        hosts.start_soon(self._host, f"host {number}", plan)
                troubles.cancel_scope.cancel()
            await self._settle()
            early_rows = self._rows()
            tasks = await self._ask_at_last()
            supervision.cancel_scope.cancel()
        for row in self._rows():
            self.log(f"ledger: {row}")
        return self._facts(early_rows, tasks), self._met()

    async def _host(self, name: str, plan: HostPlan) -> None:
        self.context.come()
        await Host(name, plan, self.context).play()
        self.context.leave()

    async def _settle(self) -> None:
        """Upstream is well, every server is up that is not gone for good, every clock is right: time to look."""
        self.log("upstream is well from here on")
        self.is_healthy = True
        self.healed = anyio.current_time()
        self.incidents.stop()
        heal(self.world)
        for server in self.servers:
            server.clock.ahead = 0.0
            server.thaw()
            server.wake()
            if server.down != inf:
                server.hasten()
        await anyio.sleep(self.scenario.last_pause + QUIET)

    async def _ask_at_last(self) -> list[str]:
        """Asks for every request once more, at servers started afresh, and reads the list of tasks.

        A next step that stayed unclear is taken once more as well: nothing else asks for its request.
        """
        for server in self.servers:
            server.hasten()
            await server.renewed()
        await anyio.sleep(5.0)
        acts = list(self._last_acts())
        person = "yes" if self.context.confirms else "none"
        async with anyio.create_task_group() as hosts:
            for number, act in enumerate(acts):
                plan = HostPlan((act,), mode="legacy", person=person)
                hosts.start_soon(Host(f"last {number}", plan, self.context, last=True).play)
        steps = tuple(self.context.unclear)
        plan = HostPlan((), mode="legacy", person=person)
        await Host("last of steps", plan, self.context, last=True).repeat(self.servers[0], steps)
        return await Host("reader", HostPlan((), mode="auto"), self.context, last=True).tasks(self.servers[0])

    def _last_acts(self) -> list[Act]:
        acts: dict[Request, Act] = {}
        for plan in self.scenario.hosts:
            for act in plan.acts:
                if act.request in self.context.results:
                    spelling = replace(act.spelling, copied=(), max_jobs=None)
                    acts[act.request] = Act(
                        0.0, act.request, self.rng.randrange(len(self.servers)), _WAIT, spelling=spelling
                    )
        return list(acts.values())

    async def _clean_up(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CampaignLoop)
        self.incidents.stop()
        for server in self.servers:
            for life in server.lives:
                await life.bury(loop)
        if self.traffic.under_way:
            await asyncio.wait(self.traffic.under_way)

    async def _hand(self, hand: Hand) -> None:
        await anyio.sleep(hand.at)
        if hand.on_departure:
            struck = anyio.Event()
            clip = self.world.asset_id(clip_of(self.world, hand.request.clip))

            def trap(_: Process, moment: str, post: Post) -> bool:
                if moment == "departure" and post.body["assetId"] == clip:
                    struck.set()
                    return True
                return False

            self.incidents.traps.append(trap)
            await struck.wait()
        interfere(self.world, hand, self.scenario.requests)
        self.log(f"somebody else starts a task: {hand.differs}")

    async def _delete(self, number: int, at: float) -> None:
        await anyio.sleep(at)
        delete_clip(self.world, number)
        self.log(f"somebody deletes clip {number}")

    def _odds(self, is_post: bool) -> float:
        if self.is_healthy:
            return 0.0
        now = anyio.current_time()
        outages = [outage.odds for outage in self.scenario.outages if outage.begin <= now < outage.end]
        return max([self.scenario.posts if is_post else self.scenario.reads, *outages])

    def _rows(self) -> list[Row]:
        if not self.ledger.exists():
            return []
        with closing(sqlite3.connect(self.ledger)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM intents ORDER BY created")]

    def _facts(self, early_rows: list[Row], tasks: list[str]) -> Facts:
        scenario, policy = self.scenario, self.scenario.policy
        late = float(scenario.switches.get("late_in_scheduler", 0.0))
        made = made_in(self.world, self.traffic.accepted.made, late_in_scheduler=late)
        return Facts(
            sources=sources_of(self.world),
            made=made,
            posts=self.traffic.posts,
            asked=self.context.asked,
            rows=self._rows(),
            early_rows=early_rows,
            tasks=tasks,
            policy=SpendPolicy(
                policy.get("max_credits_per_call"), policy.get("max_credits_per_day"), policy.get("confirm_above")
            ),
            calm=not any(scenario.ahead) and not any(incident.fate == "jump" for incident in scenario.incidents),
            prompt=not self.incidents.held_up,
            crashes=self.machine.crashes,
            locked=self.incidents.locked,
            healed=self.healed,
            epoch=EPOCH,
            blind=[(outage.begin, min(outage.end, self.healed)) for outage in scenario.outages if outage.odds >= 1.0],
        )

    def _met(self) -> dict[str, int]:
        """The faults that were met, those of the wire and those of the stand-in's rules, and what else happened."""
        met = self.traffic.met.copy()
        for rule, drawn in zip(self.rules, self.scenario.rules, strict=True):
            met[f"{'POST' if rule.method == 'POST' else 'read'}: {_named(rule)}"] += drawn["times"] - (rule.times or 0)
        met[f"run: {self.scenario.theme}"] += 1
        for incident in self.scenario.incidents:
            met[f"process: {incident.fate}"] += 1
        return dict(met)


def _named(rule: Fault) -> str:
    """What a rule of the stand-in's did; HTTP errors are counted where they come in."""
    if rule.kind != "status":
        return _KINDS[rule.kind]
    if rule.status == _OK:
        return "odd answer with HTTP 200"
    return "of these, although handled" if rule.handled else "of these, made up and not handled"
