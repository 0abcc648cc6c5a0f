"""mcp-use: its adapter for LangChain, which fills in every argument that a model leaves out."""

import asyncio
from typing import Any

from conversation import ASKED, play
from mcp_use import MCPClient
from mcp_use.agents.adapters import LangChainAdapter


def server() -> dict[str, Any]:
    if ASKED["transport"] == "stdio":
        command, *args = ASKED["command"]
        return {"command": command, "args": args, "env": ASKED["env"]}
    return {"url": ASKED["url"]}


async def main() -> None:
    client = MCPClient(config={"mcpServers": {"runway": server()}})
    adapter = LangChainAdapter()
    await client.create_all_sessions()
    await adapter.create_all(client)
    tools = {tool.name: tool for tool in adapter.tools}
    resources = {tool.name: tool for tool in adapter.resources}

    async def listed() -> list[str]:
        return list(tools)

    async def call(name: str, arguments: dict[str, Any]) -> str:
        result = await tools[name].ainvoke(arguments)
        return str(result.get("details") or result) if isinstance(result, dict) else str(result)

    async def read(uri: str) -> str:
        return str(await resources[uri.partition("://")[2]].ainvoke({"uri": uri}))

    await play(listed, call, read)
    await client.close_all_sessions()


asyncio.run(main())
