"""What every test stands on: the event loop, real by default, virtual where a test is marked `virtual_time`."""

from typing import Any

import pytest

from tests.virtual_time import VirtualTimeLoop


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The loop of an async test; `@pytest.mark.virtual_time` gives the one whose waits cost nothing."""
    if request.node.get_closest_marker("virtual_time"):
        return "asyncio", {"loop_factory": VirtualTimeLoop}
    return "asyncio", {}
