"""MCP on the process's own stdin and stdout; stdout carries nothing else.

The SDK moves descriptor 1 to stderr while it serves, and Python's prints go there as well. The server ends in order,
its lifespan included, when the host closes stdin or stops reading, and on SIGINT or SIGTERM.
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
    """Serves one host until it leaves or a stop signal arrives; must be called once, in the main thread."""
    with _endable_stdin() as end, stop_signals(end):
        try:
            async with stdio_server(stdout=_wire()) as (read, write):
                # A buffered print would otherwise be flushed to the host when the descriptor is restored.
                with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as last:
                    last.callback(end)
                    async with server.lifespan(server) as state:
                        await serve_either_era(server, read, write, state)
        except* BrokenPipeError:
            pass  # the host stopped reading, which is a regular end


@contextlib.contextmanager
def _endable_stdin() -> Generator[Callable[[], None]]:
    """Puts a relay between stdin and descriptor 0, and yields the function that ends its stream.

    A blocked read of stdin cannot be cancelled. The end of the relay ends it, as if the host had closed stdin, so that
    every end takes the same path.
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

    # A daemon, since it may be reading when the process ends; for the same reason `source` is never closed.
    threading.Thread(target=forward, name="stdin relay", daemon=True).start()
    with relay:
        yield end


def _wire() -> anyio.AsyncFile[str] | None:
    """The stream that the SDK writes to: its default (None), but on Windows one that leaves line ends unchanged."""
    if sys.platform != "win32":
        return None
    return anyio.wrap_file(  # pragma: no cover - Windows only
        io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
    )
