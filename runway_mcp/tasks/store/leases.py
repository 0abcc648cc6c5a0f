"""Work that one of several servers does at a time, under a lease that is prolonged while it lasts."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from runway_mcp.tasks.store.protocol import LEASE_SECONDS, LedgerError, Replicas

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

GIVING_BACK_SECONDS: Final = 2.0
"""How long the end of a lease is waited for, in seconds.

An attempt of a database that has begun ends by itself, so one that is away may hold a server's end up for ten.
"""

_RENEWALS = 3


async def while_leased(
    replicas: Replicas | None,
    name: str,
    work: Callable[[], Awaitable[_T]],
    *,
    held: Callable[[float], None] | None = None,
) -> _T | None:
    """What `work` returns; None if another server does it, or takes it over from this one, which then ends it.

    Where another one has it at the beginning, `held` is told for how many seconds its lease lasts. Without `replicas`
    it is this server's. While the ledger cannot be asked, work that has begun goes on. Raises what `work` raises, and
    `LedgerError` if the ledger cannot be asked before.
    """
    if replicas is None:
        return await work()
    if (left := await replicas.take(name, seconds=LEASE_SECONDS)) > 0:
        if held is not None:
            held(left)
        return None
    result: _T | None = None
    failure: Exception | None = None

    async def keep(lease: Replicas) -> None:
        while True:
            await anyio.sleep(LEASE_SECONDS / _RENEWALS)
            try:
                if await lease.take(name, seconds=LEASE_SECONDS) > 0:
                    running.cancel_scope.cancel()
            except LedgerError as error:
                _log.info("a lease could not be prolonged: %s", error)

    try:
        async with anyio.create_task_group() as running:
            running.start_soon(keep, replicas)
            try:
                result = await work()
            except Exception as error:  # noqa: BLE001  raised below, not in a group
                failure = error
            running.cancel_scope.cancel()
    finally:
        await give_back(replicas, name)
    if failure is not None:
        raise failure
    return result


async def give_back(replicas: Replicas, name: str) -> None:
    """Ends a lease, also of work that was cancelled; one that cannot be ended soon ends by itself."""
    try:
        with anyio.move_on_after(GIVING_BACK_SECONDS, shield=True):
            await replicas.give_back(name)
    except LedgerError as error:
        _log.info("a lease ends by itself: %s", error)
