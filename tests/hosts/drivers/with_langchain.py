"""LangChain: langchain-mcp-adapters, and what ChatOpenAI and Gemini would send of its tools and results."""

import asyncio
from typing import Any

from conversation import ASKED, play
from langchain_core.messages import AIMessage, HumanMessage
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langchain_openai import ChatOpenAI

MODELS = (ChatOpenAI(model="gpt-5", api_key="none"), ChatGoogleGenerativeAI(model="gemini-3-pro", api_key="none"))


def connection() -> Any:
    if ASKED["transport"] == "stdio":
        command, *args = ASKED["command"]
        return {"transport": "stdio", "command": command, "args": args, "env": ASKED["env"]}
    return {"transport": {"http": "streamable_http", "sse": "sse"}[ASKED["transport"]], "url": ASKED["url"]}


def sent(messages: list[Any]) -> str:
    """What the models would be sent; raises where a model's class takes no such result."""
    openai, gemini = MODELS
    gemini._prepare_request(messages)  # noqa: SLF001 - the public call would send it
    return str(openai._get_request_payload(messages)["messages"][-1]["content"])  # noqa: SLF001 - likewise


async def main() -> None:
    async with MultiServerMCPClient({"runway": connection()}).session("runway") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}

        async def listed() -> list[str]:
            for model in MODELS:
                model.bind_tools(list(tools.values()))
            return list(tools)

        async def call(name: str, arguments: dict[str, Any]) -> str:
            asked = {"type": "tool_call", "id": "call_1", "name": name, "args": arguments}
            message = await tools[name].ainvoke(asked)
            sent([HumanMessage("Longer, please."), AIMessage("", tool_calls=[asked]), message])
            return message.text

        async def read(uri: str) -> str:
            return (await session.read_resource(uri)).contents[0].text

        await play(listed, call, read)


asyncio.run(main())
