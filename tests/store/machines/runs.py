"""One run of a campaign: requests made again and again at two servers, faults meanwhile, and the judgement in peace."""

import logging
import os
import random
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import psycopg
from mcp.client.client import Client

from runway_mcp.simulator.world import World
from tests.kit.machines import Machine
from tests.kit.upstream import fault
from tests.store.campaign import SPOILS
from tests.store.machines.acts import ACTS, STANDBY_ACTS, WEIGHTS, Act, fail_over, rebuild
from tests.store.machines.judge import Ends, accepted, forgotten, is_too_long, unowned, waited_for_a_processor, watched
from tests.store.machines.scene import Replica, Scene

# How long a run may take, a call, and the repeated calls of one request in the end, in seconds.
_RUN_SECONDS, _CALL_SECONDS, _PEACE_SECONDS = 420.0, 15.0, 100.0
_REQUESTS = 3
_log = logging.getLogger(__name__)


@dataclass
class Run:
    """What a run came to: counts by what happened, and what was found.

    `unfollowed` is for each task how long its end was unknown after it could have been known, in seconds; `slowest`
    how long after the faults all ends were known; `starved` for how long its processes had no processor meanwhile.
    """

    seed: int
    counts: Counter[str] = field(default_factory=Counter[str])
    unfollowed: list[float] = field(default_factory=list[float])
    slowest: float = 0.0
    starved: float = 0.0
    found: list[str] = field(default_factory=list[str])


async def play(scene: Scene, seed: int) -> Run:
    """Plays the run of a seed; all machines run when it ends, and a standby is there if the scene has one."""
    run, draw = Run(seed), random.Random(seed)  # noqa: S311  to be repeated
    scene.world.pace = draw.uniform(0.3, 6.0)
    for rule in draw.sample(SPOILS, draw.randint(0, 2)):
        fault(scene.world, **rule)
    prompts = tuple(f"request {number} of {seed}" for number in range(_REQUESTS))
    try:
        with anyio.fail_after(_RUN_SECONDS):
            await _played(run, draw, scene, prompts)
    except TimeoutError:
        run.found.append("it did not end")
    return run


async def _played(run: Run, draw: random.Random, scene: Scene, prompts: Sequence[str]) -> None:
    has_standby = len(scene.databases.servers) > 1
    async with anyio.create_task_group() as group:
        for _ in range(draw.randint(3, 6)):
            moment, prompt, replica = (
                draw.uniform(0, 5.0 if has_standby else 2.0),
                draw.choice(prompts),
                draw.choice(scene.replicas),
            )
            group.start_soon(_call, run, scene.world, replica.machine, moment, prompt, draw.choice((0, 0, 4)))
        acts = _acts(draw, has_standby=has_standby)
        for act in acts:
            group.start_soon(_act, run, draw.uniform(0, 3.0), act, random.Random(draw.random()), scene)  # noqa: S311  as above
        if has_standby:
            own = random.Random(draw.random())  # noqa: S311  as above
            group.start_soon(_failed_over, run, draw.uniform(0, 1.5), own, scene, prompts)
    scene.world.faults.clear()
    await _start_all(scene)
    await _judged_in_peace(run, draw, scene, prompts)
    if has_standby:
        await rebuild(scene)
    await _start_all(scene)


def _acts(draw: random.Random, *, has_standby: bool) -> Sequence[Act]:
    if has_standby:
        return draw.choices(STANDBY_ACTS, k=draw.randint(0, 2))
    return draw.choices(ACTS, WEIGHTS, k=draw.randint(1, 4))


async def _start_all(scene: Scene) -> None:
    for replica in scene.replicas:
        await replica.machine.start()


async def _call(run: Run, world: World, machine: Machine, moment: float, prompt: str, wait: int) -> None:
    await anyio.sleep(moment)
    told = await _told(world, machine, prompt, wait=wait)
    run.counts[f"told {told.get('status') or told.get('error', {}).get('kind') or 'nothing'}"] += 1


async def _told(world: World, machine: Machine, prompt: str, *, wait: int) -> dict[str, Any]:
    """The structured content of a call, empty if it was cut off."""
    arguments = {"assetId": world.asset_id(world.assets[0]), "text_prompt": prompt, "wait_seconds": wait}
    with anyio.move_on_after(_CALL_SECONDS):
        try:
            if machine.served is not None:
                async with Client(machine.served.mcp) as client:
                    result = await client.call_tool("extend_video", arguments)
                return result.structured_content or {}
        except Exception as error:  # noqa: BLE001  whatever a client of a server that is ended meets
            _log.info("%s", error)
    return {}


async def _act(run: Run, moment: float, act: Act, draw: random.Random, scene: Scene) -> None:
    await anyio.sleep(moment)
    run.counts[f"fault: {act.__name__}"] += 1
    with suppress(psycopg.Error):
        await act(draw, scene)


async def _failed_over(run: Run, moment: float, draw: random.Random, scene: Scene, prompts: Sequence[str]) -> None:
    """Fails over, and asks the promoted ledger at once for each task that upstream has accepted by then.

    Mostly that is some time after the first one was accepted.
    """
    if draw.random() < 0.8:
        with anyio.move_on_after(_CALL_SECONDS):
            while not accepted(scene.world, prompts):  # noqa: ASYNC110  the stand-in has no event for it
                await anyio.sleep(0.05)
    await anyio.sleep(moment)
    await fail_over(draw, scene)
    run.counts["fault: fail_over"] += 1
    made = accepted(scene.world, prompts)
    run.counts["tasks accepted before the fail-over"] += len(made)
    if gone := await forgotten(scene.databases.url, made):
        run.found.append(f"posted, and not in the promoted ledger: {gone}")


async def _judged_in_peace(run: Run, draw: random.Random, scene: Scene, prompts: Sequence[str]) -> None:
    """Repeats each request at the servers that are left, and judges; with luck one is not left, from now on."""
    luck, out = draw.random(), draw.choice(scene.replicas)
    left = [replica for replica in scene.replicas if luck > 0.4 or replica is not out]
    if luck < 0.2:
        run.counts["one machine alone in the end, the other killed"] += 1
        await out.machine.end(signal.SIGKILL)
    elif luck < 0.4:
        run.counts["one machine alone in the end, the other standing still"] += 1
        out.machine.stop()
    peace = anyio.current_time()
    ends, settled, waited = Ends(peace), anyio.Event(), waited_for_a_processor(_processes(scene))

    async def settle() -> None:
        async with anyio.create_task_group() as calls:
            for prompt in prompts:
                calls.start_soon(_repeat, run, scene, left, prompt)
        settled.set()

    async with anyio.create_task_group() as group:
        group.start_soon(settle)
        await watched(ends, scene, prompts, settled)
    run.slowest = anyio.current_time() - peace
    if luck < 0.4:
        # Whatever it had begun before it stood still, a POST included, has to come to the same end.
        out.machine.go_on()
        await out.machine.start()
        ends.peace = anyio.current_time()
        for prompt in prompts:
            await _told(scene.world, out.machine, prompt, wait=1)
        await watched(ends, scene, prompts, settled)
    waits = waited_for_a_processor(_processes(scene))
    run.starved = sum(seconds - waited.get(pid, 0.0) for pid, seconds in waits.items())
    await _judge(run, ends, scene, prompts)


def _processes(scene: Scene) -> list[int]:
    """The process that upstream and the calls run in, and those of the servers that run."""
    servers = [replica.machine.served for replica in scene.replicas]
    return [os.getpid(), *(served.program.process.pid for served in servers if served is not None)]


async def _repeat(run: Run, scene: Scene, left: Sequence[Replica], prompt: str) -> None:
    """Makes a request until its outcome is told, and goes without one where upstream has nothing to tell of."""
    begun, kinds = anyio.current_time(), list[str]()
    with anyio.move_on_after(_PEACE_SECONDS):
        while True:
            for replica in left:
                told = await _told(scene.world, replica.machine, prompt, wait=1)
                at = anyio.current_time() - begun
                kinds.append(f"{at:.0f} s at {left.index(replica)}: {told.get('summary', 'nothing')[:160]}")
                kind = told.get("error", {}).get("kind")
                if told.get("taskId"):
                    run.counts["requests with a task in the end"] += 1
                    return
                if kind == "submission_unknown" and not accepted(scene.world, [prompt]):
                    run.counts["requests that are unclear, of which upstream has nothing"] += 1
                    return
            await anyio.sleep(0.2)
    made = [scene.world.task_id(task)[-8:] for task in accepted(scene.world, [prompt])]
    run.found.append(f"{prompt}: no outcome, accepted {made}; told last: {kinds[-4:]}")


async def _judge(run: Run, ends: Ends, scene: Scene, prompts: Sequence[str]) -> None:
    for prompt in prompts:
        made = accepted(scene.world, [prompt])
        run.counts["tasks accepted"] += len(made)
        if len(made) > 1:
            run.found.append(
                f"{prompt}: accepted {len(made)} times, seeds {[task.options.get('seed') for task in made]}"
            )
    made = accepted(scene.world, prompts)
    if lost := await unowned(scene, made):
        run.found.append(f"without an owner: {lost}")
    for task in made:
        unfollowed = ends.unfollowed(scene.world.task_id(task), task.ends)
        if unfollowed is None:
            since = anyio.current_time() - max(task.ends, ends.peace)
            run.found.append(f"{task.options['text_prompt']}: an end that nobody saw for {since:.0f} s")
            continue
        run.unfollowed.append(unfollowed)
        if is_too_long(unfollowed, starved=run.starved):
            without = f"{run.starved:.1f} s without a processor"
            run.found.append(f"{task.options['text_prompt']}: unfollowed for {unfollowed:.1f} s, {without}")
