import pytest
from anyio import CapacityLimiter


@pytest.fixture
def limiter() -> CapacityLimiter:
    return CapacityLimiter(2)
