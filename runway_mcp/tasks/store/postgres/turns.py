"""Whose turn it is at the database: verbs that wait for one another do so without a connection."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

import anyio
from psycopg.errors import LockNotAvailable


class Turns:
    """Turns of the verbs of one process, in the order of asking.

    At most so many `connections` are in use, so many of them by `transactions`: reads, which wait for no lock, have
    the rest. Of the transactions that lock one caller's row, one has a connection; the others would wait for it in the
    database and leave none to other callers. Who has no turn after `seconds` gets `LockNotAvailable`, as in the
    database.
    """

    def __init__(self, *, connections: int, transactions: int, seconds: float) -> None:
        self._connections = anyio.Semaphore(connections)
        self._transactions = anyio.Semaphore(transactions)
        self._seconds = seconds
        # A caller's lock lives as long as somebody holds it or waits for it.
        self._callers: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

    def read(self) -> AbstractAsyncContextManager[None]:
        """The turn of a read."""
        return self._turn(self._connections)

    def transaction(self, caller: str | None) -> AbstractAsyncContextManager[None]:
        """The turn of a transaction; with a caller it locks that caller's row."""
        own = () if caller is None else (self._callers.setdefault(caller, anyio.Lock()),)
        return self._turn(*own, self._transactions, self._connections)

    @asynccontextmanager
    async def _turn(self, *turns: anyio.Lock | anyio.Semaphore) -> AsyncGenerator[None]:
        async with AsyncExitStack() as had:
            try:
                with anyio.fail_after(self._seconds):
                    for turn in turns:
                        await had.enter_async_context(turn)
            except TimeoutError:
                raise LockNotAvailable("other verbs of this process were in the way") from None
            yield
