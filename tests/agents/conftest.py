"""What the tests of this package share."""

import pytest


@pytest.fixture(params=["auto", "legacy"])
def mode(request: pytest.FixtureRequest) -> str:
    """The protocol era of the client: 2026-07-28 and 2025-11-25."""
    return str(request.param)
