"""The stand-in on a socket: in the event loop of a test (`running`), or as a program (`simulate`)."""

import json
import signal
import socket
import struct
import sys
from asyncio import BaseTransport, create_task, get_running_loop
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import FrameType
from typing import TextIO

import anyio
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from runway_mcp.simulator.app import BASE, create_app
from runway_mcp.simulator.builders import seeded_world
from runway_mcp.simulator.media.clips import PaintedFilms
from runway_mcp.simulator.world import World

# SO_LINGER of 0 s: closing the socket resets the connection.
_AT_ONCE = struct.pack("ii", 1, 0)


class DroppableProtocol(H11Protocol):
    """HTTP/1.1 that puts a function `drop` into the state of each request: it closes or resets the connection."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Takes the connection and adds its `drop` to the state of its requests."""
        super().connection_made(transport)  # pyright: ignore[reportArgumentType]  narrower there than in asyncio
        connection: socket.socket = transport.get_extra_info("socket")

        def drop(*, reset: bool) -> None:
            # A client that was killed may have closed it already.
            with suppress(OSError):
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            transport.close()

        self.app_state = {**self.app_state, "drop": drop}


def _listener(host: str, port: int) -> socket.socket:
    """A listening socket that names TCP; without the name asyncio leaves Nagle's delay on, 40 ms for small answers."""
    listener = socket.create_server((host, port))
    return socket.socket(listener.family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


@asynccontextmanager
async def running(served: World | Starlette, *, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator[str]:
    """Serves a world (or an app) on a port in this event loop; yields the API's base URL.

    Port 0 takes a free one. What its body raises comes out as it is, not in a group.
    """
    app = create_app(served) if isinstance(served, World) else served
    with _listener(host, port) as listener:
        origin = f"http://{host}:{listener.getsockname()[1]}"
        if isinstance(served, World):
            served.origin = origin
        server = _Server(
            uvicorn.Config(
                app,
                http=DroppableProtocol,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        serving = create_task(server.serve([listener]))
        try:
            await server.up.wait()
            yield origin + BASE
        finally:
            server.down.set()
            with anyio.CancelScope(shield=True):
                await serving


async def simulate(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    pace: float = 8.0,
    world: World | None = None,
    out: TextIO | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM; without a `world`, the seeded one with real films, its tasks `pace` seconds long.

    Once it listens, it writes one line of JSON with its URL and token to `out` (stdout). Raises `MediaMissing` where
    films cannot be made, `OSError` where it cannot listen.
    """
    if world is None:
        world = seeded_world(pace=pace, films=PaintedFilms())
    with _until_signal() as stop:
        async with running(world, host=host, port=port) as url:
            output = out or sys.stdout
            output.write(json.dumps({"url": url, "token": world.token}) + "\n")
            output.flush()
            await stop.wait()


class _Server(uvicorn.Server):
    """A server that sets `up` once it listens, and ends when `down` is set, not by signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = anyio.Event()
        self.down = anyio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves signals to `simulate`, or to the program around `running`."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, then sets `up`."""
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self) -> None:
        """Waits for `down`."""
        await self.down.wait()


@contextmanager
def _until_signal() -> Generator[anyio.Event]:
    """An event that SIGINT and SIGTERM set; works in the main thread alone."""
    stop = anyio.Event()
    loop = get_running_loop()

    def on_signal(_: int, __: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop.set)

    before = {each: signal.signal(each, on_signal) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for each, previous in before.items():
            signal.signal(each, previous)
