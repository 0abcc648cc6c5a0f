"""Six clients, one after the other, for all tests: each transport in each era. The processes live for the module."""

from collections.abc import AsyncGenerator, Generator

import pytest

from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from tests.kit.processes import http_server_process, serve_command, server_environment
from tests.kit.stand_in import StandIn
from tests.matrix.clients import Endpoint, Mode, News, Questions, Transport, TransportClient

ROOM = 1_000
CREDITS = 10_000_000
CONFIRM_ABOVE = 60
"""Credits above which the server asks: an extension of 5 s costs 50, one of 10 s costs 100."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for the module, so that a connection outlives a test."""
    return "asyncio"


@pytest.fixture(scope="module")
async def world() -> World:
    """A world whose tasks take a tenth of a second, never wait for each other, and can always be paid for."""
    return small_world(pace=0.1, max_jobs=ROOM, slots=ROOM, permitted=CREDITS)


@pytest.fixture(scope="module")
async def upstream(world: World) -> AsyncGenerator[StandIn]:
    """The stand-in on a socket."""
    async with running(world) as url:
        yield StandIn(url, world.token)


@pytest.fixture(scope="module", params=["stdio", "http", "sse"])
def endpoint(
    request: pytest.FixtureRequest, upstream: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Endpoint]:
    """The real server: a process that serves HTTP or SSE, or the environment of one for each client on stdio."""
    transport: Transport = request.param
    env = server_environment(
        upstream.url,
        tmp_path_factory.mktemp("data"),
        RUNWAY_MCP_CONFIRM=str(CONFIRM_ABOVE),
        RUNWAY_MCP_POLL_SECONDS="0.02",
    )
    if transport == "stdio":
        yield Endpoint(transport, "", env)
        return
    with http_server_process(serve_command(transport), env) as served:
        yield Endpoint(transport, served.origin, env)
    assert served.program.process.returncode == 0
    assert not any("Traceback" in line or " ERROR " in line for line in served.program.told)


@pytest.fixture(scope="module", params=["legacy", "auto"], ids=["2025-11-25", "2026-07-28"])
async def client(request: pytest.FixtureRequest, endpoint: Endpoint, world: World) -> AsyncGenerator[TransportClient]:
    """A client that takes news and questions."""
    mode: Mode = request.param
    heard, asked = News(), Questions()
    async with endpoint.client(mode, message_handler=heard.keep, elicitation_callback=asked) as client:
        yield TransportClient(endpoint, mode, client, world, heard, asked)
