from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from runway_mcp.runway.models import RunningTask, Task
from runway_mcp.server.progress import Progress
from runway_mcp.simulator.faults import Fault
from runway_mcp.tasks.spend.submit import Waiting
from tests.kit.client import ToolClient
from tests.kit.server import open_client
from tests.kit.upstream import virtual_world

pytestmark = pytest.mark.virtual_time


def check_manners(client: ToolClient) -> None:
    """What holds for every call: rising numbers under the total, short messages, neither a rush nor a long silence."""
    numbers, times = [each.number for each in client.told], [0.0, *(each.at for each in client.told), client.took]
    assert all(low < high for low, high in pairwise(numbers))
    assert all(0 < each.number < 100 == each.total for each in client.told)
    assert all(0 < len(each.message) < 200 for each in client.told)
    assert all(later - earlier <= 10 for earlier, later in pairwise(times))
    assert all(later - earlier > 0.999 for earlier, later in pairwise(times[1:-1]))


async def test_a_call_tells_upstreams_own_ratio_and_estimate(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(pace=40), tmp_path, mode) as client:
        await client.extend(client.clip)

        messages = [each.message for each in client.told]
        task_id = client.world.task_id(client.last_task())
        named = next(number for number, message in enumerate(messages) if "Task" in message)
        assert messages[named] == f"Task {task_id}: queued, Runway estimates a start in 4 s"
        assert all(task_id not in message for message in messages[:named])
        assert messages[-1].startswith("running, Runway reports ")
        check_manners(client)


@pytest.mark.parametrize("ratios", ["stall", "null"])
async def test_a_task_that_does_not_move_is_told_of_all_the_same(tmp_path: Path, ratios: str) -> None:
    world = virtual_world(pace=200)
    world.script_next(ratios=ratios, queue=0)
    async with open_client(world, tmp_path, "auto") as client:
        await client.extend(client.clip)

        check_manners(client)


async def test_while_all_slots_are_busy_the_running_tasks_are_named(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(max_jobs=1, pace=30), tmp_path, mode) as client:
        first = await client.extend(client.clip, wait_seconds=0, seed=1)
        second = await client.extend(client.clip, seed=2)

        assert second["taskId"] != first["taskId"]
        queued = [each.message for each in client.told if each.message.startswith("waiting for a slot")]
        assert queued[0] == f"waiting for a slot; running: {first['taskId']}"
        check_manners(client)


async def test_a_submit_whose_answer_is_late_is_not_silent(tmp_path: Path) -> None:
    world = virtual_world(pace=10)
    world.faults += [Fault(method="POST", kind="delay_after", seconds=8)]
    async with open_client(world, tmp_path, "auto") as client:
        data = await client.extend(client.clip)

        assert data["status"] == "SUCCEEDED"
        assert "submitting, waiting for Runway's answer" in [each.message for each in client.told]
        check_manners(client)


async def test_a_lost_answer_is_told_as_looking(tmp_path: Path) -> None:
    world = virtual_world(pace=200)
    world.switch(late_in_lists=15, late_in_scheduler=15)
    world.faults += [Fault(method="POST", status=502, handled=True)]
    async with open_client(world, tmp_path, "auto") as client:
        data = await client.extend(client.clip)

        assert data["taskId"] == world.task_id(client.last_task())
        assert any("looking for the task, submitting nothing" in each.message for each in client.told)
        check_manners(client)


async def test_checks_that_take_long_are_not_silent(tmp_path: Path) -> None:
    world = virtual_world()
    world.faults += [Fault(path_prefix="/assets", kind="delay", seconds=25)]
    async with open_client(world, tmp_path, "auto") as client:
        await client.extend(client.clip)

        assert client.told[0].message == "checking the clip"
        check_manners(client)


async def test_get_task_tells_of_its_wait_too(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(pace=100), tmp_path, mode) as client:
        task_id = (await client.extend(client.clip, wait_seconds=0))["taskId"]
        await client.data("get_task", taskId=task_id, wait_seconds=45)

        assert client.told[0].message.startswith(f"Task {task_id}: ")
        check_manners(client)


async def test_a_host_that_asks_for_no_progress_gets_the_result_alone(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        result = await client.mcp.call_tool("extend_video", {"assetId": client.world.asset_id(client.clip)})

        assert not result.is_error


class Book:
    """Notes what is reported."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str | None]] = []

    async def __call__(self, number: float, _total: float | None, message: str | None) -> None:
        self.told.append((number, message))

    @property
    def messages(self) -> list[str | None]:
        """The messages alone."""
        return [message for _, message in self.told]


async def test_a_ratio_that_falls_still_makes_a_rising_number() -> None:
    book = Book()
    progress = Progress(book)

    for ratio in (0.5, 0.2, 0.5, 1.0, 0.9):
        await progress.task(Task(task_id="t", status="RUNNING", progress=ratio))
        await anyio.sleep(6)

    numbers = [number for number, _ in book.told]
    assert len(numbers) == 5
    assert all(low < high < 100 for low, high in pairwise(numbers))
    assert book.messages[1] == "running, Runway reports 20 %"


async def test_what_was_just_told_is_not_told_again() -> None:
    book = Book()
    progress = Progress(book)
    task = Task(task_id="t", status="PENDING")

    await progress.task(task)
    await anyio.sleep(5)
    await progress.task(task)

    assert book.messages == ["Task t: queued"]


@pytest.mark.parametrize(
    ("count", "length", "expected"),
    [
        (0, 0, "waiting for a slot"),
        (2, 10, "waiting for a slot; running: 0000000000, 1111111111"),
        (9, 60, f"waiting for a slot; running: {'0' * 60}, {'1' * 60} and 7 more"),
        (3, 500, "waiting for a slot; 3 running"),
    ],
)
async def test_as_many_running_tasks_are_named_as_a_message_holds(count: int, length: int, expected: str) -> None:
    book = Book()
    running = tuple(RunningTask(task_id=str(number) * length) for number in range(count))

    progress = Progress(book)
    await anyio.sleep(1)
    await progress.waiting(Waiting("slot", running))

    assert book.messages == [expected]


async def test_of_what_happens_within_a_second_the_last_is_told() -> None:
    book = Book()
    progress = Progress(book)

    async with progress.kept_alive():
        await progress.say("first")
        await progress.say("second")
        await anyio.sleep(1.1)
        await progress.task(Task(task_id="t", status="PENDING"))
        await progress.task(Task(task_id="t", status="RUNNING"))
        await anyio.sleep(0.9)
        assert book.messages == ["second"]
        await anyio.sleep(0.2)

    assert book.messages == ["second", "Task t: running"]


async def test_a_task_that_is_known_at_once_is_named_at_once() -> None:
    book = Book()
    progress = Progress(book)

    await progress.say("checking the clip")
    await progress.task(Task(task_id="t", status="PENDING"))

    assert book.messages == ["Task t: queued"]


async def test_a_silent_call_repeats_its_last_message() -> None:
    book = Book()
    progress = Progress(book)

    async with progress.kept_alive():
        await anyio.sleep(12)
        await progress.say("half-way")
        await anyio.sleep(12)

    assert book.messages == ["asking Runway", "half-way", "half-way"]


async def test_a_host_that_went_away_costs_no_call() -> None:
    async def gone(_number: float, _total: float | None, _message: str | None) -> None:
        raise anyio.BrokenResourceError

    async with Progress(gone).kept_alive():
        await anyio.sleep(25)
