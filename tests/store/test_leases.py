"""Work under a lease: one server does it at a time, and one that was away for too long stops."""

import anyio
import pytest

from runway_mcp.tasks.store.leases import while_leased
from runway_mcp.tasks.store.protocol import LEASE_SECONDS, LedgerError
from tests.kit.clock import wall_clock
from tests.store.memory_replicas import MemoryReplicas, Rows

pytestmark = pytest.mark.virtual_time


class Work:
    """Work that takes so many seconds; how often it was begun and ended."""

    def __init__(self, seconds: float = 100.0, failure: Exception | None = None) -> None:
        self.begun = self.ended = 0
        self._seconds = seconds
        self._failure = failure

    async def __call__(self) -> str:
        """What the work comes to."""
        self.begun += 1
        await anyio.sleep(self._seconds)
        if self._failure is not None:
            raise self._failure
        self.ended += 1
        return "joined"


def servers() -> tuple[MemoryReplicas, MemoryReplicas]:
    rows = Rows()
    return MemoryReplicas(rows, wall_clock), MemoryReplicas(rows, wall_clock)


async def test_work_is_done_by_one_server_however_long_it_takes_and_may_be_done_again_afterwards() -> None:
    (one, other), work, told = servers(), Work(), list[str | None]()

    async def run() -> None:
        told.append(await while_leased(one, "join", work))

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        for _ in range(9):
            await anyio.sleep(10)
            assert await while_leased(other, "join", work) is None
    assert (told, work.begun) == (["joined"], 1)
    assert await while_leased(other, "join", work) == "joined"


async def test_a_server_that_finds_its_lease_taken_over_stops_its_work() -> None:
    (one, other), work = servers(), Work()
    # As if it had stood still for so long that the lease ended.
    one.is_away = True
    with pytest.raises(LedgerError):
        await while_leased(one, "join", work)
    one.is_away = False
    told: list[str | None] = []

    async def run() -> None:
        told.append(await while_leased(one, "join", work))

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await anyio.sleep(1)
        one.is_away = True
        await anyio.sleep(LEASE_SECONDS)
        assert await other.take("join", seconds=LEASE_SECONDS) == 0
        one.is_away = False

    assert (told, work.begun, work.ended) == ([None], 1, 0)
    assert await one.take("join", seconds=LEASE_SECONDS) > 0, "what is another server's is not given back"


async def test_work_goes_on_while_the_ledger_cannot_be_asked() -> None:
    (one, _), work = servers(), Work()
    told: list[str | None] = []

    async def run() -> None:
        told.append(await while_leased(one, "join", work))

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await anyio.sleep(1)
        one.is_away = True

    assert told == ["joined"]


async def test_work_that_fails_gives_its_lease_back_and_raises_what_it_raised() -> None:
    one, other = servers()
    with pytest.raises(ValueError, match="full disk"):
        await while_leased(one, "join", Work(failure=ValueError("full disk")))
    assert await other.take("join", seconds=1) == 0


async def test_a_server_that_ends_while_it_works_gives_its_lease_back() -> None:
    one, other = servers()
    with anyio.move_on_after(1):
        await while_leased(one, "join", Work())
    assert await other.take("join", seconds=1) == 0


async def test_without_other_servers_work_needs_no_lease() -> None:
    assert await while_leased(None, "join", Work()) == "joined"
