"""Submits: requests are accepted and charged, queued in their account, and stopped; extensions among them.

The order of the checks is upstream's as far as it shows: request, asset, useapi's cap, Runway's cap, moderation,
credits.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count, islice
from typing import Any

from runway_mcp.simulator.api import refusals
from runway_mcp.simulator.api.refusals import Refusal
from runway_mcp.simulator.api.requests import MAX_SEED, ExtendRequest, SubmitRequest
from runway_mcp.simulator.records import MAX_EXTENSIONS, Account, Asset, Kind, Task, file_name
from runway_mcp.simulator.timeline import Script, timeline
from runway_mcp.simulator.world import World

QUEUED_SHARE = 0.1
"""The part of the pace for which a task waits before it runs."""


def extend(world: World, request: ExtendRequest, kind: Kind) -> Task:
    """Accepts an extension and charges for it; raises `Refusal`, and charges nothing, where upstream would refuse."""
    asset = asset_of(world, request.asset_id, "assetId")
    account = world.account(asset.email)
    failure = _coming_failure(world, asset, kind)
    script = admitted(world, account, request)
    if failure:
        script = failing(script, failure)
    seconds = kind.extends_by[0] if len(kind.extends_by) == 1 else request.seconds or kind.extends_by[0]
    cost = affordable(world, account, request, seconds * kind.credits_per_second)
    task = new_task(world, account, kind, request, _options(world, request, asset, seconds))
    task.cost, task.script, task.parent = cost, script, asset
    accept(world, task, _films(world, asset, seconds))
    return task


def asset_of(world: World, asset_id: str, parameter: str) -> Asset:
    """The asset that a submit names in this parameter; raises `Refusal` if it is malformed or unknown."""
    prefix = f"user:{world.user_id}-runwayml:"
    email, mark, bare = asset_id.removeprefix(prefix).rpartition("-asset:")
    long = asset_id.startswith(prefix) and bool(mark)
    if not long and not world.switches.bare_ids:
        raise refusals.refused(400, f"Parameter {parameter} has an incorrect format: {asset_id[:200]}")
    if long:
        world.account(email)
    asset = world.find_asset(asset_id)
    if asset is None:
        raise refusals.no_asset(bare)
    return asset


def admitted(world: World, account: Account, request: SubmitRequest) -> Script:
    """How the request's task will go; raises `Refusal` if the account has no room for it, or for its prompt."""
    _check_slots(world, account, request.max_jobs)
    return _moderated(world, request.text_prompt or "", world.scripts[0] if world.scripts else Script())


def failing(script: Script, sentence: str, reason: str = "") -> Script:
    """The script of a task that fails and says this."""
    return replace(script, outcome="fail", error={"errorMessage": sentence, "reason": reason, "message": sentence})


def affordable(world: World, account: Account, request: SubmitRequest, price: int) -> int:
    """What the account pays for it, nothing in explore mode; raises `Refusal` if it cannot."""
    if request.explore and not account.unlimited:
        raise refusals.refused(400, "Explore mode requires Runway Unlimited plan.")
    cost = 0 if request.explore else price
    if cost > world.remaining(account.email):
        raise refusals.no_credits(code=world.switches.code_in_412)
    return cost


def new_task(world: World, account: Account, kind: Kind, request: SubmitRequest, options: dict[str, Any]) -> Task:
    """A task of the request, named after its seed and prompt, which it also tells among its options."""
    seed = request.seed or world.random.randint(1, MAX_SEED)
    name = file_name(kind, None if world.switches.hidden_seeds else seed, request.text_prompt).removesuffix(".mp4")
    told = {"name": name, "text_prompt": request.text_prompt or "", "seed": seed}
    return Task(
        uuid=world.new_uuid(),
        email=account.email,
        kind=kind,
        name=name,
        created=world.now(),
        script=Script(),
        options=told | options,
        by_api=True,
        followed=True,
        reply_url=request.reply_url or world.reply_url,
        reply_ref=request.reply_ref,
    )


def accept(world: World, task: Task, films: Iterable[dict[str, Any]]) -> None:
    """Queues and charges the task; of the films, given as fields of `Asset`, its script lets it make none, one or two.

    Their assets exist from the task's end.
    """
    del world.scripts[:1]
    enqueue(world, task)
    for fields in islice(films, {"succeed": 1, "several": 2}.get(task.script.outcome, 0)):
        asset = Asset(
            uuid=world.new_uuid(),
            email=task.email,
            name=f"{task.name}.mp4",
            created=task.created,
            task=task,
            **fields,
        )
        task.artifacts.append(world.add_asset(asset))
    world.accepted.append(task)
    world.charged[task.email] += task.cost
    world.notify()


def enqueue(world: World, task: Task) -> None:
    """Adds the task to the queue of its account, which fixes its times."""
    queue = task.script.queue
    task.ready = task.created + (world.pace * QUEUED_SHARE if queue is None else queue)
    world.tasks.append(task)
    _schedule(world, task)


def delete(world: World, task: Task) -> None:
    """Hides the task, or stops it and moves up those behind it, by the switch `delete_task`; hides a finished one."""
    now = world.now()
    if world.switches.delete_task == "forgets" or task.ended(now):
        task.hidden = True
        return
    shown = task.moment(now)
    kept = [moment for moment in task.moments if moment.at <= now and not moment.last]
    task.script = replace(task.script, outcome="cancel")
    task.ends = now
    task.moments = (*kept, replace(shown, at=now, status="CANCELLED", last=True))
    for asset in task.artifacts:
        world.assets.remove(asset)
    task.artifacts.clear()
    for waiting in world.tasks:
        if waiting.email == task.email and waiting.starts > now and waiting is not task:
            _schedule(world, waiting)
    world.notify()


def busy(world: World, account: Account, cap: int) -> Refusal:
    """The 429 of useapi itself, which names the account's running tasks."""
    entries = [
        {"email": task.email, "taskId": world.task_id(task), "id": task.uuid, **world.references(task)}
        for task in world.running(account.email)
    ]
    return refusals.busy(account.email, cap, entries, retry_after=world.switches.retry_after)


def _coming_failure(world: World, asset: Asset, kind: Kind) -> str | None:
    """The reason for which the accepted task will fail, if any; raises `Refusal` for an asset that is refused."""
    if world.switches.gen3_gone:
        raise refusals.refused(400, world.switches.gen3_words)
    task = asset.task
    if asset.media_type != "video" or task is None or task.kind is not kind:
        return _refuse_or_fail(world.switches.wrong_model, f"The asset is not a {kind.title} video.")
    if task.extended_count >= MAX_EXTENSIONS:
        sentence = f"The video has already been extended {MAX_EXTENSIONS} times."
        return _refuse_or_fail(world.switches.fourth_extension, sentence)
    return None


def _refuse_or_fail(answer: str, sentence: str) -> str:
    if answer == "failed":
        return sentence
    raise refusals.refused(int(answer), sentence)


def _check_slots(world: World, account: Account, max_jobs: int | None) -> None:
    """Raises `Refusal` if the account has no room for another task."""
    cap = max_jobs or account.max_jobs
    if len(world.running(account.email)) >= cap:
        raise busy(world, account, cap)
    limit = account.runway_limit
    if limit is None and world.switches.over_slots == "429":
        limit = account.slots
    now = world.now()
    if limit is not None and sum(t.email == account.email and not t.ended(now) for t in world.tasks) >= limit:
        raise refusals.throttled(code=world.switches.code_in_429b, retry_after=world.switches.retry_after)


def _moderated(world: World, prompt: str, script: Script) -> Script:
    switches = world.switches
    if switches.moderated_word in prompt.lower():
        if switches.moderation != "failed":
            raise refusals.moderated(int(switches.moderation))
        return replace(script, outcome="moderate")
    return replace(script, outcome="fail") if switches.broken_word in prompt.lower() else script


def _options(world: World, request: ExtendRequest, asset: Asset, seconds: int) -> dict[str, Any]:
    parent = asset.task
    return {
        "seconds": seconds,
        "exploreMode": request.explore,
        "watermark": False,
        "extended_from_task_id": world.task_id(parent) if parent else None,
        "image_as_end_frame": False,
        "assetGroupName": "Generative Video",
        "extended_count": (parent.extended_count if parent else 0) + 1,
        "recordingEnabled": True,
    }


def _films(world: World, source: Asset, seconds: int) -> Iterator[dict[str, Any]]:
    """The source made longer, then takes of it in other scenes."""
    tail = world.switches.result == "tail"
    for number in count():
        yield {
            "film": source.film
            and replace(source.film, scene=source.film.scene + number, added=(*source.film.added, seconds), tail=tail),
            "duration": seconds if tail else (source.duration or 0) + seconds,
            "width": source.width,
            "height": source.height,
            "metadata": source.metadata,
            "previews": source.previews,
        }


def _schedule(world: World, task: Task) -> None:
    """Fixes when the task starts and ends: it starts once it is ready and the tasks ahead of it leave a slot."""
    slots = world.accounts[task.email].slots
    ends = sorted((other.ends for other in _ahead(world, task)), reverse=True)
    able = task.ready + (world.switches.throttled_for if task.by_api else 0.0)
    task.starts = max(able, ends[slots - 1]) if len(ends) >= slots else able
    duration = task.script.duration
    task.ends = task.starts + (world.pace * (1 - QUEUED_SHARE) if duration is None else duration)
    waiting = "PENDING" if world.switches.over_slots == "PENDING" else "THROTTLED"
    task.moments = timeline(
        task.script, created=task.created, ready=task.ready, starts=task.starts, ends=task.ends, waiting=waiting
    )


def _ahead(world: World, task: Task) -> Iterator[Task]:
    for other in world.tasks[: world.tasks.index(task)]:
        if other.email == task.email and other.ends > task.created:
            yield other
