"""The world of a scenario, and what others do in it beside us."""

from collections.abc import Iterable
from contextlib import suppress

import anyio

from runway_mcp.simulator.library import EMAIL, add_task, add_video, small_world
from runway_mcp.simulator.orders import Order
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.refusals import Refusal
from runway_mcp.simulator.studio import extend
from runway_mcp.simulator.switches import Switches, changed
from runway_mcp.simulator.world import World
from runway_mcp.tasks.plan import Wish
from tests.campaign.scenario import CLIPS, Hand, Request, Scenario
from tests.upstream import wall_clock

OTHER = "director-1@example.com"


def build(scenario: Scenario) -> World:
    """The world as it stands when the run begins; its first assets are the clips, by number."""
    world = small_world(
        clock=anyio.current_time,
        wall=lambda: wall_clock() + scenario.skew,
        clips=0,
        accounts=2 if scenario.two_accounts else 1,
        pace=scenario.pace,
        switches=changed(Switches(), scenario.switches),
        **scenario.account,
    )
    for number in range(CLIPS):
        add_video(
            world,
            email=OTHER if scenario.two_accounts and number == CLIPS - 1 else EMAIL,
            model="gen3a_turbo" if scenario.turbo[number] else "gen3a",
            prompt=f"clip {number}",
            age=3600.0 + 60.0 * number,
        )
    for number in range(scenario.crowd):
        add_task(world, seed=number + 1, age=5000.0 + number, queue=0.0, duration=1.0)
    for script in scenario.scripts:
        world.script_next(**script)
    return world


def clip_of(world: World, number: int) -> Asset:
    """The clip of that number."""
    return world.assets[number]


def wish_of(world: World, request: Request) -> Wish:
    """The request as the room takes it."""
    clip = clip_of(world, request.clip)
    maker = clip.task
    return Wish(
        asset_id=world.task_id(maker) if request.by_task and maker else world.asset_id(clip),
        text_prompt=request.prompt,
        seconds=request.seconds,
        seed=request.seed,
        explore_mode=request.explore,
        reply_ref=request.reply_ref,
        max_jobs=request.max_jobs,
    )


def interfere(world: World, hand: Hand, requests: Iterable[Request]) -> None:
    """Starts a task that resembles a request but is not ours; not one that no one could tell from another request."""
    request = hand.request
    clip = clip_of(world, request.clip)
    if clip.task is None:
        return
    if hand.differs == "stranger's ref":
        order = Order(world.asset_id(clip), text_prompt="a stranger's", seed=request.seed, reply_ref=request.reply_ref)
        with suppress(Refusal):
            extend(world, order, clip.task.kind)
        return
    number = (request.clip + 1) % CLIPS if hand.differs == "other parent" else request.clip
    parent = clip_of(world, number)
    prompt = "by hand" if hand.differs == "other prompt" else request.prompt or ""
    seed = 99 if hand.differs == "other seed" else request.seed or 98
    seconds = effective_seconds(world, request)
    if hand.differs == "other length":
        seconds = 15 - seconds
    looks = (number, prompt, seed, seconds)
    alike = looks in [
        (other.clip, other.prompt or "", other.seed, effective_seconds(world, other)) for other in requests
    ]
    if alike and hand.differs != "older":
        return
    add_task(
        world,
        email=parent.email,
        model=clip.task.kind.task_type,
        prompt=prompt,
        seed=seed,
        parent=parent,
        age=1000.0 if hand.differs == "older" else 0.0,
        options={"seconds": seconds},
        duration=20.0,
    )


def effective_seconds(world: World, request: Request) -> int:
    """How many seconds a request adds."""
    task = clip_of(world, request.clip).task
    turbo = task is not None and task.kind.task_type == "gen3a_turbo"
    return 8 if turbo else request.seconds or 5


def heal(world: World) -> None:
    """Makes upstream well: it answers every request, and shows every task at once."""
    world.faults.clear()
    world.scripts.clear()
    lists = "wrapped" if world.switches.task_list == "object" else world.switches.task_list
    world.switch(brief_404=0.0, late_in_lists=0.0, late_in_scheduler=0.0, gen3_gone=False, task_list=lists)
