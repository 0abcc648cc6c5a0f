"""What tests stand on: the event loop, real by default, virtual where a test is marked `virtual_time`; and the eras."""

from typing import Any

import pytest

from tests.kit.virtual_time import VirtualTimeLoop


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
