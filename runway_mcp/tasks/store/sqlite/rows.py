"""Rows of the ledger's table: finds, reads and writes intents inside a transaction."""

import json
import sqlite3
from dataclasses import asdict, fields
from typing import Any

from runway_mcp.tasks.intents import Film, Intent, RequestKey, State, Step

_COLUMNS = tuple(field.name for field in fields(Intent))
_FLAGS = ("seed_generated", "reply_ref_generated", "looked")


def found_by_request(ledger: sqlite3.Connection, key: RequestKey) -> list[Intent]:
    """The intents of a request, newest first."""
    query = (
        "SELECT * FROM intents WHERE idempotency_key = ? OR (idempotency_key = ? AND seed = ?) ORDER BY created DESC"
    )
    return [intent_of(row) for row in ledger.execute(query, (key.given, key.unseeded, key.seed))]


def read(ledger: sqlite3.Connection, intent_id: str) -> Intent | None:
    """The intent of that id; None if there is none."""
    row = ledger.execute("SELECT * FROM intents WHERE id = ?", (intent_id,)).fetchone()
    return intent_of(row) if row else None


def insert(connection: sqlite3.Connection, intent: Intent) -> None:
    """Writes a new intent."""
    marks = ", ".join("?" for _ in _COLUMNS)
    connection.execute(f"INSERT INTO intents ({', '.join(_COLUMNS)}) VALUES ({marks})", _values(intent))  # noqa: S608  own column names


def update(connection: sqlite3.Connection, intent: Intent) -> None:
    """Overwrites the intent of that id."""
    marks = ", ".join(f"{column} = ?" for column in _COLUMNS)
    connection.execute(f"UPDATE intents SET {marks} WHERE id = ?", (*_values(intent), intent.id))  # noqa: S608  own column names


def _values(intent: Intent) -> tuple[Any, ...]:
    stored = {
        **{name: getattr(intent, name) for name in _COLUMNS},
        "request": json_of(intent.request),
        "steps": json_of([asdict(step) for step in intent.steps]) if intent.steps else None,
        "film": json_of(asdict(intent.film)) if intent.film else None,
    }
    return tuple(stored.values())


def json_of(value: object) -> str:
    """A value as a JSON column stores it."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def intent_of(row: sqlite3.Row) -> Intent:
    """The intent of a row."""
    stored = {column: row[column] for column in _COLUMNS}
    stored["state"] = State(stored["state"])
    stored["request"] = json.loads(stored["request"])
    stored["steps"] = tuple(Step(**step) for step in json.loads(stored["steps"] or "[]"))
    stored["film"] = Film(**json.loads(stored["film"])) if stored["film"] else None
    for flag in _FLAGS:
        stored[flag] = bool(stored[flag])
    return Intent(**stored)
