"""POSTs that were begun by a COMMIT without a confirmation and therefore never sent: their intents are taken back."""

import logging
from functools import partial

import anyio

from runway_mcp.tasks.intents import Intent
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
        self._intents: dict[str, tuple[Intent, Intent]] = {}
        self._is_busy = False
        self._next = 0.0

    def add(self, before: Intent, begun: Intent) -> None:
        """Notes an intent as it stood before its POST was begun, and as it may stand now."""
        self._intents[begun.claim] = before, begun
        self._next = 0.0

    def holds(self, claim: str) -> bool:
        """Whether the intent of a claim has still to be taken back."""
        return claim in self._intents

    async def take_back(self) -> None:
        """Lets the intents stand as before; what the database cannot take now stays for a later call."""
        if not self._intents or self._is_busy or anyio.current_time() < self._next:
            return
        self._is_busy = True
        try:
            for claim, (before, begun) in list(self._intents.items()):
                await self._database.transaction(partial(_taken_back, before, begun), caller=begun.caller)
                del self._intents[claim]
        except LedgerError as error:
            self._next = anyio.current_time() + _AGAIN
            _log.warning("a submit that was not sent is still recorded as sent: %s", error)
        finally:
            self._is_busy = False


async def _taken_back(before: Intent, begun: Intent, ledger: Statements) -> None:
    # Equal in all, its times included: what was begun again or changed since is left alone.
    await change_intent(begun.id, lambda standing, _: before if standing == begun else None, ledger)
