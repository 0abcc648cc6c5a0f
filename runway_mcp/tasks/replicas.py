"""What other servers on the same ledger do, taken up by this one: their tasks, their reads, their callbacks and films.

Hints bring it at once; every few seconds a look at the ledger finds what no hint has told.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from runway_mcp.runway.models import Task
from runway_mcp.tasks.callbacks import Callbacks
from runway_mcp.tasks.follow.unfinished import follow_unfinished
from runway_mcp.tasks.follow.watcher import Watcher
from runway_mcp.tasks.store.protocol import Hint, LedgerError, OnJoin, Replicas, Store

LOOK_SECONDS: Final = 5.0
"""How long after a change at another server it is known here at the latest, if no hint tells of it."""

_LOOKS_APART: Final = 0.25
"""The least time between two looks in seconds: each reads all unfinished requests, and hints come in bursts."""

_log = logging.getLogger(__name__)


class OtherServers:
    """What the other servers on a ledger tell; every unfinished task of theirs is followed here as well.

    `taken_up` is awaited with each task of theirs that is new here.
    """

    def __init__(
        self,
        store: Store,
        watcher: Watcher,
        callbacks: Callbacks,
        *,
        taken_up: Callable[[Task], Awaitable[object]],
        on_join: OnJoin | None,
    ) -> None:
        self._store = store
        self._watcher = watcher
        self._callbacks = callbacks
        self._taken_up = taken_up
        self._on_join = on_join
        self._stirred = anyio.Event()

    async def run(self, replicas: Replicas) -> None:
        """Takes up what they do until it is cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(replicas.listen, self._hear)
            while True:
                self._stirred, begun = anyio.Event(), anyio.current_time()
                await self._safely(self._look)
                with anyio.move_on_after(LOOK_SECONDS):
                    await self._stirred.wait()
                await anyio.sleep_until(begun + _LOOKS_APART)

    async def _look(self) -> None:
        await follow_unfinished(self._store, self._watcher, self._taken_up)
        await self._watcher.catch_up()

    async def _hear(self, hint: Hint) -> None:
        if hint.kind == "look":
            # Each look reads all unfinished requests, and each token of a server hears the hints of all accounts.
            if not hint.account or self._watcher.follows(hint.account):
                self._stirred.set()
        else:
            await self._safely(lambda: self._told(hint))

    async def _told(self, hint: Hint) -> None:
        intent = await self._store.find("id", hint.intent_id)
        if intent is None:
            return
        if hint.kind == "called":
            self._callbacks.cue(intent)
        elif self._on_join is not None and await self._store.find("film_id", intent.film_id) is not None:
            # Of the accounts of one server, the one that the film's caller goes through.
            await self._on_join(intent)

    async def _safely(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except LedgerError as error:
            _log.info("what other servers do is not known now: %s", error)
        except Exception:  # noqa: BLE001  a crash here would end every other call of the process
            _log.exception("what other servers do could not be taken up through a fault of this one")
