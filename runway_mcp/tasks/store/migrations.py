"""The formats of the ledger's file, one step for each; a file of every earlier version answers its old requests."""

import sqlite3
from collections.abc import Callable

from runway_mcp.tasks.intents import GENERATED_REFERENCE, LOOKING_SECONDS, idempotency_key, uuid_of


def _first(connection: sqlite3.Connection) -> None:
    """The file as the first release wrote it."""
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


def _answers_for_good(connection: sqlite3.Connection) -> None:
    """An intent answers its request for good: no time of telling; a fence against late holders; spellings of sources.

    Keys are computed anew, since a replyRef is no part of a request any more. What was ever out counts as posted.
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
            row | _anew(row),
        )
    for parent, assets in sources.items():
        for asset in assets:
            # A task with several films is a spelling of its first one alone, and which that was is not known here.
            names = (uuid_of(asset), *((uuid_of(parent),) if len(assets) == 1 else ()))
            connection.executemany("INSERT OR IGNORE INTO spellings VALUES (?, ?)", [(name, asset) for name in names])


def _anew(row: dict[str, object]) -> dict[str, object]:
    """What the second format adds to a row of the first, or knows otherwise."""
    state, generated = row["state"], bool(row["own_seed"])
    key = idempotency_key(
        source_asset_id=str(row["source_asset_id"]),
        text_prompt=None if row["text_prompt"] is None else str(row["text_prompt"]),
        seconds=int(str(row["seconds"])),
        model=str(row["task_type"]),
        explore_mode=bool(row["explore_mode"]),
        seed=None if generated else int(str(row["seed"])),
    )
    return {
        "idempotency_key": key,
        "own_ref": int(str(row["reply_ref"]).startswith(GENERATED_REFERENCE)),
        # A row does not tell whether an earlier POST of it was refused; taken for posted, it is looked for once more.
        "posts": 1,
        "looked": int(state in ("refused", "accepted", "unknown")),
        "closed": float(str(row["created"])) + LOOKING_SECONDS if state == "unknown" else None,
    }


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Runs a script inside the transaction that is open; sqlite3's own way would commit it first."""
    for statement in filter(str.strip, script.split(";")):
        connection.execute(statement)


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first, _answers_for_good)
"""One step for each version of the file; `PRAGMA user_version` counts those that have run."""
