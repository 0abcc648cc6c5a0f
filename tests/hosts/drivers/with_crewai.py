"""CrewAI: the MCP adapter of crewai-tools, whose tools fill in every argument that a model leaves out."""

import asyncio
from typing import Any

from conversation import ASKED, play
from crewai_tools import MCPServerAdapter
from mcp import StdioServerParameters


def connection() -> Any:
    if ASKED["transport"] == "stdio":
        command, *args = ASKED["command"]
        return StdioServerParameters(command=command, args=args, env=ASKED["env"])
    return {"url": ASKED["url"], "transport": {"http": "streamable-http", "sse": "sse"}[ASKED["transport"]]}


def main() -> None:
    with MCPServerAdapter(connection()) as found:
        tools = {tool.name: tool for tool in found}

        async def listed() -> list[str]:
            return list(tools)

        async def call(name: str, arguments: dict[str, Any]) -> str:
            # As an agent does: by the arguments' model, and in a thread, since the tools block.
            return await asyncio.to_thread(tools[name].to_structured_tool().invoke, arguments)

        asyncio.run(play(listed, call))


main()
