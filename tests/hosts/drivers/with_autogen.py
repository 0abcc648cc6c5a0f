"""AutoGen: the workbench of autogen-ext, which gives agents its results as text; time-outs as they come."""

import asyncio
from typing import Any

from autogen_ext.tools.mcp import McpWorkbench, SseServerParams, StdioServerParams, StreamableHttpServerParams
from conversation import ASKED, play


def connection() -> Any:
    if ASKED["transport"] == "stdio":
        command, *args = ASKED["command"]
        return StdioServerParams(command=command, args=args, env=ASKED["env"])
    kind = {"http": StreamableHttpServerParams, "sse": SseServerParams}[ASKED["transport"]]
    return kind(url=ASKED["url"])


async def main() -> None:
    async with McpWorkbench(connection()) as workbench:

        async def listed() -> list[str]:
            return [tool["name"] for tool in await workbench.list_tools()]

        async def call(name: str, arguments: dict[str, Any]) -> str:
            return (await workbench.call_tool(name, arguments)).to_text()

        async def read(uri: str) -> str:
            return (await workbench.read_resource(uri)).contents[0].text

        await play(listed, call, read)


asyncio.run(main())
