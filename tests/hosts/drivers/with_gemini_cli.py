"""Gemini CLI: the README's settings in a trusted folder, then `gemini mcp list` and a conversation by `gemini -p`."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from commands import SECONDS, connects, plays, ran, script
from conversation import ASKED
from pages import settings
from scripted_model import GEMINI, ScriptedModel

COMMAND = script(".bin/gemini")
ENTRY = {"trust": True, "timeout": SECONDS * 1000}
"""What the entry says beside the README's: without the first `gemini -p` hides the tools, as docs/hosts.md says, and
without the second `gemini mcp list` gives a server five seconds to start, which a busy machine may exceed."""


def entry() -> dict[str, Any]:
    if ASKED["transport"] == "stdio":
        return settings("Gemini CLI")["mcpServers"]["runway"]
    return {"url": ASKED["url"], "type": ASKED["transport"]}


def configure() -> None:
    home = Path.home() / ".gemini"
    home.mkdir()
    server = {"mcpServers": {"runway": entry() | ENTRY}}
    login = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
    (home / "settings.json").write_text(json.dumps(server | login), encoding="utf-8")
    (home / "trustedFolders.json").write_text(json.dumps({str(Path.cwd()): "TRUST_FOLDER"}), encoding="utf-8")
    connects(ran([*COMMAND, "mcp", "list"]), "- connected")


def begin(url: str) -> tuple[Sequence[str], Mapping[str, str]]:
    command = [*COMMAND, "-m", "gemini-2.5-pro", "-p", "Longer, please."]
    return command, {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": "none"}


async def read(model: ScriptedModel, uri: str) -> str:
    return await model.call("read_mcp_resource", {"uri": uri})


asyncio.run(plays(GEMINI, begin, configure, read))
