"""OpenAI Agents: tools with strict schemas, every argument of which a model must give; time-outs as they come."""

import asyncio
import json
from typing import Any

from agents import Agent, RunContextWrapper
from agents.mcp import MCPServer, MCPServerSse, MCPServerStdio, MCPServerStreamableHttp, MCPUtil
from agents.tool_context import ToolContext
from conversation import ASKED, filled, play


def server() -> MCPServer:
    if ASKED["transport"] == "stdio":
        command, *args = ASKED["command"]
        return MCPServerStdio({"command": command, "args": args, "env": ASKED["env"]})
    kind = {"http": MCPServerStreamableHttp, "sse": MCPServerSse}[ASKED["transport"]]
    return kind({"url": ASKED["url"]})


def shown(output: Any) -> str:
    """The text of a tool's output, which is one part or several."""
    parts = output if isinstance(output, list) else [output]
    return "\n".join(part if isinstance(part, str) else part["text"] for part in parts)


async def main() -> None:
    async with server() as runway:
        agent = Agent(name="editor", mcp_servers=[runway])
        found = await MCPUtil.get_function_tools(runway, True, RunContextWrapper(None), agent)  # noqa: FBT003 - strict
        tools = {tool.name: tool for tool in found}

        async def listed() -> list[str]:
            for tool in tools.values():
                if not tool.strict_json_schema:
                    raise AssertionError(f"{tool.name} has no strict schema")
            return list(tools)

        async def call(name: str, arguments: dict[str, Any]) -> str:
            words = json.dumps(filled(tools[name].params_json_schema, arguments))
            context = ToolContext(None, tool_name=name, tool_call_id="call_1", tool_arguments=words)
            return shown(await tools[name].on_invoke_tool(context, words))

        async def read(uri: str) -> str:
            return (await runway.read_resource(uri)).contents[0].text

        await play(listed, call, read)


asyncio.run(main())
