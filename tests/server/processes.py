"""The real program in processes of its own, at a stand-in in the test's: what a host starts, or connects to."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from runway_mcp.simulator.world import TOKEN

PROGRAM = (sys.executable, "-m", "runway_mcp", "serve")
"""The command of a server on stdio; more arguments make it listen."""

_OURS = ("USEAPI_", "RUNWAY_MCP_")
_LISTENING = re.compile(r"listening on (http://\S+)/mcp")


def environment(url: str, folder: Path, **more: str) -> dict[str, str]:
    """The environment of a server at the stand-in's URL, with its data in `folder`, that reads often."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_OURS)}
    ours = {"USEAPI_URL": url, "USEAPI_TOKEN": TOKEN, "RUNWAY_MCP_DATA_DIR": str(folder)}
    return kept | {"NO_PROXY": "127.0.0.1", "RUNWAY_MCP_POLL_SECONDS": "0.1"} | ours | more


@asynccontextmanager
async def started(*arguments: str, env: dict[str, str]) -> AsyncGenerator[Process]:
    """A process of the program; killed at the end if it still runs then."""
    async with await anyio.open_process([*PROGRAM, *arguments], env=env, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


@asynccontextmanager
async def listening(env: dict[str, str]) -> AsyncGenerator[tuple[str, Process]]:
    """A process that serves on all doors of HTTP: its origin once it listens, and the process."""
    async with started("--transport", "sse", "--port", "0", env=env) as process, anyio.create_task_group() as group:
        assert process.stderr
        log, said = TextReceiveStream(process.stderr), ""
        while (heard := _LISTENING.search(said)) is None:
            said += await log.receive()

        async def drain() -> None:
            async for _ in log:
                pass

        group.start_soon(drain)
        yield heard[1], process
        group.cancel_scope.cancel()
