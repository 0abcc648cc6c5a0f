"""What tests stand on: the event loop, real by default, virtual where marked `virtual_time`; eras; PostgreSQL."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit.postgres import SERVER_URL, need_postgres, running_postgres
from tests.kit.virtual_time import VirtualTimeLoop


@pytest.fixture(scope="session", autouse=True)
def signals_end_programs() -> Iterator[None]:
    """No program of a test ignores a signal because the whole run does, as one that was started in the background."""
    ends = {signal.SIGINT: signal.default_int_handler, signal.SIGQUIT: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    ignored = [each for each in ends if signal.getsignal(each) is signal.SIG_IGN]
    for each in ignored:
        signal.signal(each, ends[each])
    yield
    for each in ignored:
        signal.signal(each, signal.SIG_IGN)


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The loop of an async test; `@pytest.mark.virtual_time` gives the one whose waits cost nothing."""
    if request.node.get_closest_marker("virtual_time"):
        return "asyncio", {"loop_factory": VirtualTimeLoop}
    return "asyncio", {}


@pytest.fixture(params=["auto", "legacy"])
def mode(request: pytest.FixtureRequest) -> str:
    """The protocol era of the client: 2026-07-28 and 2025-11-25."""
    return str(request.param)


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """The URL of a PostgreSQL server for the whole run."""
    if url := os.environ.get(SERVER_URL):
        yield url
        return
    need_postgres()
    with running_postgres() as server:
        yield server.url()
