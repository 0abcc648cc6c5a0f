"""Migrations of the ledger's file, one per format; a request in a file of any earlier version stays answered."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from runway_mcp.tasks.intents import GENERATED_REFERENCE, LOOKING_SECONDS, idempotency_key, normalized, uuid_of


def _first(connection: sqlite3.Connection) -> None:
    """The format of the first release."""
    _run(
        connection,
        """
        CREATE TABLE intents (
            id TEXT PRIMARY KEY, twin_key TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL, account TEXT,
            task_type TEXT NOT NULL, source_asset_id TEXT NOT NULL, parent_task_id TEXT NOT NULL, text_prompt TEXT,
            seconds INTEGER NOT NULL, explore_mode INTEGER NOT NULL, seed INTEGER NOT NULL, own_seed INTEGER NOT NULL,
            reply_ref TEXT NOT NULL, own_ref INTEGER NOT NULL, cost INTEGER NOT NULL, lease REAL NOT NULL,
            task_id TEXT UNIQUE, status TEXT, ended REAL, told REAL, failure_kind TEXT, failure_message TEXT,
            callback_token TEXT UNIQUE
        );
        CREATE INDEX intents_by_twin ON intents (twin_key, created);
        CREATE INDEX intents_by_time ON intents (created);
        CREATE INDEX intents_by_state ON intents (state, ended);
        CREATE TABLE quotes (id TEXT PRIMARY KEY, covers TEXT NOT NULL, expires REAL NOT NULL, intent_id TEXT);
        """,
    )


def _second(connection: sqlite3.Connection) -> None:
    """Second format: intents stay valid without a time limit; adds claims and spellings of sources.

    Every row counts as posted. The keys are computed by the third format's migration.
    """
    rows = [dict(row) for row in connection.execute("SELECT * FROM intents ORDER BY created")]
    _run(
        connection,
        """
        DROP TABLE intents;
        CREATE TABLE intents (
            id TEXT PRIMARY KEY, idempotency_key TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL,
            account TEXT, task_type TEXT NOT NULL, source_asset_id TEXT NOT NULL, parent_task_id TEXT NOT NULL,
            text_prompt TEXT, seconds INTEGER NOT NULL, explore_mode INTEGER NOT NULL, seed INTEGER NOT NULL,
            seed_generated INTEGER NOT NULL, reply_ref TEXT NOT NULL, reply_ref_generated INTEGER NOT NULL,
            cost INTEGER NOT NULL, extended_count INTEGER, source_name TEXT, lease REAL NOT NULL, claim TEXT NOT NULL,
            posts INTEGER NOT NULL, posted REAL, looked INTEGER NOT NULL, task_id TEXT UNIQUE, status TEXT, ended REAL,
            film TEXT, closed REAL, failure_kind TEXT, failure_message TEXT, callback_token TEXT UNIQUE
        );
        CREATE INDEX intents_by_request ON intents (idempotency_key, created);
        CREATE INDEX intents_by_source ON intents (source_asset_id);
        CREATE INDEX intents_by_time ON intents (created);
        CREATE INDEX intents_by_state ON intents (state, ended);
        CREATE TABLE spellings (spelling TEXT PRIMARY KEY, asset_id TEXT NOT NULL);
        """,
    )
    sources: dict[str, set[str]] = {}
    for row in rows:
        sources.setdefault(row["parent_task_id"], set()).add(row["source_asset_id"])
        connection.execute(
            "INSERT INTO intents VALUES (:id, :idempotency_key, :state, :created, :account, :task_type,"
            " :source_asset_id, :parent_task_id, :text_prompt, :seconds, :explore_mode, :seed, :own_seed, :reply_ref,"
            " :own_ref, :cost, NULL, NULL, :lease, :id, :posts, NULL, :looked, :task_id, :status, :ended, NULL,"
            " :closed, :failure_kind, :failure_message, :callback_token)",
            row | _added(row),
        )
    for parent, assets in sources.items():
        for asset in assets:
            # A task with several films is a spelling of its first one alone; which one is first is not recorded.
            names = (uuid_of(asset), *((uuid_of(parent),) if len(assets) == 1 else ()))
            connection.executemany("INSERT OR IGNORE INTO spellings VALUES (?, ?)", [(name, asset) for name in names])


def _added(row: dict[str, object]) -> dict[str, object]:
    """The values that the second format adds to a row of the first, or changes."""
    state = row["state"]
    return {
        "idempotency_key": row["id"],
        "own_ref": int(str(row["reply_ref"]).startswith(GENERATED_REFERENCE)),
        # A row does not record whether an earlier POST was refused; counted as posted, it is looked for once more.
        "posts": 1,
        "looked": int(state in ("refused", "accepted", "unknown")),
        "closed": float(str(row["created"])) + LOOKING_SECONDS if state == "unknown" else None,
    }


def _third(connection: sqlite3.Connection) -> None:
    """Third format: a caller, the request as one JSON column, steps, and sources without a task that made them.

    Keys are recomputed from those columns; every earlier request is one of the caller without a name.
    """
    rows = [dict(row) for row in connection.execute("SELECT * FROM intents ORDER BY created, rowid")]
    _run(
        connection,
        """
        DROP TABLE intents;
        CREATE TABLE intents (
            id TEXT PRIMARY KEY, caller TEXT NOT NULL, idempotency_key TEXT NOT NULL, state TEXT NOT NULL,
            created REAL NOT NULL, account TEXT, task_type TEXT NOT NULL, source_asset_id TEXT NOT NULL,
            parent_task_id TEXT, request TEXT NOT NULL, seed INTEGER NOT NULL, seed_generated INTEGER NOT NULL,
            reply_ref TEXT NOT NULL, reply_ref_generated INTEGER NOT NULL, cost INTEGER NOT NULL,
            extended_count INTEGER, source_name TEXT, lease REAL NOT NULL, claim TEXT NOT NULL, posts INTEGER NOT NULL,
            posted REAL, looked INTEGER NOT NULL, steps TEXT, task_id TEXT UNIQUE, status TEXT, ended REAL, film TEXT,
            closed REAL, failure_kind TEXT, failure_message TEXT, callback_token TEXT UNIQUE
        );
        CREATE INDEX intents_by_request ON intents (idempotency_key, created);
        CREATE INDEX intents_by_source ON intents (source_asset_id);
        CREATE INDEX intents_by_time ON intents (caller, created);
        CREATE INDEX intents_by_state ON intents (state, ended);
        """,
    )
    for row in rows:
        connection.execute(
            "INSERT INTO intents VALUES (:id, '', :idempotency_key, :state, :created, :account, :task_type,"
            " :source_asset_id, :parent_task_id, :request, :seed, :seed_generated, :reply_ref, :reply_ref_generated,"
            " :cost, :extended_count, :source_name, :lease, :claim, :posts, :posted, :looked, NULL, :task_id, :status,"
            " :ended, :film, :closed, :failure_kind, :failure_message, :callback_token)",
            row | _requested(row),
        )


def _requested(row: dict[str, Any]) -> dict[str, str]:
    """The request of a row of the second format, and its key."""
    options = {"text_prompt": normalized(row["text_prompt"]), "explore_mode": bool(row["explore_mode"])}
    request = {name: value for name, value in options.items() if value} | {"seconds": row["seconds"]}
    key = idempotency_key(
        caller="",
        source_asset_id=row["source_asset_id"],
        model=row["task_type"],
        request=request,
        seed=None if row["seed_generated"] else row["seed"],
    )
    return {"request": json.dumps(request, sort_keys=True, ensure_ascii=False), "idempotency_key": key}


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Runs a script inside the open transaction; sqlite3's `executescript` would commit it first."""
    for statement in filter(str.strip, script.split(";")):
        connection.execute(statement)


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first, _second, _third)
"""One step per format of the file; `PRAGMA user_version` counts those that have run."""
