"""A look at the task list of an upstream that does not heed what it is asked: absent is only what it surely lacks."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Extension
from runway_mcp.runway.wire import MOST_TASKS
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.policy import FREE
from runway_mcp.tasks.spend.matching import look
from runway_mcp.tasks.spend.refusals import arguments_key
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.kit.clock import EPOCH
from tests.kit.samples import extension, intent, long_id, plan
from tests.kit.upstream import URL

Shown = Callable[[list[dict[str, Any]], int, int], list[dict[str, Any]]]

MADE = datetime(2027, 1, 1, tzinfo=UTC)


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """So many running tasks, oldest first; the last one has the seed."""
    return [
        {
            "taskId": long_id("task", number),
            "status": "RUNNING",
            "createdAt": (MADE + timedelta(minutes=number)).isoformat(),
            "options": {"seed": seed if number == count else 5},
        }
        for number in range(1, count + 1)
    ]


def heeded(tasks: list[dict[str, Any]], offset: int, limit: int) -> list[dict[str, Any]]:
    return tasks[offset : offset + limit]


def whole_list(tasks: list[dict[str, Any]], _offset: int, _limit: int) -> list[dict[str, Any]]:
    return tasks


def offset_ignored(tasks: list[dict[str, Any]], _offset: int, limit: int) -> list[dict[str, Any]]:
    return tasks[:limit]


@pytest.mark.parametrize(
    ("count", "shown", "found", "complete"),
    [
        (600, heeded, True, True),
        (600, whole_list, True, True),
        (600, offset_ignored, False, False),
        (MOST_TASKS + 1, whole_list, False, False),
    ],
)
async def test_a_look_finds_its_task_in_all_that_was_shown_or_says_that_it_saw_not_all(
    tmp_path: Path, count: int, shown: Shown, found: bool, complete: bool
) -> None:
    made = intent()
    tasks = rows(count, made.seed)

    def answer(request: httpx.Request) -> httpx.Response:
        if "/scheduler" in request.url.path:
            return httpx.Response(200, json=[])
        if (task_id := request.url.path.rpartition("/")[2]).startswith("user:"):
            return httpx.Response(200, json=next(each for each in tasks if each["taskId"] == task_id))
        asked = request.url.params
        return httpx.Response(200, json=shown(tasks, int(asked["offset"]), int(asked["limit"])))

    store = SqliteStore(tmp_path / "ledger.sqlite3")
    try:
        async with RunwayClient(url=URL, token="user:1-t", transport=httpx.MockTransport(answer)) as client:
            seen = await look(client, store, made)
    finally:
        store.close()

    assert (seen.task is not None, seen.complete) == (found, complete)


@pytest.mark.parametrize(("others", "is_found"), [((), True), (("ana",), False)])
@pytest.mark.parametrize("seed", [None, 7])
async def test_a_film_that_two_callers_may_have_asked_for_is_taken_for_neither_unless_its_seed_tells(
    tmp_path: Path, others: tuple[str, ...], is_found: bool, seed: int | None
) -> None:
    wish = extension(text_prompt="dunes", seed=seed)
    store = SqliteStore(tmp_path / "ledger.sqlite3")
    try:
        mine, *_ = [await posted_by(store, caller, wish) for caller in ("bob", *others)]
        task_id = long_id("task", 1)
        row = {
            "taskId": task_id,
            "status": "SUCCEEDED",
            "createdAt": datetime.fromtimestamp(EPOCH + 1, UTC).isoformat(),
            "taskType": mine.task_type,
            "options": {
                **mine.request,
                "seed": mine.seed,
                "extended_from_task_id": mine.parent_task_id,
            },
        }

        def answer(request: httpx.Request) -> httpx.Response:
            if "/scheduler" in request.url.path:
                return httpx.Response(200, json=[])
            return httpx.Response(200, json=row if task_id in request.url.path else [row])

        async with RunwayClient(url=URL, token="user:1-t", transport=httpx.MockTransport(answer)) as client:
            seen = await look(client, store, mine)
    finally:
        store.close()

    assert (seen.task is not None, seen.alike) == ((True, False) if is_found or seed is None else (False, True))


async def posted_by(store: SqliteStore, caller: str, wish: Extension) -> Intent:
    """A caller's intent whose POST is out."""
    asked = plan(wish)
    drafted = replace(intent(wish), caller=caller)
    made, _ = await store.claim(drafted, asked.key(caller), policy=FREE, covers=arguments_key(asked, caller))
    posting = await store.begin_post(made.id, made.claim, upstream=EPOCH)
    assert posting is not None
    return posting
