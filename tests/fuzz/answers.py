"""What an answer may be: a message of the protocol that gives nothing away."""

import json
from collections.abc import Iterator
from typing import Any, cast

from runway_mcp.server.boundary import CRASHED

TELLTALES = (
    "Traceback",
    "pydantic",
    "site-packages",
    'File "',
    ".py",
    "object at 0x",
    "validation error",
    "Exception",
    "errno",
    "simulated-password",
    CRASHED,
)
"""What an exception, or a crash that was caught, would show of itself."""

Json = dict[str, Any]


def faults_of_text(text: str, secrets: tuple[str, ...]) -> Iterator[str]:
    """The first thing that a text shows and must not."""
    for word in (*TELLTALES, *secrets):
        if word in text:
            yield f"shows {word!r}"
            return


def faults_of_message(message: object) -> Iterator[str]:
    """Why a message is none of JSON-RPC 2.0 as MCP has it."""
    if not isinstance(message, dict):
        yield "is no object"
        return
    parts = cast("Json", message)
    if parts.get("jsonrpc") != "2.0":
        yield "has no jsonrpc 2.0"
    if "method" in parts:
        if "id" in parts or not str(parts["method"]).startswith("notifications/"):
            yield f"asks the client: {parts['method']}"
    elif ("result" in parts) == ("error" in parts) or "id" not in parts:
        yield "is neither result nor error"
    elif "error" in parts:
        error = parts["error"]
        if type(error.get("code")) is not int or error["code"] == 0 or not error.get("message"):
            yield "has no proper error"


def read_message(line: str) -> object:
    """The value of a line of JSON; raises ValueError."""
    return json.loads(line)


def id_of(message: object) -> int | str | None:
    """The id of a message; None where it has none that a request can have."""
    found = cast("Json", message).get("id") if isinstance(message, dict) else None
    return found if isinstance(found, int | str) else None
