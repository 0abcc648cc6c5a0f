"""Rows of the ledger's table in PostgreSQL: intents, with what is derived of them for the indices."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from psycopg import sql

from runway_mcp.tasks.intents import JOIN, Film, Intent, State, Step, uuid_of

_FIELDS = tuple(field.name for field in fields(Intent))
_DERIVED = ("film_id", "task_uuid", "film_uuid", "is_unjoined")

_NAMES = sql.SQL(", ").join(map(sql.Identifier, _FIELDS))
_WRITTEN = (*_FIELDS, *_DERIVED)

SELECT = sql.SQL("SELECT {} FROM intents ").format(_NAMES)
"""The beginning of every query whose rows `stored_intent` reads."""

INSERT = sql.SQL("INSERT INTO intents ({}) VALUES ({})").format(
    sql.SQL(", ").join(map(sql.Identifier, _WRITTEN)), sql.SQL(", ").join(map(sql.Placeholder, _WRITTEN))
)
UPDATE = sql.SQL("UPDATE intents SET {} WHERE id = %(id)s").format(
    sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in _WRITTEN)
)


def values_of(intent: Intent) -> dict[str, Any]:
    """What the columns of an intent's row hold, by name."""
    return {
        **{name: getattr(intent, name) for name in _FIELDS},
        "request": _json_of(intent.request),
        "steps": _json_of([asdict(step) for step in intent.steps]) if intent.steps else None,
        "film": _json_of(asdict(intent.film)) if intent.film else None,
        "film_id": intent.film_id,
        "task_uuid": uuid_of(intent.task_id) if intent.task_id else None,
        "film_uuid": uuid_of(intent.film.asset_id) if intent.film else None,
        "is_unjoined": bool(intent.steps) and intent.step(JOIN) is None,
    }


def _json_of(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """As ASCII, since JSON may escape characters that the database cannot store."""
    return json.dumps(value, sort_keys=True)


def stored_intent(row: Sequence[Any]) -> Intent:
    """The intent of a row of `SELECT`."""
    stored = dict(zip(_FIELDS, row, strict=True))
    stored["state"] = State(stored["state"])
    stored["steps"] = tuple(Step(**step) for step in stored["steps"] or ())
    stored["film"] = Film(**stored["film"]) if stored["film"] else None
    return Intent(**stored)
