"""The ledger as one useapi.net token sees it, where a server has several: what goes through others is not there."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.store.protocol import Key, Store
from runway_mcp.tasks.transitions import Selection

_USER: Final = re.compile(r"user:[^-]+-")

Owns = Callable[[str], bool]
"""Whether a caller's requests go through a token."""


def store_of_token(store: Store, owns: Owns, *, token: str) -> Store:
    """The store without what belongs to other tokens: intents of callers that this one does not own, and their names.

    A look with the wrong token would find nothing, and would close as unmade what another account has made. Claims,
    caps and quotes are the store's own, since they name their caller.
    """
    found = _USER.match(token)
    return cast("Store", _StoreOfAccount(store, owns, found[0] if found else None))


@dataclass(frozen=True)
class _StoreOfAccount:
    """All other verbs are those of `store`."""

    store: Store
    owns: Owns
    user: str | None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def orphans(self) -> list[Intent]:
        return self._own(await self.store.orphans())

    async def find(self, by: Key, value: str) -> Intent | None:
        found = await self.store.find(by, value)
        return found if found is not None and self.owns(found.caller) else None

    async def select(
        self, selection: Selection, *, caller: str | None = None, limit: int | None = None
    ) -> list[Intent]:
        if caller is not None:
            return await self.store.select(selection, caller=caller, limit=limit) if self.owns(caller) else []
        return self._own(await self.store.select(selection))[:limit]

    async def named(self, uuid: str, *, caller: str, tasks_only: bool = False) -> str | None:
        found = await self.store.named(uuid, caller=caller, tasks_only=tasks_only)
        is_foreign = self.user is not None and found is not None and _USER.match(found) is not None
        return None if is_foreign and not str(found).startswith(str(self.user)) else found

    def _own(self, intents: list[Intent]) -> list[Intent]:
        return [intent for intent in intents if self.owns(intent.caller)]
