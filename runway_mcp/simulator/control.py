"""The control endpoints under /simulator: the state so far, and what happens next. For loopback callers alone."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runway_mcp.simulator.builders import add_task, add_video
from runway_mcp.simulator.faults import FaultError, fault
from runway_mcp.simulator.links.faults import link_fault
from runway_mcp.simulator.media.films import Form
from runway_mcp.simulator.records import Task
from runway_mcp.simulator.switches import SwitchError
from runway_mcp.simulator.world import World

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost", "testclient"})


async def controlled(world: World, request: Request, action: Callable[[World, Any], Any]) -> Response:
    """Answers with what the action returns; 403 for a caller that is not on loopback, 400 for a bad body."""
    if request.client is not None and request.client.host not in LOOPBACK:
        return JSONResponse({"error": "The control surface answers loopback callers only."}, 403)
    try:
        raw = await request.body()
        return JSONResponse(action(world, json.loads(raw) if raw else {}))
    except (ValueError, TypeError, KeyError, FaultError, SwitchError) as error:
        return JSONResponse({"error": str(error)}, 400)


def read_state(world: World, _: Any) -> dict[str, Any]:
    """Requests by pattern, accepted submits, credits, tasks, assets, switches, and the faults left."""
    return {
        "requests": dict(world.requests),
        "accepted": [world.task_id(task) for task in world.accepted],
        "charged": dict(world.charged),
        "remaining": {email: world.remaining(email) for email in world.accounts},
        "tasks": [_task_fields(world, task) for task in world.tasks],
        "assets": [{"assetId": world.asset_id(asset), "name": asset.name} for asset in world.assets],
        "switches": asdict(world.switches),
        "faults": len(world.faults),
        "link_faults": len(world.link_faults),
    }


def set_switches(world: World, changes: Any) -> dict[str, Any]:
    """Sets the switches named in a JSON object; returns all of them."""
    world.switch(**changes)
    return asdict(world.switches)


def add_faults(world: World, described: Any) -> dict[str, int]:
    """Adds a fault, or a list of them; returns how many wait."""
    several: list[Any] = described if isinstance(described, list) else [described]  # pyright: ignore[reportUnknownVariableType]  a stranger's JSON
    rules = [fault(each) for each in several]
    world.faults.extend(rules)
    return {"faults": len(world.faults)}


def clear_faults(world: World, _: Any) -> dict[str, int]:
    """Removes every fault."""
    world.faults.clear()
    return {"faults": 0}


def add_link_faults(world: World, described: Any) -> dict[str, int]:
    """Adds a fault of links, or a list of them; returns how many wait."""
    several: list[Any] = described if isinstance(described, list) else [described]  # pyright: ignore[reportUnknownVariableType]  a stranger's JSON
    rules = [link_fault(each) for each in several]
    world.link_faults.extend(rules)
    return {"link_faults": len(world.link_faults)}


def clear_link_faults(world: World, _: Any) -> dict[str, int]:
    """Removes every fault of links; links that died stay dead."""
    world.link_faults.clear()
    return {"link_faults": 0}


def add_script(world: World, script: Any) -> dict[str, int]:
    """Queues a script for the next accepted task, with the fields of `Script`; returns how many wait."""
    world.script_next(**_scripted(script))
    return {"scripts": len(world.scripts)}


def create_task(world: World, described: Any) -> dict[str, Any]:
    """Adds a task made by hand, with the arguments of `add_task`; `parent` is an assetId."""
    fields = _scripted(described)
    if fields.get("parent"):
        fields["parent"] = world.find_asset(fields["parent"])
    return _task_fields(world, add_task(world, **fields))


def create_video(world: World, described: Any) -> dict[str, str]:
    """Adds a finished film, with the arguments of `add_video`; `form` is an object with the fields of `Form`."""
    fields = dict(described)
    if "form" in fields:
        fields["form"] = Form(**fields["form"])
    asset = add_video(world, **fields)
    return {"assetId": world.asset_id(asset), "name": asset.name}


def _scripted(described: Any) -> dict[str, Any]:
    fields = dict(described)
    if isinstance(fields.get("ratios"), list):
        fields["ratios"] = tuple(fields["ratios"])
    return fields


def _task_fields(world: World, task: Task) -> dict[str, Any]:
    return {
        "taskId": world.task_id(task),
        "status": task.moment(world.now()).status,
        "taskType": task.kind.task_type,
        "by_api": task.by_api,
        "cost": task.cost,
        **world.references(task),
    }
