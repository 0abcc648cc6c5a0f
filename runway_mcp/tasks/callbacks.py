"""Receiver of upstream's callbacks: each may cause a read or a look; its body is never taken as fact.

Each intent has an unguessable address. Knowing one can cause at most one read per poll interval. A callback
about progress causes no read: one per change would cost as much as polling.
"""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Final

import anyio

from runway_mcp.runway.fields import mapping, text
from runway_mcp.runway.models import TERMINAL
from runway_mcp.tasks.follow.watcher import Watcher
from runway_mcp.tasks.intents import OPEN, Intent
from runway_mcp.tasks.spend.posting import Posts
from runway_mcp.tasks.spend.reconcile import Reconciler
from runway_mcp.tasks.store.protocol import Hint, LedgerError, Store
from runway_mcp.tasks.store.token_view import is_seen, underlying

PATH = "/callbacks/"
"""The path of callbacks; a token follows."""

NO_TOKEN: Final = "doctor"  # noqa: S105  no password
"""What stands where a token would, and is too short for one: nothing is looked up for it."""

UNKNOWN: Final = "no such callback"
"""The answer, with 404, to what is no intent's token; by it a server of this program is told from any other."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")


def address(public_url: str) -> str:
    """The address of this server's callbacks under its public URL; an intent's token completes it."""
    return f"{public_url.rstrip('/')}{PATH}"


class Callbacks:
    """Handler of callbacks; looks for the task of an intent without one at most once per `pause` seconds."""

    def __init__(self, ledger: Store, watcher: Watcher, posts: Posts, reconciler: Reconciler, *, pause: float) -> None:
        self._ledger = ledger
        self._watcher = watcher
        self._posts = posts
        self._reconciler = reconciler
        self._pause = pause
        self._looked: dict[str, float] = {}

    async def take(self, token: str, read: Callable[[], Awaitable[bytes]]) -> bool:
        """Handles a callback to the address that ends in `token`; False if no intent has that token.

        `read` returns the body, or as much of it as is worth reading; it is not awaited for an unknown token. Raises
        `LedgerError`.
        """
        return await take_callback([self], token, read)

    async def find(self, token: str) -> Intent | None:
        """The intent that a callback's address names, of whatever account of the ledger; raises `LedgerError`."""
        return await underlying(self._ledger).find("callback_token", token)

    def is_for(self, intent: Intent) -> bool:
        """Whether an intent is of the account that this one serves."""
        return is_seen(self._ledger, intent)

    async def handle(self, intent: Intent, read: Callable[[], Awaitable[bytes]]) -> None:
        """Handles a callback of an intent; raises `LedgerError`."""
        body = await read()
        if intent.task_id is not None:
            if _claims_end(body, intent.task_id):
                self._watcher.note_callback(intent.task_id)
        elif intent.state in OPEN:
            self._look(intent)
            await self._tell_others(intent)

    def cue(self, intent: Intent) -> None:
        """Looks at once for the task of a POST of this server's, of which another one has taken a callback."""
        if self._posts.of(intent) is not None:
            self._look(intent)

    async def _tell_others(self, intent: Intent) -> None:
        replicas = self._ledger.replicas
        if replicas is not None:
            with suppress(LedgerError):
                await replicas.hint(Hint("called", intent.id))

    def _look(self, intent: Intent) -> None:
        """Looks for the task of a submit that is unanswered or unclear; the callback is a sign that it exists."""
        now = anyio.current_time()
        self._looked = {each: at for each, at in self._looked.items() if now - at < self._pause}
        if intent.id not in self._looked:
            self._looked[intent.id] = now
            if self._posts.of(intent) is not None:
                self._posts.look_soon(intent)
            else:
                self._reconciler.look_soon(intent)


async def take_callback(
    accounts: Sequence[Callbacks],
    token: str,
    read: Callable[[], Awaitable[bytes]],
    *,
    turns: anyio.Semaphore | None = None,
) -> bool:
    """Handles a callback at that account of a server whose intent has the token; False if there is none.

    However many accounts there are, the ledger is asked once, and at one of the `turns`, as anybody may guess tokens.
    As `Callbacks.take`.
    """
    if not accounts or not _TOKEN.fullmatch(token):
        return False
    async with turns or nullcontext():
        intent = await accounts[0].find(token)
    receiver = None if intent is None else next((each for each in accounts if each.is_for(intent)), None)
    if intent is None or receiver is None:
        return False
    await receiver.handle(intent, read)
    return True


def _claims_end(body: bytes, task_id: str) -> bool:
    """Whether the body claims that the task has ended; not if it names another one."""
    try:
        said = mapping(json.loads(body)) or {}
    except (ValueError, RecursionError):
        return False
    told = mapping(said.get("task")) or said
    status, named = text(told.get("status")), text(told.get("taskId"))
    return status in TERMINAL and named in (None, task_id)
