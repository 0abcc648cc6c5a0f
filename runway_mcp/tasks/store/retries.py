"""Work of a start that needs the ledger, done again until it can be used."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from anyio import sleep

from runway_mcp.tasks.store.protocol import LedgerError

AGAIN_SECONDS: Final = 5.0
"""How long after a failure of the ledger the work is done again, in seconds."""

_log = logging.getLogger(__name__)


async def done_once(work: Callable[[], Awaitable[None]], *, meanwhile: str, fault: str) -> None:
    """Does the work, again after each failure of the ledger, until it has succeeded once; raises nothing.

    It may have been done in part before. `meanwhile` says what is not done until then, `fault` that it never will be,
    through a fault of this program.
    """
    told = ""
    while True:
        try:
            await work()
        except LedgerError as error:
            if str(error) != told:
                told = str(error)
                _log.warning("%s %s", error, meanwhile)
        except Exception:  # noqa: BLE001  a crash here would end every other call of the process
            _log.exception(fault)
            return
        else:
            return
        await sleep(AGAIN_SECONDS)
