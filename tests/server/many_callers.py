"""A hosted server with a file of callers, over real HTTP: whose tokens are known by their hashes alone."""

import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from runway_mcp.callers import CallersFile, hash_of
from runway_mcp.server.app import create_server
from runway_mcp.server.hosted.hosting import hosting_of
from runway_mcp.simulator.builders import add_video, small_world
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient
from tests.kit.server import settings
from tests.kit.upstream import Upstream
from tests.server.toy import served

OTHER_TOKEN = "user:5678-another"
"""The useapi.net token of another user."""


class ByUseapiToken(httpx.AsyncBaseTransport):
    """Carries each request to the world of its token."""

    def __init__(self, *worlds: World) -> None:
        self._carry = {f"Bearer {world.token}": Upstream(world) for world in worlds}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._carry[request.headers["authorization"]].handle_async_request(request)


class CallersOnDisk:
    """A file of callers that a test writes; each caller's token is his name and `-token`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "callers.toml"
        (folder / "useapi").write_text(OTHER_TOKEN, encoding="utf-8")
        self._versions = 0

    def write(self, **entries: str) -> Path:
        """Writes an entry for each caller, with these further lines; both scopes unless they name some."""
        told = ""
        for name, lines in entries.items():
            scopes = "" if "scopes" in lines else 'scopes = ["read", "spend"]\n'
            told += f'[[callers]]\nname = "{name}"\ntoken_sha256 = "{hash_of(f"{name}-token")}"\n{scopes}{lines}\n'
        return self._write(told)

    def write_hashes(self, name: str, *hashes: str) -> Path:
        """Writes the entry of one caller, whose tokens have these hashes."""
        listed = ", ".join(f'"{each}"' for each in hashes)
        return self._write(f'[[callers]]\nname = "{name}"\ntoken_sha256 = [{listed}]\n')

    def _write(self, told: str) -> Path:
        self.path.write_text(told, encoding="utf-8")
        self._versions += 1
        os.utime(self.path, ns=(0, self._versions))
        return self.path


@dataclass(frozen=True)
class ManyCallers:
    """The served server and where its callers come in."""

    origin: str
    worlds: tuple[World, ...]
    file: CallersOnDisk

    @asynccontextmanager
    async def client(
        self, caller: str, mode: str = "auto", *, world: int = 0, **fields: Any
    ) -> AsyncGenerator[ToolClient]:
        """A client with a caller's token; its clips are those of the `world`."""
        headers = {"authorization": f"Bearer {caller}-token"}
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=30))
            transport = streamable_http_client(f"{self.origin}/mcp", http_client=http)
            client: Any = Client(transport, mode=mode, **fields)  # pyright: ignore[reportArgumentType]  the eras' names
            yield ToolClient(await stack.enter_async_context(client), self.worlds[world])


@asynccontextmanager
async def many_callers(folder: Path, *, token: str | None = "", **entries: str) -> AsyncGenerator[ManyCallers]:
    """The server, over a world for the server's own useapi.net token and one for `OTHER_TOKEN`; within 60 seconds.

    `token` None: the server has none of its own.
    """
    worlds = small_world(pace=0.3, clips=2), small_world(pace=0.3, clips=0, token=OTHER_TOKEN)
    # Else both would have the same ids.
    worlds[1].random.seed(7)
    for number in range(2):
        add_video(worlds[1], prompt=f"other clip {number}")
    file = CallersOnDisk(folder)
    read = CallersFile(file.write(**entries), hide=lambda _: None)
    here = settings(folder, poll_seconds=0.05, **({"token": None} if token is None else {}))
    server = create_server(here, transport=ByUseapiToken(*worlds), callers=read)
    with anyio.fail_after(60):
        async with served(server, hosting=hosting_of(here, read)) as origin:
            yield ManyCallers(origin, worlds, file)
