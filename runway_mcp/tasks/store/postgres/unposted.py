"""POSTs that were begun by a COMMIT without a confirmation and therefore never sent: their intents are taken back."""

import logging
from functools import partial

import anyio

from runway_mcp.tasks.intents import Intent, State
from runway_mcp.tasks.store.postgres.database import Database, Statements
from runway_mcp.tasks.store.postgres.statements import change_intent
from runway_mcp.tasks.store.protocol import LedgerError

_log = logging.getLogger(__name__)

# Seconds between two attempts while the database cannot be written.
_AGAIN = 5.0


class Unposted:
    """The intents of this process that may stand as posting although nothing was sent for them.

    If the process ends before they could be taken back, they are looked for like every other lost POST.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._before: dict[str, Intent] = {}
        self._is_busy = False
        self._next = 0.0

    def add(self, before: Intent) -> None:
        """Notes an intent as it stood before its POST was begun."""
        self._before[before.claim] = before
        self._next = 0.0

    async def take_back(self) -> None:
        """Lets the intents stand as before; what the database cannot take now stays for a later call."""
        if not self._before or self._is_busy or anyio.current_time() < self._next:
            return
        self._is_busy = True
        try:
            for claim, before in list(self._before.items()):
                await self._database.transaction(partial(_taken_back, before))
                del self._before[claim]
        except LedgerError as error:
            self._next = anyio.current_time() + _AGAIN
            _log.warning("a submit that was not sent is still recorded as sent: %s", error)
        finally:
            self._is_busy = False


async def _taken_back(before: Intent, ledger: Statements) -> None:
    def change(standing: Intent, _: float) -> Intent | None:
        is_begun = (standing.state, standing.claim, standing.posts) == (State.POSTING, before.claim, before.posts + 1)
        return before if is_begun else None

    await change_intent(before.id, change, ledger)
