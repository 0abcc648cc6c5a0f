"""The arguments with which a host asks for a request: the same request, spelled in one of many ways."""

import unicodedata
from collections.abc import Sequence
from typing import Any

from runway_mcp.simulator.world import World
from tests.campaign.scenario import Act, Spelling
from tests.campaign.worlds import clip_of


def spelled(world: World, act: Act, earlier: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The arguments of an act's call; `earlier` are the results of calls for the same request."""
    request, way = act.request, act.spelling
    clip = clip_of(world, request.clip)
    turbo = clip.task is not None and clip.task.kind.task_type == "gen3a_turbo"
    seconds = 5 if request.seconds is None and way.default_seconds else request.seconds
    given: dict[str, Any] = {
        "assetId": _named(world, act),
        "text_prompt": _worded(request.prompt, way),
        "seconds": None if turbo else seconds,
        "seed": request.seed,
        "exploreMode": True if request.explore else (False if way.explicit_explore else None),
        "replyRef": way.reply_ref,
        "maxJobs": way.max_jobs,
        "wait_seconds": act.wait,
        "dry_run": True if act.dry else None,
    }
    for name in way.copied:
        told = [content[name] for content in earlier if content.get(name) is not None]
        if told and given[name] is None:
            given[name] = told[-1]
    return {name: value for name, value in given.items() if value is not None}


def _named(world: World, act: Act) -> str:
    clip = clip_of(world, act.request.clip)
    asset = world.asset_id(clip)
    task = world.task_id(clip.task) if clip.task else asset
    ways = {"asset": asset, "task": task, "asset uri": f"runway://assets/{asset}", "task uri": f"runway://tasks/{task}"}
    return ways[act.spelling.naming]


def _worded(prompt: str | None, way: Spelling) -> str | None:
    if prompt is None:
        return None
    worded = unicodedata.normalize("NFD", prompt) if way.decomposed else prompt
    return f"  {worded} \n" if way.blanks else worded
