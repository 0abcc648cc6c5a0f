"""Codex CLI: the settings of docs/install.md, then a conversation by `codex exec`."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from commands import plays, script
from conversation import ASKED
from pages import toml
from scripted_model import RESPONSES, ScriptedModel


def configure() -> None:
    home = Path.home() / ".codex"
    home.mkdir()
    text = toml("Codex CLI") if ASKED["transport"] == "stdio" else f'[mcp_servers.runway]\nurl = "{ASKED["url"]}"\n'
    (home / "config.toml").write_text(text, encoding="utf-8")


def begin(url: str) -> tuple[Sequence[str], Mapping[str, str]]:
    provider = f'{{name = "scripted", base_url = "{url}/v1", wire_api = "responses"}}'
    overrides = [
        f"model_providers.scripted={provider}",
        'model_provider="scripted"',
        'model="scripted"',
        'approval_policy="never"',
        # As docs/hosts.md says: else it would not wait for the server's start, and decline what spends.
        "mcp_servers.runway.required=true",
        'mcp_servers.runway.default_tools_approval_mode="approve"',
    ]
    given = [word for one in overrides for word in ("-c", one)]
    return [*script("@openai/codex/bin/codex.js"), "exec", "--skip-git-repo-check", *given, "Longer, please."], {}


async def read(model: ScriptedModel, uri: str) -> str:
    return await model.call("read_mcp_resource", {"server": "runway", "uri": uri})


asyncio.run(plays(RESPONSES, begin, configure, read))
