"""Statements of the ledger inside a transaction: locks of callers, reads and writes of intents."""

from collections.abc import Callable
from typing import LiteralString

from psycopg.abc import Params
from psycopg.sql import SQL

from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.policy import Quote
from runway_mcp.tasks.store.postgres.database import Statements
from runway_mcp.tasks.store.postgres.rows import SELECT, UPDATE, stored_intent, values_of
from runway_mcp.tasks.store.protocol import Key

_BY: dict[Key, LiteralString] = {
    "id": "WHERE id = %s",
    "film_id": "WHERE film_id = %s",
    "task_id": "WHERE task_id = %s",
    "callback_token": "WHERE callback_token = %s",
}


async def lock_caller(ledger: Statements, caller: str) -> None:
    """Waits until no other transaction writes for that caller, and keeps them out until this one ends."""
    query = "SELECT 1 FROM callers WHERE id = %s FOR UPDATE"
    if not await ledger.rows(query, (caller,)):
        await ledger.execute("INSERT INTO callers VALUES (%s) ON CONFLICT DO NOTHING", (caller,))
        await ledger.rows(query, (caller,))


async def lock_owner(ledger: Statements, by: Key, value: str) -> bool:
    """As `lock_caller`, for the caller of the intent whose field `by` has that value; False if there is none."""
    query = SQL("SELECT 1 FROM callers WHERE id = (SELECT caller FROM intents {}) FOR UPDATE").format(SQL(_BY[by]))
    return bool(await ledger.rows(query, (value,)))


async def intents(ledger: Statements, where: LiteralString, values: Params | None = None) -> list[Intent]:
    """The intents of a query that goes on with `where`."""
    return [stored_intent(row) for row in await ledger.rows(SELECT + SQL(where), values)]


async def found(ledger: Statements, by: Key, value: str) -> Intent | None:
    """The intent whose field `by` has that value; None if there is none."""
    return next(iter(await intents(ledger, _BY[by], (value,))), None)


async def write(ledger: Statements, standing: Intent | None, changed: Intent | None) -> bool:
    """Writes an intent if a transition changed it; False if it did not."""
    if changed is None or changed == standing:
        return False
    await ledger.execute(UPDATE, values_of(changed))
    return True


async def change_intent(
    intent_id: str, change: Callable[[Intent, float], Intent | None], ledger: Statements
) -> Intent | None:
    """Applies a transition to an intent; None if it was refused or there is no such intent."""
    if not await lock_owner(ledger, "id", intent_id):
        return None
    standing = await found(ledger, "id", intent_id)
    changed = standing and change(standing, await ledger.now())
    await write(ledger, standing, changed)
    return changed


async def stored_quote(ledger: Statements, quote_id: str | None) -> Quote | None:
    """The quote of that id; None if there is none."""
    rows = await ledger.rows("SELECT id, covers, expires, intent_id FROM quotes WHERE id = %s", (quote_id,))
    return Quote(*rows[0]) if rows else None
