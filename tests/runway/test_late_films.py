import anyio
import pytest

from runway_mcp.runway.late_films import GRACE_SECONDS, LateFilms
from runway_mcp.runway.models import Asset, Task

pytestmark = pytest.mark.virtual_time

MANY = 1000


def succeeded(task_id: str = "task-1", *, film: bool = False) -> Task:
    return Task(task_id=task_id, status="SUCCEEDED", artifacts=(Asset(asset_id="film-1"),) if film else ())


async def test_a_success_without_a_film_is_told_as_running_for_its_first_minute_and_then_as_it_is() -> None:
    films = LateFilms()
    told: list[str] = []
    for _ in range(4):
        told.append(films.told(succeeded()).status)
        await anyio.sleep(GRACE_SECONDS / 2)

    assert told == ["RUNNING", "RUNNING", "SUCCEEDED", "SUCCEEDED"]


async def test_a_film_is_told_at_once_and_so_is_every_other_end() -> None:
    films = LateFilms()
    film = succeeded(film=True)
    failed, goes_on = (Task(task_id="task-1", status=status) for status in ("FAILED", "THROTTLED"))

    assert [films.told(task) for task in (film, failed, goes_on)] == [film, failed, goes_on]


async def test_a_film_that_turns_up_within_the_minute_is_told_at_once() -> None:
    films = LateFilms()
    films.told(succeeded())
    await anyio.sleep(GRACE_SECONDS / 2)

    assert films.told(succeeded(film=True)) == succeeded(film=True)


async def test_a_task_that_runs_again_after_its_empty_success_has_a_minute_once_more() -> None:
    films = LateFilms()
    films.told(succeeded())
    await anyio.sleep(GRACE_SECONDS)
    films.told(Task(task_id="task-1", status="RUNNING"))

    assert films.told(succeeded()).status == "RUNNING"


async def test_a_task_that_was_told_to_have_no_film_is_not_waited_for_again() -> None:
    films = LateFilms()
    films.absent("task-1")

    assert films.told(succeeded()).status == "SUCCEEDED"
    assert films.told(succeeded("task-2")).status == "RUNNING"
    assert films.told(succeeded(film=True)) == succeeded(film=True)


async def test_of_very_many_successes_without_a_film_only_the_latest_are_remembered() -> None:
    films = LateFilms()
    for number in range(MANY + 1):
        films.told(succeeded(f"task-{number}"))
    await anyio.sleep(GRACE_SECONDS)

    assert films.told(succeeded(f"task-{MANY}")).status == "SUCCEEDED"
    assert films.told(succeeded("task-1")).status == "SUCCEEDED"
    assert films.told(succeeded("task-0")).status == "RUNNING"
