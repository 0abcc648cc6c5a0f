"""Pydantic AI: its MCP toolset, called as an agent's run does."""

import asyncio
import json
from typing import Any

from conversation import ASKED, play
from pydantic_ai import RunContext
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ToolReturn
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RunUsage

START_SECONDS = 60
"""As docs/hosts.md says: else the server has five seconds to start, which a busy machine may exceed."""


def client() -> Any:
    if ASKED["transport"] == "stdio":
        command, *args = ASKED["command"]
        return {"mcpServers": {"runway": {"command": command, "args": args, "env": ASKED["env"]}}}
    return ASKED["url"]


async def main() -> None:
    async with MCPToolset(client(), init_timeout=START_SECONDS) as toolset:
        context = RunContext(deps=None, model=TestModel(), usage=RunUsage())
        tools = await toolset.get_tools(context)

        async def listed() -> list[str]:
            return list(tools)

        async def call(name: str, arguments: dict[str, Any]) -> str:
            found = await toolset.call_tool(name, arguments, context, tools[name])
            if isinstance(found, ToolReturn):  # of a tool with a page of its own (MCP Apps)
                found = found.return_value
            return found if isinstance(found, str) else json.dumps(found)

        async def read(uri: str) -> str:
            return str(await toolset.read_resource(uri))

        await play(listed, call, read)


asyncio.run(main())
