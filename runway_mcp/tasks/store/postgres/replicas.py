"""Leases, hints and what was read of tasks, shared by the servers on one ledger in PostgreSQL.

A hint is a notification of the transaction that it tells of, heard on a connection of its own. One that is lost is
made up for by whoever looks at the tables.
"""

import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import asdict
from typing import Final, LiteralString, NoReturn, cast

import anyio
import psycopg
from psycopg.sql import SQL, Identifier

from runway_mcp.tasks.intents import LONGEST_LEASE
from runway_mcp.tasks.store.postgres.database import Database, Statements
from runway_mcp.tasks.store.postgres.failures import FAILURES, SUBJECT, log_line
from runway_mcp.tasks.store.protocol import Hint, LedgerError, Replicas, Seen

_log = logging.getLogger(__name__)

KEPT_SECONDS: Final = 3600.0
"""For how long an ended lease, and what was read of a task, is kept."""

# Seconds after which the way to the server is tried while no notification comes, and between two attempts to reach it.
_IDLE, _AGAIN = 5.0, 2.0
# How long is waited for a notification that should be there.
_DRAINED = 0.05

_TAKE: LiteralString = """
    INSERT INTO leases (name, owner, until) VALUES (%(name)s, %(owner)s, %(until)s)
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
    WHERE leases.owner = excluded.owner OR leases.until <= %(now)s
        OR leases.until > %(now)s + CASE leases.owner WHEN '' THEN %(longest)s ELSE 2 * %(seconds)s END
    RETURNING until
"""
_TELL: LiteralString = """
    INSERT INTO seen (account, task_id, teller, told, at)
    SELECT %(account)s, task_id, %(teller)s, told::json, %(began)s
    FROM unnest(%(ids)s::text[], %(told)s::text[]) AS tasks (task_id, told)
    ON CONFLICT (account, task_id) DO UPDATE SET teller = excluded.teller, told = excluded.told, at = excluded.at
    WHERE excluded.told->>'status' = ANY(%(final)s) OR (
        (seen.told->>'status' = ANY(%(final)s)) IS NOT TRUE AND NOT (seen.at > excluded.at AND seen.at <= %(now)s)
    )
"""
# Notifications reach the whole database, and each schema of it may hold a ledger.
_CHANNEL: LiteralString = "'runway_' || md5(current_schema())"


class PostgresReplicas(Replicas):
    """What the servers on one database agree on; each has an id of its own from its start on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._own = secrets.token_hex(8)
        self._hearers: list[Callable[[Hint], Awaitable[None]]] = []
        self._listening = anyio.Lock()

    async def take(self, name: str, *, seconds: float) -> float:
        async def work(ledger: Statements) -> float:
            now = await ledger.now()
            values = {"name": name, "owner": self._own, "until": now + seconds, "now": now}
            values |= {"seconds": seconds, "longest": LONGEST_LEASE}
            if await ledger.rows(_TAKE, values):
                return 0.0
            rows = await ledger.rows("SELECT until FROM leases WHERE name = %s", (name,))
            # One that was given up just now is asked for again soon.
            return max(0.05, rows[0][0] - now) if rows else 0.05

        return await self._database.transaction(work)

    async def give_back(self, name: str, *, pause: float = 0.0) -> None:
        async def work(ledger: Statements) -> None:
            now = await ledger.now()
            query = "UPDATE leases SET owner = '', until = %s WHERE name = %s AND owner = %s"
            await ledger.execute(query, (now + min(pause, LONGEST_LEASE), name, self._own))
            await ledger.execute("DELETE FROM leases WHERE until < %s", (now - KEPT_SECONDS,))

        await self._database.transaction(work)

    async def tell(
        self, account: str, tasks: Mapping[str, str], *, began: float | None = None, final: Collection[str] = ()
    ) -> None:
        async def work(ledger: Statements) -> None:
            now = await ledger.now()
            age = 0.0 if began is None else anyio.current_time() - began
            # In one order, so that two servers never wait for each other.
            ids = sorted(tasks)
            values = {"account": account, "teller": self._own, "ids": ids, "told": [tasks[i] for i in ids]}
            await ledger.execute(_TELL, values | {"began": now - age, "now": now, "final": list(final)})
            await ledger.execute("DELETE FROM seen WHERE at < %s", (now - KEPT_SECONDS,))
            await self.note(ledger, Hint("look", account=account))

        await self._database.transaction(work)

    async def told(self, account: str, task_ids: Collection[str]) -> Mapping[str, Seen]:
        query = "SELECT task_id, told::text, at FROM seen WHERE account = %s AND task_id = ANY(%s) AND teller <> %s"
        rows = await self._database.read(lambda ledger: ledger.rows(query, (account, list(task_ids), self._own)))
        return {task_id: Seen(told, at) for task_id, told, at in rows}

    async def hint(self, hint: Hint) -> None:
        await self._database.transaction(lambda ledger: self.note(ledger, hint))

    async def note(self, ledger: Statements, hint: Hint) -> None:
        """Gives a hint as part of a transaction, and only if that lasts."""
        payload = json.dumps({"from": self._own, **asdict(hint)})
        await ledger.execute("SELECT pg_notify(" + _CHANNEL + ", %s)", (payload,))

    async def listen(self, hear: Callable[[Hint], Awaitable[None]]) -> NoReturn:
        self._hearers.append(hear)
        try:
            if self._listening.locked():
                await hear(Hint("look"))
            # One connection serves all who listen here; who leaves is followed by the next.
            async with self._listening:
                await self._listen()
        finally:
            self._hearers.remove(hear)

    async def _listen(self) -> NoReturn:
        is_told = False
        while True:
            try:
                connection = await self._database.connect()
                try:
                    await self._subscribe(connection)
                    is_told = False
                    # What came while nobody listened is found by a look.
                    await self._hear(Hint("look"))
                    await self._pass_on(connection)
                finally:
                    # Its own context would wait for a rollback first, which whoever is cancelled cannot.
                    await connection.close()
            except (*FAILURES, LedgerError) as error:
                if not is_told:
                    _log.info("%s tells nothing of other servers for now: %s", SUBJECT, log_line(error))
                is_told = True
            await anyio.sleep(_AGAIN)

    async def _subscribe(self, connection: psycopg.AsyncConnection) -> None:
        row = await (await connection.execute("SELECT " + _CHANNEL)).fetchone()
        name = row[0] if row else ""
        await connection.execute(SQL("LISTEN {}").format(Identifier(name)))

    async def _hear(self, hint: Hint) -> None:
        for hear in tuple(self._hearers):
            await hear(hint)

    async def _pass_on(self, connection: psycopg.AsyncConnection) -> NoReturn:
        while True:
            # What came with another answer waits here already.
            async for notification in connection.notifies(timeout=_DRAINED, stop_after=1):
                hint = self._read(notification.payload)
                if hint is not None:
                    await self._hear(hint)
            # Not by the driver, which wakes up ten times a second while it waits.
            with anyio.move_on_after(_IDLE) as idle:
                await anyio.wait_readable(connection.fileno())
            if idle.cancelled_caught:
                with anyio.fail_after(_IDLE):
                    await connection.execute("SELECT 1")

    def _read(self, payload: str) -> Hint | None:
        """The hint of another server; None for this server's own, and for what a later version tells."""
        try:
            told = cast("dict[str, str]", json.loads(payload))
            if told["from"] == self._own or told["kind"] not in ("look", "called", "joined"):
                return None
            return Hint(told["kind"], told["intent_id"], told.get("account", ""))
        except (ValueError, KeyError, TypeError):
            return None
