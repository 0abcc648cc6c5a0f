"""Semantic Kernel: its MCP plugins, and the results of their functions as a chat's history holds them."""

import asyncio
from typing import Any

from conversation import ASKED, play
from semantic_kernel import Kernel
from semantic_kernel.connectors.mcp import MCPSsePlugin, MCPStdioPlugin, MCPStreamableHttpPlugin
from semantic_kernel.contents import ChatHistory, FunctionCallContent
from semantic_kernel.functions import KernelArguments


def plugin() -> Any:
    if ASKED["transport"] == "stdio":
        command, *args = ASKED["command"]
        return MCPStdioPlugin("runway", command, args=args, env=ASKED["env"])
    kind = {"http": MCPStreamableHttpPlugin, "sse": MCPSsePlugin}[ASKED["transport"]]
    return kind("runway", ASKED["url"])


async def main() -> None:
    async with plugin() as runway:
        kernel = Kernel()
        functions = kernel.add_plugin(runway, "runway").functions

        async def listed() -> list[str]:
            return [name for name, function in functions.items() if function.metadata.parameters is not None]

        async def call(name: str, arguments: dict[str, Any]) -> str:
            history = ChatHistory()
            await kernel.invoke_function_call(
                FunctionCallContent(
                    id="call_1", plugin_name="runway", function_name=name, arguments=KernelArguments(**arguments)
                ),
                history,
            )
            history.messages[-1].to_dict()  # what a model would be sent, which is a list's spelling in Python
            result = history.messages[-1].items[0].result
            return "\n".join(part.text for part in result) if isinstance(result, list) else str(result)

        async def read(uri: str) -> str:
            return (await runway.session.read_resource(uri)).contents[0].text

        await play(listed, call, read)


asyncio.run(main())
