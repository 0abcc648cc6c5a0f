"""Large answers are read in pieces, and what fails of them is told without them."""

import json
from collections.abc import Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint

from runway_mcp.runway import wire
from runway_mcp.runway.errors import UnexpectedResponse
from runway_mcp.runway.http.answers import Answer, ErrorContext
from runway_mcp.runway.http.large_answers import LARGE, Readings
from tests.runway.samples import TASK, TOKEN

CONTEXT = ErrorContext(secret=TOKEN, now=lambda: 0.0)


def answer(size: int) -> Answer:
    return Answer(status=200, body=json.dumps([{**TASK, "note": "x" * size}]).encode())


class Turns:
    """Counts the turns of the loop, and notes the turn of each parse."""

    def __init__(self) -> None:
        self.count = 0
        self.parsed: list[int] = []

    async def run(self) -> None:
        while True:
            await checkpoint()
            self.count += 1

    def parse(self, body: object) -> int:
        self.parsed.append(self.count)
        return len(wire.parse_tasks(body))


@pytest.mark.parametrize(("size", "goes_on"), [(0, False), (LARGE, True)])
async def test_other_work_goes_on_between_the_pieces_of_a_large_answer_alone(size: int, *, goes_on: bool) -> None:
    turns, readings, read = Turns(), Readings(CONTEXT), list[int]()
    async with anyio.create_task_group() as group:
        group.start_soon(turns.run)
        read.append(await readings.read(answer(size), turns.parse))
        group.cancel_scope.cancel()

    assert read == [1]
    assert (turns.parsed[0] > 10) is goes_on


async def test_many_large_answers_at_once_leave_as_much_room_for_other_work() -> None:
    turns, readings = Turns(), Readings(CONTEXT)
    async with anyio.create_task_group() as group:
        group.start_soon(turns.run)
        async with anyio.create_task_group() as readers:
            for _ in range(5):
                readers.start_soon(readings.read, answer(LARGE), turns.parse)
        group.cancel_scope.cancel()

    between = [later - earlier for earlier, later in zip(turns.parsed, turns.parsed[1:], strict=False)]
    assert len(between) == 4
    assert min(between) > 5


def no_tasks(body: object) -> object:
    return wire.parse_tasks({"tasks": 1, "all": body})


@pytest.mark.parametrize("parse", [wire.parse_task, no_tasks])
async def test_a_failure_holds_nothing_of_the_answer(parse: Callable[[object], object]) -> None:
    with pytest.raises(UnexpectedResponse) as caught:
        await Readings(CONTEXT).read(answer(LARGE), parse)

    assert caught.value.__context__ is None
    step, held = caught.value.__traceback__, list[object]()
    while step is not None:
        if step.tb_frame.f_code.co_filename != __file__:
            held += step.tb_frame.f_locals.values()
        step = step.tb_next
    assert held
    assert not [each for each in held if isinstance(each, list | dict | bytes)]
