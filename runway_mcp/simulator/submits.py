"""Submits: extensions are accepted and charged, queued in their account, and stopped.

The order of the checks is upstream's as far as it shows: request, asset, useapi's cap, Runway's cap, moderation,
credits.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from runway_mcp.simulator import refusals
from runway_mcp.simulator.records import MAX_EXTENSIONS, Account, Asset, Kind, Task, file_name
from runway_mcp.simulator.refusals import Refusal
from runway_mcp.simulator.requests import MAX_SEED, ExtendRequest
from runway_mcp.simulator.timeline import Script, timeline
from runway_mcp.simulator.world import World

QUEUED_SHARE = 0.1
"""The part of the pace for which a task waits before it runs."""


def extend(world: World, request: ExtendRequest, kind: Kind) -> Task:
    """Accepts an extension and charges for it; raises `Refusal`, and charges nothing, where upstream would refuse."""
    asset = _source(world, request)
    account = world.account(asset.email)
    failure = _coming_failure(world, asset, kind)
    _check_slots(world, account, request.max_jobs)
    script = _moderated(world, request.text_prompt or "", world.scripts[0] if world.scripts else Script())
    if failure:
        script = replace(script, outcome="fail", error={"errorMessage": failure, "reason": "", "message": failure})
    seconds = kind.extends_by[0] if len(kind.extends_by) == 1 else request.seconds or kind.extends_by[0]
    if request.explore and not account.unlimited:
        raise refusals.refused(400, "Explore mode requires Runway Unlimited plan.")
    cost = 0 if request.explore else seconds * kind.credits_per_second
    if cost > world.remaining(account.email):
        raise refusals.no_credits(code=world.switches.code_in_412)
    del world.scripts[:1]
    task = _task(world, request, kind, asset, seconds)
    task.cost, task.script = cost, script
    enqueue(world, task)
    _add_films(world, task, asset, seconds)
    world.accepted.append(task)
    world.charged[account.email] += cost
    world.notify()
    return task


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


def _source(world: World, request: ExtendRequest) -> Asset:
    prefix = f"user:{world.user_id}-runwayml:"
    email, mark, bare = request.asset_id.removeprefix(prefix).rpartition("-asset:")
    long = request.asset_id.startswith(prefix) and bool(mark)
    if not long and not world.switches.bare_ids:
        raise refusals.refused(400, f"Parameter assetId has an incorrect format: {request.asset_id[:200]}")
    if long:
        world.account(email)
    asset = world.find_asset(request.asset_id)
    if asset is None:
        raise refusals.no_asset(bare)
    return asset


def _coming_failure(world: World, asset: Asset, kind: Kind) -> str | None:
    """The reason for which the accepted task will fail, if any; raises `Refusal` for an asset that is refused."""
    if world.switches.gen3_gone:
        raise refusals.refused(400, "Runway website no longer supports Gen-3. Consider migrating to Gen-4.x.")
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


def _task(world: World, request: ExtendRequest, kind: Kind, asset: Asset, seconds: int) -> Task:
    parent = asset.task
    seed = request.seed or world.random.randint(1, MAX_SEED)
    name = file_name(kind, seed, request.text_prompt).removesuffix(".mp4")
    options: dict[str, Any] = {
        "name": name,
        "text_prompt": request.text_prompt or "",
        "seed": seed,
        "seconds": seconds,
        "exploreMode": request.explore,
        "watermark": False,
        "extended_from_task_id": world.task_id(parent) if parent else None,
        "image_as_end_frame": False,
        "assetGroupName": "Generative Video",
        "extended_count": (parent.extended_count if parent else 0) + 1,
        "recordingEnabled": True,
    }
    return Task(
        uuid=world.new_uuid(),
        email=asset.email,
        kind=kind,
        name=name,
        created=world.now(),
        script=Script(),
        options=options,
        by_api=True,
        followed=True,
        reply_url=request.reply_url or world.reply_url,
        reply_ref=request.reply_ref,
        parent=asset,
    )


def _add_films(world: World, task: Task, source: Asset, seconds: int) -> None:
    """Adds the assets that the task makes; each exists from the task's end."""
    films = {"succeed": 1, "several": 2}.get(task.script.outcome, 0)
    tail = world.switches.result == "tail"
    for number in range(films):
        film = source.film and replace(
            source.film, scene=source.film.scene + number, added=(*source.film.added, seconds), tail=tail
        )
        asset = Asset(
            uuid=world.new_uuid(),
            email=task.email,
            name=f"{task.name}.mp4",
            created=task.created,
            film=film,
            duration=seconds if tail else (source.duration or 0) + seconds,
            width=source.width,
            height=source.height,
            metadata=source.metadata,
            task=task,
            previews=source.previews,
        )
        task.artifacts.append(world.add_asset(asset))


def _schedule(world: World, task: Task) -> None:
    """Fixes when the task starts and ends: it starts once it is ready and the tasks ahead of it leave a slot."""
    slots = world.accounts[task.email].slots
    ends = sorted((other.ends for other in _ahead(world, task)), reverse=True)
    task.starts = max(task.ready, ends[slots - 1]) if len(ends) >= slots else task.ready
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
