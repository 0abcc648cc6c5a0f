"""LlamaIndex: its tool spec, which makes functions of resources too; every call is a session of its own."""

import asyncio
import re
from typing import Any

from conversation import ASKED, play
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What OpenAI takes for the name of a function."""


def client() -> BasicMCPClient:
    if ASKED["transport"] == "stdio":
        command, *args = ASKED["command"]
        return BasicMCPClient(command, args=args, env=ASKED["env"])
    return BasicMCPClient(ASKED["url"])


async def main() -> None:
    spec = McpToolSpec(client(), include_resources=True)
    tools = {tool.metadata.get_name(): tool for tool in await spec.to_tool_list_async()}

    async def listed() -> list[str]:
        for name, tool in tools.items():
            if not FUNCTION_NAME.fullmatch(name):
                raise AssertionError(f"{name!r} is no name for a function")
            tool.metadata.to_openai_tool()
        return list(tools)

    async def call(name: str, arguments: dict[str, Any]) -> str:
        result = (await tools[name].acall(**arguments)).raw_output
        return "\n".join(part.text for part in result.content)

    async def read(uri: str) -> str:
        return str((await tools[uri.partition("://")[2]].acall()).raw_output)

    await play(listed, call, read)


asyncio.run(main())
