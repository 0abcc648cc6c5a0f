"""Plays one run over continuing on virtual time: calls, kills and troubles, then a healthy quarter of an hour."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import anyio
from anyio import CapacityLimiter

from runway_mcp.films.continuing.steps import JoinMade
from runway_mcp.runway.models import Extension
from runway_mcp.simulator.builders import add_video, small_world
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.switches import Switches, changed
from runway_mcp.simulator.world import World
from runway_mcp.tasks.catalogue import CREATE_MODELS
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.spend.continuation import make_continuation
from tests.campaign.continuing.draw import CLIPS
from tests.campaign.continuing.films import GreyFilms
from tests.campaign.continuing.judge import End, Facts, judge
from tests.campaign.continuing.links import ORIGIN
from tests.campaign.continuing.machine import ContinuingLoop, Life, Machine, Opened, Server, watch_threads
from tests.campaign.continuing.scenario import Ask, Scenario, Verdict, Wish
from tests.campaign.facts import Post
from tests.campaign.processes import Process
from tests.campaign.wire import POST, Traffic
from tests.campaign.worlds import heal
from tests.kit.clock import wall_clock

# After the troubles, in seconds: more than the ten minutes of looking.
QUIET = 900.0
# So long a last call and the film that comes of it may take, in seconds.
LAST = 900.0
# By how much a call may overstay its wait: a POST that it made is awaited for a while, and reads before it take theirs.
_OVERSTAY = 150.0
_LONGEST = 86_400.0

Log = Callable[[str], None]


def play(scenario: Scenario, folder: Path, *, log: Log = lambda _: None) -> Verdict:
    """Plays a scenario in an empty folder, and judges it."""
    verdict = judge(played(scenario, folder, log=log))
    for _, sentence in verdict.findings:
        log(f"FOUND: {sentence}")
    return verdict


def played(scenario: Scenario, folder: Path, *, log: Log = lambda _: None) -> Facts:
    """The facts of a scenario that was played in an empty folder."""
    random.seed(scenario.seed)
    run = partial(_play, scenario, folder, log)
    return anyio.run(run, backend_options={"loop_factory": ContinuingLoop})


async def _play(scenario: Scenario, folder: Path, log: Log) -> Facts:
    with anyio.fail_after(_LONGEST):
        return await _Run(scenario, folder, log).play()


class _Assets(list[Asset]):
    """The world's assets, which tells `uploaded` which POST of ours made which."""

    def __init__(self, assets: list[Asset]) -> None:
        super().__init__(assets)
        self.uploaded: list[tuple[Asset, Post]] = []

    def append(self, asset: Asset, /) -> None:
        super().append(asset)
        post = POST.get()
        if post is not None and asset.uploaded:
            self.uploaded.append((asset, post))


@dataclass
class _Run:
    """One run under way."""

    scenario: Scenario
    folder: Path
    log: Log
    ends: list[End] = field(default_factory=list[End])
    is_healthy: bool = False

    def __post_init__(self) -> None:
        scenario = self.scenario
        decoding = CapacityLimiter(1)
        watch_threads(decoding)
        self.world = world_of(scenario)
        self.assets = self.world.assets = _Assets(self.world.assets)
        self.traffic = Traffic(self.world, Random(scenario.seed), self._odds, self._say)  # noqa: S311  repeats
        self.traffic.trap = self._trap
        self.machine = Machine(self.folder, self.traffic, decoding, scenario.saves)
        self.servers = [
            Server(f"server {number}", self.machine, [kill for kill in scenario.kills if kill.server == number])
            for number in range(scenario.servers)
        ]
        self.films: dict[int, Intent] = {}

    async def play(self) -> Facts:
        """Plays, and tells what happened."""
        healed = anyio.current_time() + self.scenario.healed
        async with anyio.create_task_group() as supervision:
            for server in self.servers:
                supervision.start_soon(server.keep_up)
            with anyio.move_on_after(self.scenario.healed + QUIET):
                async with anyio.create_task_group() as calls:
                    for ask in self.scenario.asks:
                        calls.start_soon(self._asked, ask)
                    await anyio.sleep(self.scenario.healed)
                    self._heal()
            await anyio.sleep(max(0.0, healed + QUIET - anyio.current_time()))
            for server in self.servers:
                await server.renewed()
            await anyio.sleep(5.0)
            asked = {ask.wish for ask in self.scenario.asks}
            for number in range(len(self.scenario.wishes)):
                if number in asked:
                    await self._last(number)
            supervision.cancel_scope.cancel()
        if self.traffic.under_way:
            await asyncio.wait(self.traffic.under_way)
        return self._facts(healed)

    def _facts(self, healed: float) -> Facts:
        return Facts(
            self.scenario,
            self.world,
            self.folder,
            self.traffic.posts,
            self.assets.uploaded,
            self.ends,
            self.films,
            healed,
            tuple(self.machine.broken),
            tuple(self.machine.killed),
            dict(self.traffic.met),
        )

    def _say(self, text: str) -> None:
        self.log(f"{anyio.current_time():9.3f}  {text}")

    def _odds(self, is_post: bool) -> float:
        if self.is_healthy:
            return 0.0
        return self.scenario.posts if is_post else self.scenario.reads

    def _trap(self, process: Process, moment: str, post: Post) -> None:
        for server in self.servers:
            for life in server.lives[-1:]:
                if life.process is process:
                    life.trap(moment, post)

    def _heal(self) -> None:
        self._say("upstream is well from here on")
        self.is_healthy = True
        heal(self.world)
        self.world.link_faults.clear()
        self.world.switch(late_uploads=0.0)
        for server in self.servers:
            server.heal()

    async def _asked(self, ask: Ask) -> None:
        await anyio.sleep(ask.at)
        wish = self.scenario.wishes[ask.wish]
        life = await self.servers[ask.server].reached()
        if wish.onto is not None and wish.onto not in self.films:
            return
        await self._call(life, ask.wish, ask.wait)

    async def _last(self, number: int) -> None:
        """Asks for a wish at last, and follows its film to the end."""
        wish = self.scenario.wishes[number]
        if wish.onto is not None and wish.onto not in self.films:
            return
        life = await self.servers[-1].reached()
        await self._call(life, number, LAST, is_last=True)

    async def _call(self, life: Life, number: int, wait: float, *, is_last: bool = False) -> None:
        """One call within a life; ends with it."""
        end = End(number, anyio.current_time(), is_last=is_last)
        self.ends.append(end)
        done = anyio.Event()

        async def call() -> None:
            opened = life.opened
            try:
                if opened is not None:
                    with anyio.fail_after(wait + _OVERSTAY):
                        await self._told(opened, end, wait)
            except TimeoutError:
                end.crash = f"the call for wish {number} did not end"
            except Failure as failure:
                end.failure = failure
            except Exception as error:  # noqa: BLE001  a call that crashes is a finding
                end.crash = f"the call for wish {number} crashed: {error!r}"[:400]
            finally:
                if life.is_killed:
                    end.failure = end.crash = None
                end.ended = anyio.current_time()
                done.set()

        task = asyncio.get_running_loop().create_task(call(), context=life.context.copy())
        async with anyio.create_task_group() as race:

            async def mourn() -> None:
                await life.gone.wait()
                task.cancel()

            race.start_soon(mourn)
            await done.wait()
            race.cancel_scope.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self._say(f"wish {number}: {end}")

    async def _told(self, opened: Opened, end: End, wait: float) -> None:
        wish = self.scenario.wishes[end.wish]
        deadline = anyio.current_time() + wait
        service, continuations = opened.service, opened.continuations
        film = None if wish.onto is None else self.films[wish.onto]
        asked = self._request(wish, film)
        plan = await make_continuation(service.client, asked, CREATE_MODELS[wish.model], film=film)
        end.is_planned = True
        continued = await continuations.submit(service.submissions, plan, caller="", deadline=deadline, patience=30.0)
        end.intent = continued.intent
        async for intent, standing in continuations.changes(service, continued.intent, deadline):
            end.intent, end.standing = intent, standing
        failure = continuations.failure_of(end.intent)
        if failure is not None:
            raise failure
        if JoinMade.of(end.intent) is not None:
            self.films[end.wish] = end.intent

    def _request(self, wish: Wish, film: Intent | None) -> Extension:
        asset_id = film.film_id if film else self.world.asset_id(self.world.assets[wish.clip])
        return Extension(asset_id=asset_id, text_prompt=wish.prompt, seconds=wish.seconds, seed=wish.seed)


def world_of(scenario: Scenario) -> World:
    """The world as it stands when the run begins; its first assets are the clips, by number."""
    world = small_world(
        clock=anyio.current_time,
        wall=lambda: wall_clock() + scenario.skew,
        clips=0,
        pace=scenario.pace,
        films=GreyFilms(),
        switches=changed(Switches(), scenario.switches),
        permitted=1_000_000,
    )
    world.origin = ORIGIN
    for number in range(CLIPS):
        add_video(
            world,
            model="gen4",
            prompt=f"clip {number}",
            seconds=5,
            width=64,
            height=36,
            scene=number,
            age=9000.0 + number,
        )
    world.faults.extend(Fault(**rule) for rule in scenario.rules)
    world.link_faults.extend(LinkFault(**rule) for rule in scenario.link_rules)
    for script in scenario.scripts:
        world.script_next(**script)
    return world
