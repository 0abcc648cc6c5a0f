"""Preparation: what a claimed intent needs before its POST, made while its lease is kept alive."""

import logging
from collections.abc import Awaitable, Callable

import anyio

from runway_mcp.runway.models import Submission
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.store.protocol import LedgerError, Store

Prepare = Callable[[Intent], Awaitable[Submission]]
"""Makes what the POST of a claimed intent sends, but for its seed, replyRef and replyUrl.

Raises `Failure` to give up, and `ClaimLost`.

It may run again for an intent that is claimed again: steps that have ended are then used, not repeated.
"""


class ClaimLost(Exception):  # noqa: N818  named for what happened
    """Another holder has the claim of the intent that is prepared."""


KEPT_SECONDS = 20.0
"""For so long the lease is prolonged each time, in seconds: a process that stands still for longer loses its claim."""

_PAUSE = 5.0
_log = logging.getLogger(__name__)


async def prepared(ledger: Store, intent: Intent, prepare: Prepare) -> Submission | None:
    """What `prepare` makes; None, with the preparation cancelled, once another holder has the claim.

    Raises what `prepare` raises.
    """
    made: Submission | None = None
    failure: Exception | None = None

    async def keep() -> None:
        while await _is_kept(ledger, intent):  # noqa: ASYNC110  a lease is kept by the clock
            await anyio.sleep(_PAUSE)
        work.cancel_scope.cancel()

    async with anyio.create_task_group() as work:
        work.start_soon(keep)
        try:
            made = await prepare(intent)
        except Exception as error:  # noqa: BLE001  raised below, not in a group
            failure = error
        work.cancel_scope.cancel()
    if isinstance(failure, ClaimLost):
        return None
    if failure is not None:
        raise failure
    return made


async def _is_kept(ledger: Store, intent: Intent) -> bool:
    """Whether the claim still holds; a ledger that fails is asked again, since the POST asks it in any case."""
    try:
        return await ledger.keep_waiting(intent.id, intent.claim, seconds=KEPT_SECONDS)
    except LedgerError as error:
        _log.warning("%s", error)
        return True
