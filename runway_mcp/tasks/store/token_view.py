"""The ledger as one useapi.net token sees it: what belongs to other accounts is neither followed nor settled there."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from runway_mcp.tasks.intents import Film, Intent
from runway_mcp.tasks.store.protocol import Key, LedgerError, Store
from runway_mcp.tasks.transitions import Selection

_USER: Final = re.compile(r"user:[^-]+-")
_MORE: Final = 4


class Owns(Protocol):
    """Whether a token is the one through which a caller's intents are followed."""

    def __call__(self, caller: str, user: str | None = None, /) -> bool:
        """With the user of useapi.net whose ids an intent has, of that intent; without, of what has no such ids."""
        ...


def user_of(text: str) -> str | None:
    """The user of useapi.net whose id or token this is, as `user:<number>-`; None for a text that names none."""
    found = _USER.match(text)
    return found[0] if found else None


def store_of_token(store: Store, owns: Owns, *, token: str) -> Store:
    """The store without what belongs to other tokens: intents with ids of another user, or that this one does not own.

    A look with the wrong token would find nothing, and would close as unmade what another account has made; a task that
    it reads would be gone. So intents of others are not selected, and neither looks nor reads of them are written down.
    Ids and tokens that name no user decide nothing. Claims, caps and quotes are the store's own, since they name their
    caller, and so are intents found by their id or by a task's: whoever asks for those compares the caller.
    """
    return cast("Store", _StoreOfToken(store, owns, user_of(token)))


def everyone(_caller: str, _user: str | None = None) -> bool:
    """Owns the intents of all callers, as the only token of a server does."""
    return True


def underlying(store: Store) -> Store:
    """The store of which this is one token's view; any other store itself."""
    view: object = store
    return view.store if isinstance(view, _StoreOfToken) else store


def is_seen(store: Store, intent: Intent) -> bool:
    """Whether an intent is followed and settled by the token of a store."""
    view: object = store
    return not isinstance(view, _StoreOfToken) or view.sees(intent)


async def may_follow(store: Store, task_id: str) -> bool:
    """Whether the token of a store may follow a task; while the ledger fails, whether the task's id allows it."""
    view: object = store
    if not isinstance(view, _StoreOfToken):
        return True
    if view.is_foreign(task_id):
        return False
    try:
        owner = await view.store.find("task_id", task_id)
    except LedgerError:
        return True
    return owner is None or view.sees(owner)


@dataclass(frozen=True)
class _StoreOfToken:
    """All other verbs are those of `store`; `user` is the token's, None if it names none."""

    store: Store
    owns: Owns
    user: str | None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def is_foreign(self, *ids: str | None) -> bool:
        """Whether one of these ids is of another user than the token."""
        return self.user is not None and bool(_users(ids) - {self.user})

    def sees(self, intent: Intent) -> bool:
        """Whether an intent is followed and settled by this token."""
        ids = _ids_of(intent)
        if self.is_foreign(*ids):
            return False
        return self.owns(intent.caller, self.user if _users(ids) else None)

    async def orphans(self) -> list[Intent]:
        return [intent for intent in await self.store.orphans() if self.sees(intent)]

    async def find(self, by: Key, value: str) -> Intent | None:
        found = await self.store.find(by, value)
        if found is None or by in ("id", "task_id"):
            return found
        is_seen = self.sees(found) if by == "callback_token" else self.owns(found.caller)
        return found if is_seen else None

    async def select(
        self, selection: Selection, *, caller: str | None = None, limit: int | None = None
    ) -> list[Intent]:
        asked = limit
        while True:
            found = await self.store.select(selection, caller=caller, limit=asked)
            seen = [intent for intent in found if self.sees(intent)]
            if limit is None or asked is None or len(seen) >= limit or len(found) < asked:
                return seen[:limit]
            asked *= _MORE

    async def looked(self, intent: Intent, *, complete: bool, alike: bool = False) -> Intent | None:
        if self.is_foreign(*_ids_of(intent)):
            return await self.store.find("id", intent.id)
        return await self.store.looked(intent, complete=complete, alike=alike)

    async def observe(
        self, task_id: str, status: str, *, ended: bool, film: Film | None, failure: tuple[str, str] | None
    ) -> Intent | None:
        # Each token of a user reads the truth of his tasks, so that only ids without a user need a look at the owner.
        if self.is_foreign(task_id) or self.user is None or user_of(task_id) is None:
            owner = await self.store.find("task_id", task_id)
            if self.is_foreign(task_id) or (owner is not None and not self.sees(owner)):
                return owner
        return await self.store.observe(task_id, status, ended=ended, film=film, failure=failure)

    async def named(self, uuid: str, *, caller: str, tasks_only: bool = False) -> str | None:
        found = await self.store.named(uuid, caller=caller, tasks_only=tasks_only)
        return None if self.is_foreign(found) else found


def _ids_of(intent: Intent) -> tuple[str | None, ...]:
    return intent.task_id, intent.parent_task_id, intent.source_asset_id


def _users(ids: Iterable[str | None]) -> set[str]:
    return {user for each in ids if each is not None and (user := user_of(each)) is not None}
