"""Claude Code: added by the line of docs/install.md, then `claude mcp list` and a conversation by `claude -p`."""

import asyncio
from collections.abc import Mapping, Sequence

from commands import connects, plays, program, ran
from conversation import ASKED
from pages import shell
from scripted_model import ANTHROPIC, ScriptedModel

CLAUDE = program("@anthropic-ai/claude-code-*/claude")


def add() -> None:
    if ASKED["transport"] != "stdio":
        ran([CLAUDE, "mcp", "add", "--transport", ASKED["transport"], "runway", ASKED["url"]])
    else:
        command, *words = shell("Claude Code")
        if command != "claude":
            raise LookupError(f"the line runs {command}")
        ran([CLAUDE, *words])
    connects(ran([CLAUDE, "mcp", "list"]), "✔ connected")


def begin(url: str) -> tuple[Sequence[str], Mapping[str, str]]:
    command = [CLAUDE, "-p", "Longer, please.", "--allowedTools", "mcp__runway,ReadMcpResourceTool"]
    return command, {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "none"}


async def read(model: ScriptedModel, uri: str) -> str:
    await model.call("ToolSearch", {"query": "select:ReadMcpResourceTool", "max_results": 1})
    return await model.call("ReadMcpResourceTool", {"server": "runway", "uri": uri})


asyncio.run(plays(ANTHROPIC, begin, add, read))
