"""The world of a scenario, what others do in it beside us, and what it tells the judge in the end."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import anyio

from runway_mcp.simulator.api.refusals import Refusal
from runway_mcp.simulator.api.requests import ExtendRequest
from runway_mcp.simulator.builders import EMAIL, add_task, add_video, small_world
from runway_mcp.simulator.records import Asset, Task
from runway_mcp.simulator.submits import extend
from runway_mcp.simulator.switches import Switches, changed
from runway_mcp.simulator.world import World
from tests.campaign.facts import Made, Post, Source
from tests.campaign.scenario import CLIPS, Hand, Request, Scenario
from tests.kit.clock import wall_clock

OTHER = "director-1@example.com"

# A task by hand that resembles ours in everything runs for longer than any run: a finished one nobody could tell apart.
_FOR_EVER = 365 * 86_400.0


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


def source_of(world: World, arguments: Mapping[str, Any]) -> str | None:
    """The film that a call means, as the world knows it; None for a name that leads to none."""
    named = str(arguments.get("assetId", "")).rpartition("/")[2]
    for asset in world.assets:
        if named in (world.asset_id(asset), asset.uuid):
            return world.asset_id(asset)
    made = next((task for task in world.tasks if named in (world.task_id(task), task.uuid)), None)
    return world.asset_id(made.artifacts[0]) if made and made.artifacts else None


def sources_of(world: World) -> dict[str, Source]:
    """Every film that a call may have meant."""
    films = [(asset, asset.task) for asset in world.assets]
    return {world.asset_id(asset): Source(world.asset_id(asset), task.kind.task_type) for asset, task in films if task}


def made_in(world: World, ours: Iterable[tuple[Post, Task]], *, late_in_scheduler: float) -> list[Made]:
    """What upstream accepted, from whomever; tells each POST of its task.

    `late_in_scheduler` is how late the scheduler showed tasks while upstream was not well.
    """
    posts = {id(task): post for post, task in ours}
    lists = world.switches.reply_in_list
    is_silent = world.switches.task_error == "null"  # then nothing shows that a task failed by moderation
    made: list[Made] = []
    for task in world.tasks:
        post = posts.get(id(task))
        each = Made(
            task_id=world.task_id(task),
            accepted=task.created,
            cost=task.cost,
            outcome="fail" if is_silent and task.script.outcome == "moderate" else task.script.outcome,
            status=task.moments[-1].status,
            ends=task.ends,
            films=tuple(world.asset_id(asset) for asset in task.artifacts),
            films_at=task.ends + world.switches.late_films,
            post=post.number if post else None,
            shown=not task.hidden,
            named=lists or late_in_scheduler == 0.0,
        )
        made.append(each)
        if post:
            post.made = each
    return made


def delete_clip(world: World, number: int) -> None:
    """Somebody deletes a clip; the task that made it stays."""
    clip_of(world, number).deleted = True
    world.notify()


def interfere(world: World, hand: Hand, requests: Iterable[Request]) -> None:
    """Starts a task that resembles a request but is not ours; not one that no one could tell from another request."""
    request = hand.request
    clip = clip_of(world, request.clip)
    if clip.task is None:
        return
    if hand.differs == "stranger's ref":
        order = ExtendRequest(world.asset_id(clip), text_prompt="a stranger's", seed=request.seed, reply_ref="film-1")
        with suppress(Refusal):
            extend(world, order, clip.task.kind)
        return
    number = (request.clip + 1) % CLIPS if hand.differs == "other parent" else request.clip
    prompt = "by hand" if hand.differs == "other prompt" else request.prompt or ""
    seed = 99 if hand.differs == "other seed" else request.seed or 98
    seconds = effective_seconds(world, request)
    if hand.differs == "other length":
        seconds = 15 - seconds
    looks = (number, prompt, seed, seconds)
    alike = looks in [
        (other.clip, other.prompt or "", other.seed, effective_seconds(world, other)) for other in requests
    ]
    if alike and hand.differs not in ("older", "look-alike"):
        return
    parent = clip_of(world, number)
    add_task(
        world,
        email=parent.email,
        model=clip.task.kind.task_type,
        prompt=prompt,
        seed=seed,
        parent=parent,
        age=1000.0 if hand.differs == "older" else 0.0,
        options={"seconds": seconds},
        duration=_FOR_EVER if hand.differs == "look-alike" else 20.0,
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
