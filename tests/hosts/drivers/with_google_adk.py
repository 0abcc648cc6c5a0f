"""Google's ADK, and google-genai's own conversion of the same tools for Gemini; time-outs as they come."""

import asyncio
from itertools import count
from typing import Any

from conversation import ASKED, play
from google.adk.agents import LlmAgent
from google.adk.agents.invocation_context import InvocationContext
from google.adk.sessions import InMemorySessionService
from google.adk.tools.mcp_tool.mcp_session_manager import (
    SseConnectionParams,
    StdioConnectionParams,
    StreamableHTTPConnectionParams,
)
from google.adk.tools.mcp_tool.mcp_toolset import McpToolset
from google.adk.tools.tool_context import ToolContext
from google.genai import _mcp_utils
from mcp import StdioServerParameters


def connection() -> Any:
    if ASKED["transport"] == "stdio":
        command, *args = ASKED["command"]
        return StdioConnectionParams(server_params=StdioServerParameters(command=command, args=args, env=ASKED["env"]))
    kind = {"http": StreamableHTTPConnectionParams, "sse": SseConnectionParams}[ASKED["transport"]]
    return kind(url=ASKED["url"])


async def context(number: int) -> ToolContext:
    """The context of one tool's call, as an agent's run makes it: each call has an id of its own.

    A second call under the same id is refused where the tool has a page of its own (MCP Apps).
    """
    sessions = InMemorySessionService()
    session = await sessions.create_session(app_name="film", user_id="me")
    agent = LlmAgent(name="editor", model="gemini-3-pro")
    invocation = InvocationContext(session_service=sessions, invocation_id="1", agent=agent, session=session)
    return ToolContext(invocation, function_call_id=f"call_{number}")


async def main() -> None:
    toolset = McpToolset(connection_params=connection())
    tools = {tool.name: tool for tool in await toolset.get_tools()}
    numbers = count(1)

    async def listed() -> list[str]:
        for tool in tools.values():
            tool._get_declaration()  # noqa: SLF001 - what Gemini would be sent; the public way sends it
        _mcp_utils.mcp_to_gemini_tools([tool.raw_mcp_tool for tool in tools.values()])
        return list(tools)

    async def call(name: str, arguments: dict[str, Any]) -> str:
        result = await tools[name].run_async(args=arguments, tool_context=await context(next(numbers)))
        return result["content"][0]["text"] if "content" in result else str(result)

    async def read(uri: str) -> str:
        names = {str(found["uri"]): found["name"] for found in await resources()}
        return (await toolset.read_resource(names[uri]))[0].text

    async def resources() -> list[dict[str, Any]]:
        return [await toolset.get_resource_info(name) for name in await toolset.list_resources()]

    await play(listed, call, read)
    await toolset.close()


asyncio.run(main())
