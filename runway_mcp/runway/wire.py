"""Parsers from JSON bodies to models, for every shape that useapi.net documents or sends.

All raise `UnexpectedResponse` for any other body, and show no part of it. Unreadable list entries are skipped and
counted; if none is readable, the list is refused, since an empty list must mean that there is nothing. What a list
holds beyond its bound is not looked at.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TypeVar, cast

from pydantic import ValidationError

from runway_mcp.runway.errors import UnexpectedResponse
from runway_mcp.runway.fields import Record, mapping, whole
from runway_mcp.runway.models import Asset, Credits, Entries, RunningTask, Task
from runway_mcp.runway.running_tasks import LinkedAccount

R = TypeVar("R", bound=Record)

MOST_RUNNING = 200
"""How many running tasks are read; of a list of more, one counts as skipped, so that nobody takes it for whole."""

MOST_TASKS = 2000
"""How many tasks a look takes from one answer: as many as upstream ever shows."""

# With no blank, bracket or quotation mark, in ASCII: an address stands in our messages as it is.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_~-]{1,64}@[A-Za-z0-9.-]{1,253}")
_MOST_ENTRIES, _MOST_ACCOUNTS = 200, 100

# What useapi.net adds to Runway's task: beside it in a wrapped body, inside it in a flat one.
_BESIDE_THE_TASK = ("features", "replyUrl", "replyRef")


def parse_task(body: object) -> Task:
    """Parses one task, flat or wrapped in `task`."""
    return _one(Task, _unwrapped(body), "a task")


def parse_tasks(body: object, *, most: int = _MOST_ENTRIES) -> Entries[Task]:
    """Parses the first `most` of a list of tasks, bare or under `tasks`, or a single one."""
    return _all(Task, map(_unwrapped, _entries(body, "tasks", "taskId", "task")[:most]), "tasks")


def parse_every_task(body: object) -> Entries[Task]:
    """Parses a list of tasks as `parse_tasks`, as long as it may be; of one of more, one counts as skipped."""
    listed = _entries(body, "tasks", "taskId", "task")
    found = _all(Task, map(_unwrapped, listed[:MOST_TASKS]), "tasks")
    found.skipped += len(listed) > MOST_TASKS
    return found


def parse_asset(body: object) -> Asset:
    """Parses one asset of GET /assets/{assetId} or of an upload, flat or wrapped in `asset`."""
    outer = mapping(body) or {}
    return _one(Asset, mapping(outer.get("asset")) or outer, "an asset")


def parse_assets(body: object, *, most: int = _MOST_ENTRIES) -> Entries[Asset]:
    """Parses the first `most` of a list of assets, bare or under `assets`, or a single one."""
    return _all(Asset, _entries(body, "assets", "assetId")[:most], "assets")


def parse_running(body: object) -> Entries[RunningTask]:
    """Parses the running tasks of GET /scheduler/ or of a 429's `runningTasks`: a list, or lists by account e-mail."""
    by_account = mapping(body)
    if by_account is None:
        entries: Iterable[object] = iter(_entries(body))
    else:
        entries = (
            {"email": email, **(entry or {})}
            for email, listed in by_account.items()
            for entry in map(mapping, _entries(listed))
        )
    found = _all(RunningTask, islice(entries, MOST_RUNNING), "running tasks")
    found.skipped += any(True for _ in entries)
    return found


def parse_credits(body: object) -> Credits:
    """Parses the plan's credits, from GET /features or from `features` in a submit's answer."""
    read = _one(Credits, mapping(body), "credits")
    if read.permitted is None and read.used is None:
        raise _without("credits")
    return read


def parse_accounts(body: object) -> tuple[LinkedAccount, ...]:
    """Parses the e-mails of GET /accounts, their slots and whether they are broken; the rest are passwords and tokens.

    What is no address is dropped, and so is what follows the first hundred.
    """
    accounts = mapping(body)
    if accounts is None:
        raise _without("accounts")
    entries = ((email, mapping(entry)) for email, entry in accounts.items() if _ADDRESS.fullmatch(email))
    known = (
        LinkedAccount(email, max_jobs=whole(entry.get("maxJobs")), is_broken=bool(entry.get("error")))
        for email, entry in entries
        if entry is not None
    )
    return tuple(islice(known, _MOST_ACCOUNTS))


def parse_addresses(body: object) -> tuple[str, ...]:
    """Parses the e-mails of GET /accounts and nothing else."""
    return tuple(account.email for account in parse_accounts(body))


def _unwrapped(body: object) -> Mapping[str, object] | None:
    outer = mapping(body)
    inner = mapping(outer.get("task")) if outer else None
    if outer is None or inner is None or not inner.get("taskId"):
        return outer
    beside = {name: outer[name] for name in _BESIDE_THE_TASK if name in outer}
    return beside | {name: value for name, value in inner.items() if value is not None}


def _entries(body: object, name: str = "", *marks_of_one: str) -> Sequence[object]:
    """The list that `body` is or holds under `name`; `[body]` if `body` has a key of a single entry."""
    outer = mapping(body) or {}
    listed = outer.get(name) if name in outer else body
    if isinstance(listed, list):
        return cast("list[object]", listed)
    if any(mark in outer for mark in marks_of_one):
        return [body]
    raise _without("a list")


def _all(model: type[R], entries: Iterable[object], what: str) -> Entries[R]:
    read: list[R] = []
    skipped = 0
    for entry in entries:
        try:
            read.append(_one(model, mapping(entry), what))
        except UnexpectedResponse:
            skipped += 1
    if skipped and not read:
        raise _without(what)
    found = Entries(read)
    found.skipped = skipped
    return found


def _one(model: type[R], entry: Mapping[str, object] | None, what: str) -> R:
    try:
        return model.model_validate(entry or {})
    except ValidationError:
        # The cause is cut because it would print the body.
        raise _without(what) from None


def _without(what: str) -> UnexpectedResponse:
    return UnexpectedResponse(f"The answer of useapi.net does not hold {what} in any known form.")
