"""The bare server that ours is compared with: the SDK's low-level `Server` with one tool, and nothing else.

    python -m benchmarks.bare stdio|http ANSWERS

ANSWERS is a JSON file: `tools` are the definitions that it lists, `results` what its tool answers, by the argument
`which`. So both sides carry the same bytes. On HTTP it says where it listens, as ours does.
"""

import json
import sys
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import ListenHandler

_Context = ServerRequestContext[Any]


def bare_server(answers: dict[str, Any], listen: ListenHandler | None = None) -> Server[Any]:
    """A server that lists what it is given, and echoes one of the results that it is given; `listen` serves streams."""
    tools = [types.Tool.model_validate(tool) for tool in answers["tools"]]
    schemas = {tool.name: tool.input_schema for tool in tools}

    async def list_tools(_ctx: _Context, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools)

    async def call_tool(_ctx: _Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        result = answers["results"][(params.arguments or {})["which"]]
        return types.CallToolResult(
            content=[types.TextContent(text=result["text"])],
            structured_content=result["structured"],
            is_error=result["is_error"],
        )

    return Server(
        "bare",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_subscriptions_listen=listen,
        get_tool_input_schema=schemas.get,
    )


async def _serve_stdio(server: Server[Any]) -> None:
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def _serve_http(server: Server[Any]) -> None:
    import socket  # noqa: PLC0415  stdio is measured without it

    import uvicorn  # noqa: PLC0415  likewise

    listener = socket.create_server(("127.0.0.1", 0))
    sys.stderr.write(f"bare listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp\n")
    sys.stderr.flush()
    config = uvicorn.Config(server.streamable_http_app(), log_config=None, access_log=False)
    anyio.run(uvicorn.Server(config).serve, [listener])


if __name__ == "__main__":
    made = bare_server(json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
    if sys.argv[1] == "stdio":
        anyio.run(_serve_stdio, made)
    else:
        _serve_http(made)
