"""MCP on the process's own stdin and stdout.

The wire is stdout, and nothing else may reach it: the SDK moves descriptor 1 to stderr while it serves, and what Python
code prints goes there as well. The server ends in order, its lifespan included, when the host closes stdin, when the
host stops reading, and on SIGINT or SIGTERM.
"""

import contextlib
import io
import os
import socket
import sys
import threading
from collections.abc import Callable, Generator
from typing import Any

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from runway_mcp.server.transport.eras import serve_either_era
from runway_mcp.server.transport.signals import stop_signals

_BLOCK = 65_536


async def serve_stdio(server: Server[Any]) -> None:
    """Serves one host until it leaves or a signal asks for the end; to be called in the main thread, once."""
    with _endable_stdin() as end, stop_signals(end):
        try:
            async with stdio_server(stdout=_wire()) as (read, write):
                # A buffered print would otherwise be flushed onto the wire when the descriptor is put back.
                with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as last:
                    last.callback(end)
                    async with server.lifespan(server) as state:
                        await serve_either_era(server, read, write, state)
        except* BrokenPipeError:
            pass  # the host has stopped reading: an end like any other


@contextlib.contextmanager
def _endable_stdin() -> Generator[Callable[[], None]]:
    """Puts a relay between stdin and descriptor 0, and gives what ends its stream.

    A read of stdin blocks its thread until the host sends something, and no cancellation can interrupt it. Ending the
    relay does, and it looks like a host that closed stdin, so that every end takes the same way.
    """
    if sys.platform == "win32":  # pragma: no cover - sockets are no descriptors there, and hosts just close stdin
        yield lambda: None
        return
    source = os.dup(0)
    relay, inner = socket.socketpair()
    with inner:
        os.dup2(inner.fileno(), 0)

    def end() -> None:
        with contextlib.suppress(OSError):
            relay.shutdown(socket.SHUT_WR)

    def forward() -> None:
        with contextlib.suppress(OSError):
            while block := os.read(source, _BLOCK):
                relay.sendall(block)
        end()

    # A daemon, since it may be reading when the process ends; for the same reason nobody closes `source`.
    threading.Thread(target=forward, name="stdin relay", daemon=True).start()
    with relay:
        yield end


def _wire() -> anyio.AsyncFile[str] | None:
    """What the SDK writes to: its own choice, but on Windows a stream that leaves line ends as they are."""
    if sys.platform != "win32":
        return None
    return anyio.wrap_file(  # pragma: no cover - Windows only
        io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
    )
