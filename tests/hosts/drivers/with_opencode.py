"""opencode: the settings of the page about hosts, then `opencode mcp list` and a conversation by `opencode run`."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from commands import connects, plays, program, ran
from conversation import ASKED
from pages import settings
from scripted_model import OPENAI, ScriptedModel

OPENCODE = program("opencode-*-x64*/bin/opencode")


def server() -> dict[str, Any]:
    if ASKED["transport"] == "stdio":
        return settings("opencode")
    return {"mcp": {"runway": {"type": "remote", "url": ASKED["url"]}}}


def configure(more: dict[str, Any]) -> None:
    home = Path.home() / ".config" / "opencode"
    home.mkdir(parents=True, exist_ok=True)
    (home / "opencode.json").write_text(json.dumps(server() | more), encoding="utf-8")


def begin(url: str) -> tuple[Sequence[str], Mapping[str, str]]:
    options = {"baseURL": f"{url}/v1", "apiKey": "none"}
    models = {"scripted": {"name": "scripted", "tool_call": True}}
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "scripted", "options": options, "models": models}
    configure({"provider": {"scripted": provider}})
    return [OPENCODE, "run", "--model", "scripted/scripted", "Longer, please."], {}


def add() -> None:
    configure({})
    connects(ran([OPENCODE, "mcp", "list"]), "✓ runway connected")


async def read(model: ScriptedModel, uri: str) -> str:
    return await model.call("read_mcp_resource", {"server": "runway", "uri": uri})


asyncio.run(plays(OPENAI, begin, add, read))
