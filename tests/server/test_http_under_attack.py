"""The real program while strangers hold what they can: clients are answered, its log is short, and it ends in time."""

import signal
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import pytest
from anyio.abc import SocketStream

from runway_mcp.server.transport.connections import ConnectionLimits, raised_descriptor_limit
from tests.kit.processes import HttpServerProcess, environment, http_server_process, serve_command
from tests.server.bare_host import host

pytestmark = pytest.mark.slow

DESCRIPTORS = 1024
STRANGERS = 1100
SECRET = "a-long-access-token"
SOON = ConnectionLimits().headers_seconds - 2
"""Sooner than a stranger who sends nothing is let go, and so makes room."""
BODY = b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\ncontent-length: 9\r\n\r\n{"


@asynccontextmanager
async def program(folder: Path) -> AsyncGenerator[HttpServerProcess]:
    """The server in a process that may have 1,024 descriptors."""
    limited = ["sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$@"', "sh", *serve_command("http")]
    env = environment(RUNWAY_MCP_DATA_DIR=str(folder), RUNWAY_MCP_ACCESS_TOKEN=SECRET)
    process = http_server_process(limited, env)
    served = await anyio.to_thread.run_sync(process.__enter__)
    try:
        yield served
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(process.__exit__, None, None, None)


async def strangers(served: HttpServerProcess, stack: AsyncExitStack, count: int) -> list[SocketStream]:
    """So many connections that send nothing."""
    if raised_descriptor_limit(2 * STRANGERS) < STRANGERS + 100:
        pytest.skip("the test itself may not have so many descriptors")
    at = urlsplit(served.origin)
    return [
        await stack.enter_async_context(await anyio.connect_tcp(at.hostname or "", at.port or 0)) for _ in range(count)
    ]


async def test_more_idle_strangers_than_descriptors_keep_no_client_waiting(tmp_path: Path) -> None:
    async with program(tmp_path) as served, AsyncExitStack() as stack:
        before = len("".join(served.program.told))
        async with host(served.origin, authorization=f"Bearer {SECRET}") as client:
            session = await client.open()
            await strangers(served, stack, STRANGERS)
            for _ in range(5):
                with anyio.fail_after(SOON):
                    assert await client.lives(session)
        async with host(served.origin, authorization=f"Bearer {SECRET}") as newcomer:
            with anyio.fail_after(SOON):
                assert await newcomer.lives(await newcomer.open())

        assert len("".join(served.program.told)) - before < 10_000


async def test_a_signal_ends_it_within_ten_seconds_whatever_is_open(tmp_path: Path) -> None:
    began = time.monotonic()
    async with (
        program(tmp_path) as served,
        AsyncExitStack() as stack,
        host(served.origin, authorization=f"Bearer {SECRET}") as client,
    ):
        # What a start takes on this machine at this moment.
        start = time.monotonic() - began
        await client.abandon(300)
        for session in await client.abandon(100):
            stream = client.http.stream("GET", "/mcp", headers=session, timeout=None)
            assert (await stack.enter_async_context(stream)).status_code == 200
        idle = await strangers(served, stack, 200)
        for connection in idle[:100]:
            await connection.send(BODY % SECRET.encode())
        began = time.monotonic()
        served.program.process.send_signal(signal.SIGTERM)

        assert await anyio.to_thread.run_sync(lambda: served.program.process.wait(50)) == 0
        assert time.monotonic() - began < 10 + start
        assert "Traceback" not in "".join(served.program.told)
