"""Builders: what adds accounts, assets and tasks to a world, a small world for tests, and the one of `simulate`."""

import time
from collections.abc import Callable
from typing import Any

from runway_mcp.simulator.media.films import HEIGHT, WIDTH, Film, Films, Form
from runway_mcp.simulator.records import KINDS, Account, Asset, Kind, MetadataForm, Task, file_name
from runway_mcp.simulator.submits import enqueue
from runway_mcp.simulator.switches import Switches
from runway_mcp.simulator.timeline import Script, timeline
from runway_mcp.simulator.world import TOKEN, World

EMAIL = "director@example.com"
_BASE_SEED = 358_000_000
_GIF = bytes.fromhex(
    "474946383961010001008000 00ffb46e000000 21f90400000000 00 2c000000000100010000 02024401003b".replace(" ", "")
)


def add_account(world: World, email: str, **fields: Any) -> Account:
    """Links an account, with the other fields of `Account` by name; returns it."""
    account = Account(email, **fields)
    world.accounts[email] = account
    return account


def add_video(
    world: World,
    *,
    email: str | None = None,
    model: str = "gen3a",
    prompt: str | None = None,
    seconds: float = 10,
    extended: int = 0,
    added: int | None = None,
    age: float = 3600.0,
    name: str | None = None,
    metadata: MetadataForm = "B",
    scene: int = 0,
    width: int | None = None,
    height: int | None = None,
    previews: int = 1,
    form: Form = Form(),  # noqa: B008  frozen
    options: dict[str, Any] | None = None,
) -> Asset:
    """Adds a finished film of `model`, made `age` seconds ago; returns its asset.

    It consists of a clip of `seconds` and `extended` extensions of `added` seconds each, whose tasks are listed while
    their earlier assets are deleted. Its size in pixels is by default that of the model.
    """
    kind = KINDS[model]
    width, height = width or kind.size[0], height or kind.size[1]
    account = _account(world, email)
    step = added or (kind.extends_by[-1] if kind.extends_by else 0)
    seed = _BASE_SEED + len(world.tasks)
    parent: Asset | None = None
    for count in range(extended + 1):
        made = world.now() - age - (extended - count) * 600.0
        film = Film(scene, seconds, (step,) * count, width=width, height=height, form=form)
        task = _finished(world, account, kind, made, prompt=prompt, seed=seed, seconds=step if count else seconds)
        if parent is not None and parent.task is not None:
            task.parent = parent
            task.options |= {"extended_from_task_id": world.task_id(parent.task), "extended_count": count}
        task.options |= options or {}
        parent = Asset(
            uuid=world.new_uuid(),
            email=account.email,
            name=name or file_name(kind, seed, prompt),
            created=made,
            film=film,
            duration=film.duration,
            width=width,
            height=height,
            metadata=metadata,
            task=task,
            previews=previews,
            deleted=count < extended,
        )
        task.artifacts.append(world.add_asset(parent))
    assert parent is not None  # noqa: S101  the range is never empty
    return parent


def add_upload(
    world: World,
    *,
    email: str | None = None,
    name: str = "holiday.mp4",
    seconds: float = 10,
    age: float = 7200.0,
    metadata: MetadataForm = "A",
    scene: int = 0,
    form: Form = Form(),  # noqa: B008  frozen
) -> Asset:
    """Adds a video that was uploaded, not made by a task, so that it cannot be extended; returns its asset."""
    return world.add_asset(
        Asset(
            uuid=world.new_uuid(),
            email=_account(world, email).email,
            name=name,
            created=world.now() - age,
            film=Film(scene, seconds, form=form),
            duration=seconds,
            width=WIDTH,
            height=HEIGHT,
            metadata=metadata,
            uploaded=True,
        )
    )


def add_image(world: World, *, email: str | None = None, name: str = "mood.gif", age: float = 10_800.0) -> Asset:
    """Adds an uploaded picture without metadata; returns its asset."""
    return world.add_asset(
        Asset(
            uuid=world.new_uuid(),
            email=_account(world, email).email,
            name=name,
            created=world.now() - age,
            media_type="image",
            content=_GIF,
            extension="gif",
            metadata="null",
            uploaded=True,
        )
    )


def add_task(
    world: World,
    *,
    email: str | None = None,
    model: str = "gen3a",
    prompt: str | None = "made by hand",
    seed: int = _BASE_SEED,
    parent: Asset | None = None,
    age: float = 0.0,
    options: dict[str, Any] | None = None,
    **script: Any,
) -> Task:
    """Adds a task that was started on Runway's website `age` seconds ago; `script` has the fields of `Script`.

    It takes a slot, the scheduler does not follow it, and it makes no film. `options` replace what Runway would show,
    `seconds` and `exploreMode` among them.
    """
    account = _account(world, email)
    task = _started(world, account, KINDS[model], world.now() - age, prompt=prompt, seed=seed, seconds=10)
    chosen: dict[str, Any] = {"outcome": "empty"} | script
    task.script = Script(**chosen)
    if parent is not None:
        task.parent = parent
        maker = parent.task
        task.options["extended_from_task_id"] = world.task_id(maker) if maker else None
        task.options["extended_count"] = (maker.extended_count if maker else 0) + 1
    task.options |= options or {}
    enqueue(world, task)
    return task


def small_world(
    *,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
    clips: int = 1,
    accounts: int = 1,
    pace: float = 8.0,
    films: Films | None = None,
    switches: Switches | None = None,
    token: str = TOKEN,
    form: Form = Form(),  # noqa: B008  frozen
    **account: Any,
) -> World:
    """A world of `accounts` accounts (their fields by name), the first of which has `clips` Gen-3 clips.

    The clips are 10 s long, named "Gen-3 Alpha …, clip 0" and so on, the first one newest.
    """
    world = World(clock=clock, wall=wall, pace=pace, films=films, switches=switches, token=token)
    for number in range(accounts):
        add_account(world, EMAIL if number == 0 else f"director-{number}@example.com", **account)
    for number in range(clips):
        add_video(world, email=EMAIL, prompt=f"clip {number}", age=3600.0 + 60.0 * number, form=form)
    return world


def seeded_world(
    *,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
    pace: float = 8.0,
    films: Films | None = None,
    switches: Switches | None = None,
    token: str = TOKEN,
    form: Form = Form(),  # noqa: B008  frozen
) -> World:
    """The world of `simulate` and the demo: one account with a clip of every sort, a beach at dusk first.

    The clips' files have this `form`.
    """
    world = World(clock=clock, wall=wall, pace=pace, films=films, switches=switches, token=token)
    add_account(world, EMAIL, permitted=2250, used=935)
    add_video(world, prompt="a quiet beach at dusk", age=900.0, form=form)
    add_video(world, model="gen3a_turbo", prompt="gulls over the pier", age=3600.0, metadata="A", scene=1, form=form)
    add_video(world, prompt="the long way home", extended=3, age=7200.0, metadata="null", scene=2, form=form)
    add_video(world, model="gen4", prompt="a lighthouse in fog", seconds=5, age=10_800.0, scene=3, form=form)
    add_upload(world, name="holiday.mp4", age=14_400.0, scene=4, form=form)
    add_image(world, name="mood.gif", age=18_000.0)
    return world


def _account(world: World, email: str | None) -> Account:
    return world.accounts[email] if email else next(iter(world.accounts.values()))


def _started(
    world: World, account: Account, kind: Kind, made: float, *, prompt: str | None, seed: int, seconds: float
) -> Task:
    name = file_name(kind, seed, prompt).removesuffix(".mp4")
    options: dict[str, Any] = {
        "name": name,
        "seconds": seconds,
        "text_prompt": prompt or "",
        "seed": seed,
        "exploreMode": False,
        "watermark": False,
        "enhance_prompt": True,
        "resolution": "720p",
        "assetGroupName": "Generative Video",
        "recordingEnabled": True,
    }
    return Task(
        uuid=world.new_uuid(),
        email=account.email,
        kind=kind,
        name=name,
        created=made,
        script=Script(),
        options=options,
    )


def _finished(
    world: World, account: Account, kind: Kind, made: float, *, prompt: str | None, seed: int, seconds: float
) -> Task:
    task = _started(world, account, kind, made - 60.0, prompt=prompt, seed=seed, seconds=seconds)
    task.ready = task.starts = made - 55.0
    task.ends = made
    task.moments = timeline(
        task.script, created=task.created, ready=task.ready, starts=task.starts, ends=task.ends, waiting="THROTTLED"
    )
    world.tasks.append(task)
    return task
