"""The audit trail: what the log says of each outcome of a submit, and how often."""

import json
import logging
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.logs import SPENDS, Redacted
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.spend.audit import MOST_REMEMBERED, Audit
from tests.kit.upstream import fault
from tests.tasks.services import open_service, open_world
from tests.tasks.submits import POST, submit, wish

Lines = Callable[[], list[dict[str, Any]]]

ACCEPTED, UNCLEAR = "a task was accepted: about 50 credits", "a submit is unclear: about 50 credits"
CLOSED, TWIN = "a submit stays unclear: about 50 credits", "a twin was answered: no credits"
REFUSED = "a submit was refused: "


class _Kept(logging.Handler):
    """Keeps each record as the program would write it, at the moment at which it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[dict[str, Any]] = []
        self._form = Redacted()
        self._form.as_json = True

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(json.loads(self._form.format(record)))


@pytest.fixture
def lines() -> Generator[Lines]:
    """The lines of the trail so far."""
    log, kept = logging.getLogger(SPENDS), _Kept()
    before = log.level
    log.setLevel(logging.INFO)
    log.addHandler(kept)
    yield lambda: kept.told
    log.removeHandler(kept)
    log.setLevel(before)


async def outcome(service: Any, world: Any, *, wait: float = 45.0, **fields: Any) -> None:
    """Makes a submit, whatever becomes of it."""
    try:
        await submit(service, wish(world, **fields), wait=wait)
    except Failure:
        return


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("trouble", "seconds", "expected"),
    [
        ({}, 0, [ACCEPTED]),
        ({"kind": "status", "status": 422}, 0, [REFUSED + "moderated"]),
        ({"kind": "status", "status": 402}, 0, [REFUSED + "subscription"]),
        ({"kind": "status", "status": 400, "handled": True}, 0, [ACCEPTED]),
        ({"kind": "reset_after"}, 0, [UNCLEAR, ACCEPTED]),
        ({"kind": "status", "status": 502, "handled": True}, 0, [UNCLEAR, ACCEPTED]),
        ({"kind": "delay_after", "seconds": 300}, 400, [ACCEPTED]),
        ({"kind": "reset"}, 0, [UNCLEAR]),
        ({"kind": "reset"}, 700, [UNCLEAR, CLOSED]),
        ({"kind": "status", "status": 429}, 0, [ACCEPTED]),
    ],
)
async def test_each_outcome_of_a_submit_is_one_line(
    trouble: dict[str, Any], seconds: float, expected: list[str], tmp_path: Path, lines: Lines
) -> None:
    async with open_world(tmp_path) as (world, service):
        if trouble:
            fault(world, **POST, **trouble)
        await outcome(service, world)
        await anyio.sleep(seconds)

        assert [line["event"] for line in lines()] == expected
        assert len({line["intent_id"] for line in lines()}) == 1
        assert {line.get("task") for line in lines() if line["event"] == ACCEPTED} <= {
            world.task_id(task) for task in world.accepted
        }


@pytest.mark.virtual_time
async def test_each_repeat_that_is_answered_is_a_line_and_each_new_submit_one(tmp_path: Path, lines: Lines) -> None:
    async with open_world(tmp_path) as (world, service):
        for fields in ({}, {}, {}, {"seed": 7}):
            await outcome(service, world, **fields)

    assert [line["event"] for line in lines()] == [ACCEPTED, TWIN, TWIN, ACCEPTED]


@pytest.mark.virtual_time
async def test_a_repeat_that_is_answered_by_a_failure_is_a_twin_as_well(tmp_path: Path, lines: Lines) -> None:
    async with open_world(tmp_path) as (world, service):
        fault(world, **POST, kind="status", status=422)
        for _ in range(2):
            await outcome(service, world)

    assert [line["event"] for line in lines()] == [REFUSED + "moderated", TWIN]


@pytest.mark.virtual_time
async def test_calls_that_wait_for_one_post_write_one_line_of_it(tmp_path: Path, lines: Lines) -> None:
    async with open_world(tmp_path) as (world, service), anyio.create_task_group() as calls:
        for _ in range(5):
            calls.start_soon(outcome, service, world)

    assert [line["event"] for line in lines()].count(ACCEPTED) == 1
    assert [line["event"] for line in lines()].count(TWIN) == 4


@pytest.mark.virtual_time
async def test_what_a_later_process_decides_is_a_line_there(tmp_path: Path, lines: Lines) -> None:
    async with open_world(tmp_path) as (world, service):
        fault(world, **POST, kind="reset")
        await outcome(service, world, wait=5)
    assert [line["event"] for line in lines()] == [UNCLEAR]

    async with open_service(world, tmp_path):
        await anyio.sleep(700)
    assert [line["event"] for line in lines()] == [UNCLEAR, CLOSED]


def test_an_outcome_that_is_found_twice_is_told_once_and_memory_is_bounded(lines: Lines) -> None:
    audit = Audit()
    for number in range(MOST_REMEMBERED + 1):
        audit.accepted(None, f"task:{number}")
    audit.accepted(None, "task:1")
    assert len(lines()) == MOST_REMEMBERED + 1

    audit.accepted(None, "task:0")
    assert len(lines()) == MOST_REMEMBERED + 2
