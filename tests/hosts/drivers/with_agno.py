"""Agno: its MCP toolkit, and its conversion of the tools for Gemini; time-outs as they come."""

import asyncio
from typing import Any

from agno.tools.function import FunctionCall
from agno.tools.mcp import MCPTools, SSEClientParams, StreamableHTTPClientParams
from agno.utils.gemini import format_function_definitions
from conversation import ASKED, play
from mcp import StdioServerParameters


def connection() -> Any:
    if ASKED["transport"] == "stdio":
        command, *args = ASKED["command"]
        # Given as a string it would have to begin with uvx, python or the like.
        return StdioServerParameters(command=command, args=args, env=ASKED["env"])
    kind = {"http": StreamableHTTPClientParams, "sse": SSEClientParams}[ASKED["transport"]]
    return kind(url=ASKED["url"])


async def main() -> None:
    transport = {"http": "streamable-http"}.get(ASKED["transport"], ASKED["transport"])
    async with MCPTools(server_params=connection(), transport=transport) as toolkit:
        functions = toolkit.functions

        async def listed() -> list[str]:
            format_function_definitions([{"type": "function", "function": one.to_dict()} for one in functions.values()])
            return list(functions)

        async def call(name: str, arguments: dict[str, Any]) -> str:
            made = FunctionCall(function=functions[name], arguments=arguments, call_id="call_1")
            result = await made.aexecute()
            return str(getattr(result.result, "content", result.result)) if result.error is None else result.error

        await play(listed, call)


asyncio.run(main())
