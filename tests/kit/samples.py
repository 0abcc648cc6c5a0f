"""Clips, tasks and plans to test with, as upstream tells them."""

from dataclasses import replace
from typing import Any

from runway_mcp.runway.models import Asset, Extension, Task
from runway_mcp.tasks.catalogue import MODELS
from runway_mcp.tasks.intents import WAITING_LEASE, Intent
from runway_mcp.tasks.lineage import Lineage
from runway_mcp.tasks.spend.drafts import draft
from runway_mcp.tasks.spend.plan import Plan, extension_of, request_of
from tests.kit.clock import EPOCH

ACCOUNT = "ana@example.com"


def long_id(kind: str, number: int, account: str = ACCOUNT) -> str:
    """A long id such as useapi.net makes."""
    return f"user:1234-runwayml:{account}-{kind}:{number:08d}-0000-4000-8000-000000000000"


def task(number: int = 1, **fields: Any) -> Task:
    """A task in the wire's form; `fields` are the wire's names."""
    body = {"taskId": long_id("task", number), "status": "SUCCEEDED", "taskType": "gen3a"}
    return Task.model_validate({**body, **fields})


def clip(number: int = 1, **fields: Any) -> Asset:
    """A Gen-3 Alpha clip of ten seconds that task `number` made."""
    body = {
        "assetId": long_id("asset", number),
        "taskId": long_id("task", number),
        "mediaType": "video",
        "metadata": {"duration": 10.0, "width": 1280, "height": 768, "frameRate": 24},
    }
    return Asset.model_validate({**body, **fields})


def extension(**fields: Any) -> Extension:
    """The request of arguments, by field name; without others it asks for more of the clip."""
    return request_of({"asset_id": clip().asset_id, **fields})


def plan(wish: Extension | None = None, *, task_type: str = "gen3a") -> Plan:
    """The plan of a first extension by five (Turbo: eight) seconds."""
    model = MODELS[task_type]
    wish = wish or extension(text_prompt="the camera rises")
    seconds = wish.seconds or model.seconds[0]
    return Plan(
        asked=wish,
        source=clip(),
        parent=task(),
        model=model,
        seconds=seconds,
        cost=0 if wish.explore_mode else seconds * model.credits_per_second,
        submission=extension_of(wish, clip().asset_id, model, seconds),
        lineage=Lineage(clip().asset_id, 1, 2, seconds),
        account=ACCOUNT,
        length=15.0,
    )


def intent(wish: Extension | None = None, *, now: float = EPOCH, caller: str = "") -> Intent:
    """A drafted intent, as its claim at that time leaves it."""
    return replace(draft(plan(wish), caller=caller), created=now, lease=now + WAITING_LEASE, claim="holder")
