"""Reads of an account shared by the servers on one ledger: one pace for all, and what one reads the others need not.

While the ledger cannot be asked, each server reads at its own pace.
"""

import hashlib
import json
import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import anyio

from runway_mcp.runway.models import TERMINAL, Task
from runway_mcp.tasks.store.protocol import LEASE_SECONDS, LedgerError, Replicas

_log = logging.getLogger(__name__)

_FIELDS: Final = {
    "task_id": "taskId",
    "created_at": "createdAt",
    "task_type": "taskType",
    "status": "status",
    "progress_text": "progressText",
    "progress": "progressRatio",
    "estimated_seconds_to_start": "estimatedTimeToStartSeconds",
    "reply_ref": "replyRef",
}
_OPTIONS: Final = {
    "name": "name",
    "text_prompt": "text_prompt",
    "seed": "seed",
    "seconds": "seconds",
    "explore_mode": "exploreMode",
    "extended_from_task_id": "extended_from_task_id",
    "extended_count": "extended_count",
}


class ReadPermits:
    """The permits to read the accounts of one useapi.net token, and what the reads told of followed tasks.

    `identity` tells one token from another and is kept as a digest alone. Nothing here raises.
    """

    def __init__(self, replicas: Replicas, *, identity: str) -> None:
        self._replicas = replicas
        self._identity = identity
        self._began: dict[str, float] = {}

    async def permit(self, account: str | None, *, out_of_turn: bool = False) -> float:
        """0 if this server may read the account now and others may not; else in how many seconds to ask again.

        It ends with `end`, at the latest after one lease. A read that is `out_of_turn` waits for its own kind alone.
        """
        lease, left = self._lease(account, out_of_turn=out_of_turn), 0.0
        try:
            left = await self._replicas.take(lease, seconds=LEASE_SECONDS)
        except LedgerError as error:
            _log.info("an account is read without regard to other servers: %s", error)
        self._began[lease] = anyio.current_time()
        return left

    async def end(self, account: str | None, tasks: Iterable[Task], *, pause: float, out_of_turn: bool = False) -> None:
        """Ends a permit and passes on what was read; nobody reads the account for `pause` seconds more."""
        lease = self._lease(account, out_of_turn=out_of_turn)
        await self.tell(account, tasks, began=self._began.get(lease))
        try:
            await self._replicas.give_back(lease, pause=pause)
        except LedgerError as error:
            _log.info("a permit to read an account could not be ended: %s", error)

    async def tell(self, account: str | None, tasks: Iterable[Task], *, began: float | None = None) -> None:
        """Passes on what was read of an account by a read that `began` then, in the event loop's time (None: now)."""
        told = {task.task_id: json.dumps(_told(task)) for task in tasks}
        try:
            if told:
                await self._replicas.tell(self.key(account), told, began=began, final=TERMINAL)
        except LedgerError as error:
            _log.info("what was read of an account could not be passed on: %s", error)

    async def news(self, account: str | None, task_ids: Collection[str]) -> Mapping[str, tuple[Task, float]]:
        """What any server has read last of some tasks, and when by the store's clock; without links and artifacts.

        The ledger keeps the order, so that what differs from the news before it is newer, whatever the clock says.
        """
        if not task_ids:
            return {}
        try:
            seen = await self._replicas.told(self.key(account), task_ids)
        except LedgerError as error:
            _log.info("what other servers have read is not known: %s", error)
            return {}
        try:
            return {task_id: (Task.model_validate(json.loads(each.told)), each.at) for task_id, each in seen.items()}
        except ValueError:
            # As a server of another version may tell it.
            _log.info("what other servers have read cannot be understood")
            return {}

    def _lease(self, account: str | None, *, out_of_turn: bool) -> str:
        return f"{'called' if out_of_turn else 'read'}:{self.key(account)}"

    def key(self, account: str | None) -> str:
        """Under which name the servers on one ledger share what they read of an account with this token."""
        return hashlib.sha256(json.dumps([self._identity, account]).encode()).hexdigest()


def _told(task: Task) -> dict[str, Any]:
    """The fields of a task that change or describe it, as upstream spells them; none of them can hold a signed link."""
    options = {wire: getattr(task.options, name) for name, wire in _OPTIONS.items()}
    told = {wire: getattr(task, name) for name, wire in _FIELDS.items()}
    given = {name: value for name, value in told.items() if value is not None}
    return given | {"options": {name: value for name, value in options.items() if value is not None}}
