"""Submits through a task service, as the tools make them."""

import anyio
import pytest

from runway_mcp.runway.models import Extension
from runway_mcp.simulator.world import World
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.service import TaskService
from runway_mcp.tasks.spend.plan import make_plan
from runway_mcp.tasks.spend.submit import Submitted, Waiting
from tests.kit.samples import extension

POST = {"method": "POST", "path_prefix": "/gen3/extend"}


def wish(world: World, **fields: object) -> Extension:
    """A wish to extend the first clip of a world; `fields` are the wish's."""
    return extension(**{"asset_id": world.asset_id(world.assets[0]), "text_prompt": "the camera rises", **fields})  # pyright: ignore[reportArgumentType]


async def submit(
    service: TaskService, asked: Extension, *, wait: float = 45.0, heard: list[Waiting] | None = None
) -> Submitted:
    """Plans and submits a wish within `wait` seconds; `heard` takes what it waited for."""

    async def say(waiting: Waiting) -> None:
        if heard is not None:
            heard.append(waiting)

    plan = await make_plan(service.client, asked)
    return await service.submissions.submit(plan, caller="", deadline=anyio.current_time() + wait, say=say)


async def failure_of_submit(service: TaskService, asked: Extension, *, wait: float = 45.0) -> Failure:
    """The failure that a submit ends with; fails if it ends with none."""
    with pytest.raises(Failure) as caught:
        await submit(service, asked, wait=wait)
    return caught.value


async def quiet(_: Waiting) -> None:
    """Hears what a submit waits for, and does nothing."""
