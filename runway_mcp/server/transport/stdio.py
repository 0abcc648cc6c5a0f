"""MCP on the process's own stdin and stdout; stdout carries nothing else.

While it serves, descriptor 0 is the null device, and the SDK moves descriptor 1 to stderr, where Python's prints go as
well. The server ends in order, its lifespan included, when the host closes stdin or stops reading, and on SIGINT or
SIGTERM.
"""

import asyncio
import contextlib
import io
import os
import selectors
import socket
import sys
import threading
from collections.abc import AsyncGenerator, Generator
from typing import Any, cast

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from runway_mcp.server.transport.eras import serve_either_era
from runway_mcp.server.transport.signals import stop_signals

_BLOCK = 65_536
_STDIN = 0


async def serve_stdio(server: Server[Any]) -> None:
    """Serves one host until it leaves or a stop signal arrives; must be called once, in the main thread."""
    with _lines_of_stdin() as lines, stop_signals(lines.end if lines else _nothing):
        try:
            # The SDK iterates over its stdin and does nothing else with it.
            async with stdio_server(cast("anyio.AsyncFile[str] | None", lines), _wire()) as (read, write):
                # A buffered print would otherwise be flushed to the host when the descriptor is restored.
                with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as last:
                    last.callback(lines.end if lines else _nothing)
                    async with server.lifespan(server) as state:
                        await serve_either_era(server, read, write, state)
        except* BrokenPipeError:
            pass  # the host stopped reading, which is a regular end


class _Lines:
    """The lines of a descriptor, read on the event loop until it ends or `end` is called.

    A thread that blocks in a read, as the SDK's does, can be neither cancelled nor ended, and it costs each call two
    changes of threads.
    """

    def __init__(self, source: int) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._wait = anyio.CancelScope()
        self._has_ended = False

    def end(self) -> None:
        """Ends the lines as if the host had closed stdin; may be called by a signal handler."""
        self._has_ended = True
        self._loop.call_soon_threadsafe(self._let_go)

    def _let_go(self) -> None:
        self._wait.cancel()

    async def __aiter__(self) -> AsyncGenerator[str]:
        held: list[bytes] = []
        while block := await self._block():
            begin, *lines = block.split(b"\n")
            held.append(begin)
            for line in lines:
                yield b"".join(held).decode(errors="replace")
                held = [line]
        if any(held):
            yield b"".join(held).decode(errors="replace")

    async def _block(self) -> bytes:
        """What there is to read, once there is something; nothing at the end."""
        while not self._has_ended:
            with anyio.CancelScope() as self._wait:
                await anyio.wait_readable(self._source)
                with contextlib.suppress(BlockingIOError):
                    return os.read(self._source, _BLOCK)
        return b""


@contextlib.contextmanager
def _lines_of_stdin() -> Generator[_Lines | None]:
    """The lines of stdin, with descriptor 0 moved to the null device meanwhile; None where the SDK has to read it."""
    if sys.platform == "win32":  # pragma: no cover - its event loop waits for sockets alone, and hosts just close stdin
        yield None
        return
    # Never closed, since a relay may still read it when the process ends.
    source, null = os.dup(_STDIN), os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, _STDIN)
    os.close(null)
    try:
        if _can_be_waited_for(source):
            yield _Lines(source)
            return
        relay, inner = socket.socketpair()
        with inner:
            threading.Thread(target=_relay, args=(source, relay), name="stdin relay", daemon=True).start()
            yield _Lines(inner.fileno())
    finally:
        os.dup2(source, _STDIN)


def _can_be_waited_for(source: int) -> bool:
    """Whether an event loop can wait for a descriptor: for a pipe, a socket or a terminal, but for no file."""
    with selectors.DefaultSelector() as selector:
        try:
            selector.register(source, selectors.EVENT_READ)
        except OSError:
            return False
    return True


def _relay(source: int, relay: socket.socket) -> None:
    with relay, contextlib.suppress(OSError):
        while block := os.read(source, _BLOCK):
            relay.sendall(block)


def _nothing() -> None:
    """Ends nothing: the SDK's read of stdin ends with its host."""


def _wire() -> anyio.AsyncFile[str] | None:
    """The stream that the SDK writes to: its default (None), but on Windows one that leaves line ends unchanged."""
    if sys.platform != "win32":
        return None
    return anyio.wrap_file(  # pragma: no cover - Windows only
        io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
    )
