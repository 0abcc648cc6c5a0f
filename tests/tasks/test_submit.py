from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import anyio
import pytest

from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import State
from runway_mcp.tasks.service import TaskService
from runway_mcp.tasks.spend.plan import make_plan
from runway_mcp.tasks.spend.submit import Submitted, Waiting
from runway_mcp.tasks.transitions import Selection
from runway_mcp.telemetry import Telemetry
from tests.kit.upstream import fault, virtual_world
from tests.tasks.services import open_service, open_world
from tests.tasks.submits import POST, failure_of_submit, quiet, submit, wish

pytestmark = pytest.mark.virtual_time


async def test_a_submit_is_written_down_and_followed_to_its_end(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        submitted = await submit(service, wish(world))
        await anyio.sleep(60)

        intent = await service.ledger.find("task_id", submitted.task.task_id)
        assert intent is not None
        assert (intent.state, intent.status, submitted.twin) == (State.ACCEPTED, "SUCCEEDED", False)
        assert intent.ended is not None


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "reset_after"},
        {"kind": "cut", "after_bytes": 0},
        {"kind": "cut", "after_bytes": 100},
        {"kind": "status", "status": 502, "body": "<html>bad gateway</html>", "handled": True},
        {"kind": "status", "status": 200, "body": "not json", "handled": True},
        {"kind": "status", "status": 200, "body": {"error": "odd"}, "handled": True},
        {"kind": "status", "status": 408, "body": None, "handled": True},
        {"kind": "delay_after", "seconds": 300},
    ],
)
@pytest.mark.parametrize("given", [{}, {"reply_ref": "film-1"}, {"seed": 7}, {"reply_ref": "film-1", "seed": 7}])
async def test_a_lost_answer_is_settled_by_looking_and_never_posted_again(
    tmp_path: Path, trouble: dict[str, object], given: dict[str, object]
) -> None:
    async with open_world(tmp_path) as (world, service):
        fault(world, **POST, **trouble)

        submitted = await submit(service, wish(world, **given))

        assert submitted.task.task_id == world.task_id(world.accepted[0])
        assert len(world.accepted) == 1
        assert world.requests["POST /gen3/extend"] == 1


@pytest.mark.parametrize("trouble", [{"kind": "reset"}, {"kind": "status", "status": 500}, {"kind": "redirect"}])
async def test_a_submit_that_upstream_shows_no_trace_of_stays_unknown_and_is_never_posted_again(
    tmp_path: Path, trouble: dict[str, object]
) -> None:
    async with open_world(tmp_path) as (world, service):
        fault(world, **POST, **trouble)

        first = await failure_of_submit(service, wish(world), wait=20)
        again = await failure_of_submit(service, wish(world), wait=0)
        await anyio.sleep(700)
        closed = await failure_of_submit(service, wish(world))

        assert {first.kind, again.kind, closed.kind} == {"submission_unknown"}
        assert (first.charged, first.retry_safe) == ("unknown", True)
        assert "seed" in closed.message
        assert world.requests["POST /gen3/extend"] == 1


async def test_only_a_seed_of_the_callers_own_submits_a_closed_request_once_more(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        fault(world, **POST, kind="reset")
        await failure_of_submit(service, wish(world), wait=0)
        await anyio.sleep(700)

        submitted = await submit(service, wish(world, seed=7))

        assert not submitted.twin
        assert len(world.accepted) == 1


async def test_a_task_that_turns_up_after_the_search_was_closed_is_adopted_late(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        world.switch(late_in_lists=700.0, late_in_scheduler=700.0)
        fault(world, **POST, kind="reset_after")
        await failure_of_submit(service, wish(world), wait=0)
        await anyio.sleep(720)

        found = await submit(service, wish(world))

        assert found.task.task_id == world.task_id(world.accepted[0])
        assert found.twin


async def test_what_an_earlier_process_left_unclear_is_found_at_the_start(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        world.switch(late_in_lists=30.0, late_in_scheduler=30.0)
        fault(world, **POST, kind="reset_after")
        await failure_of_submit(service, wish(world), wait=0)
    async with open_service(world, tmp_path) as service:
        await anyio.sleep(60)

        owner = await service.ledger.find("task_id", world.task_id(world.accepted[0]))
        assert owner is not None
        assert owner.state is State.ACCEPTED


async def test_unfinished_tasks_are_followed_again_after_a_restart(tmp_path: Path) -> None:
    async with open_world(tmp_path, pace=100.0) as (world, service):
        task_id = (await submit(service, wish(world))).task.task_id
    async with open_service(world, tmp_path) as service:
        await anyio.sleep(200)

        intent = await service.ledger.find("task_id", task_id)
        assert intent is not None
        assert intent.status == "SUCCEEDED"


async def test_the_same_request_twice_at_once_is_one_submit(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service), open_service(world, tmp_path) as other:
        found: list[Submitted] = []

        async def call(place: TaskService) -> None:
            found.append(await submit(place, wish(world)))

        async with anyio.create_task_group() as calls:
            for place in (service, other, service, other):
                calls.start_soon(call, place)

        assert len(world.accepted) == 1
        assert sorted(each.twin for each in found) == [False, True, True, True]
        assert len({each.task.task_id for each in found}) == 1


async def test_two_films_under_one_reused_reference_are_each_adopted_as_what_they_are(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        fault(world, **POST, kind="reset_after", times=2)
        wishes = [wish(world, reply_ref="mine", text_prompt=prompt) for prompt in ("dunes", "sea")]

        films = [await submit(service, asked) for asked in wishes]

        assert [film.task.options.text_prompt for film in films] == ["dunes", "sea"]
        assert len(world.accepted) == 2


async def test_busy_slots_are_waited_for_while_time_lasts(tmp_path: Path) -> None:
    async with open_world(tmp_path, max_jobs=1, pace=15.0) as (world, service):
        await submit(service, wish(world, text_prompt="first"))
        heard: list[Waiting] = []

        submitted = await submit(service, wish(world), heard=heard)

        slot = next(waiting for waiting in heard if waiting.reason == "slot")
        assert [task.task_id for task in slot.running] == [world.task_id(world.accepted[0])]
        assert submitted.task.task_id == world.task_id(world.accepted[1])


async def test_out_of_time_for_a_slot_means_that_nothing_was_submitted(tmp_path: Path) -> None:
    async with open_world(tmp_path, max_jobs=1, pace=500.0) as (world, service):
        await submit(service, wish(world, text_prompt="first"))

        failure = await failure_of_submit(service, wish(world))
        second = await failure_of_submit(service, wish(world), wait=0)

        assert (failure.kind, failure.charged, failure.retry_safe, second.kind) == ("busy", "no", True, "busy")
        assert len(failure.running) == 1
        assert len(world.accepted) == 1


async def test_a_retry_after_of_upstream_is_kept_to(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        fault(world, **POST, kind="status", status=429, body={"error": "busy"}, retry_after=17)
        began = anyio.current_time()

        await submit(service, wish(world))

        assert 17 <= anyio.current_time() - began < 20


@pytest.mark.parametrize(
    ("prompt", "switches", "kind", "retry_safe"),
    [
        ("forbidden", {"moderation": "422"}, "moderated", False),
        ("forbidden", {"moderation": "400"}, "moderated", False),
        ("fine", {"gen3_gone": True}, "invalid_request", True),
    ],
)
async def test_a_refusal_costs_nothing_and_says_so(
    tmp_path: Path, prompt: str, switches: dict[str, object], kind: str, retry_safe: bool
) -> None:
    async with open_world(tmp_path) as (world, service):
        plan = await make_plan(service.client, wish(world, text_prompt=prompt))
        world.switch(**switches)

        with pytest.raises(Failure) as caught:
            await service.submissions.submit(plan, caller="", deadline=anyio.current_time() + 45, say=quiet)

        assert (caught.value.kind, caught.value.charged, caught.value.retry_safe) == (kind, "no", retry_safe)
        assert not world.accepted


async def test_a_refusal_that_keeps_everybody_from_looking_may_have_been_charged_and_is_settled_by_the_first_look(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as (world, service):
        plan = await make_plan(service.client, wish(world))
        world.switch(lapsed=True)

        with pytest.raises(Failure) as caught:
            await service.submissions.submit(plan, caller="", deadline=anyio.current_time() + 45, say=quiet)
        world.switch(lapsed=False)
        submitted = await submit(service, wish(world))

        assert (caught.value.kind, caught.value.charged, caught.value.repeat) == ("subscription", "unknown", "later")
        assert not submitted.twin
        assert len(world.accepted) == 1


async def test_a_moderated_request_is_answered_again_without_asking_runway(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        first = await failure_of_submit(service, wish(world, text_prompt="forbidden"))
        again = await failure_of_submit(service, wish(world, text_prompt="forbidden"))

        assert (first.kind, again.kind, again.retry_safe) == ("moderated", "moderated", False)
        assert world.requests["POST /gen3/extend"] == 1


async def test_a_cancelled_call_leaves_its_post_running_and_its_task_followed(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        fault(world, **POST, kind="delay_after", seconds=5)
        with anyio.move_on_after(1):
            await submit(service, wish(world))
        await anyio.sleep(60)

        intent = await service.ledger.find("task_id", world.task_id(world.accepted[0]))
        assert intent is not None
        assert intent.status == "SUCCEEDED"


async def test_a_call_cancelled_while_it_waits_for_a_slot_leaves_nothing_behind(tmp_path: Path) -> None:
    async with open_world(tmp_path, max_jobs=1) as (world, service):
        await submit(service, wish(world, text_prompt="first"))
        with anyio.move_on_after(2):
            await submit(service, wish(world))
        await anyio.sleep(60)

        assert len(world.accepted) == 1
        assert [intent.text_prompt for intent in await service.ledger.select(Selection.SUBMITTED, limit=10)] == [
            "first"
        ]


async def test_a_shutdown_lets_the_answer_be_written_down(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        fault(world, **POST, kind="delay_after", seconds=2)
        with anyio.move_on_after(1):
            await submit(service, wish(world))
    async with open_service(world, tmp_path) as service:
        owner = await service.ledger.find("task_id", world.task_id(world.accepted[0]))

        assert owner is not None
        assert len(world.accepted) == 1


async def test_a_post_that_is_never_answered_does_not_hold_up_a_shutdown(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        fault(world, **POST, kind="delay", seconds=1000)
        with anyio.move_on_after(1):
            await submit(service, wish(world))
        began = anyio.current_time()

    assert anyio.current_time() - began < 5


async def test_a_ledger_that_cannot_be_written_stops_a_submit_before_it_costs_anything(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_bytes(b"no ledger" * 999)
    async with open_world(tmp_path) as (world, service):
        failure = await failure_of_submit(service, wish(world))

        assert (failure.kind, failure.charged) == ("unavailable", "no")
        assert "damaged" in failure.message
        assert world.requests["POST /gen3/extend"] == 0


async def test_a_host_that_gives_up_and_asks_again_five_times_is_charged_once_and_gets_the_film(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, pace=55.0) as (world, service):
        for _ in range(5):
            with anyio.move_on_after(10):
                await submit(service, wish(world), wait=45)
                await anyio.sleep(10)
        submitted = await submit(service, wish(world))
        await anyio.sleep(20)

        assert submitted.twin
        assert len(world.accepted) == 1
        assert (await service.client.task(submitted.task.task_id)).status == "SUCCEEDED"


async def test_runways_own_429_names_the_tasks_that_run_as_well(tmp_path: Path) -> None:
    async with open_world(tmp_path, runway_limit=1, pace=500.0) as (world, service):
        first = await submit(service, wish(world, text_prompt="first"))
        heard: list[Waiting] = []

        with pytest.raises(Failure) as caught:
            await submit(service, wish(world), heard=heard)

        assert {task.task_id for waiting in heard for task in waiting.running} == {first.task.task_id}
        assert [task.task_id for task in caught.value.running] == [first.task.task_id]


async def test_a_request_whose_task_was_deleted_is_not_told_as_if_it_still_ran(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        await submit(service, wish(world))
        world.accepted[0].hidden = True
        at_once = await submit(service, wish(world))
        await anyio.sleep(700)

        failure = await failure_of_submit(service, wish(world))

        assert not at_once.task.is_terminal
        assert (failure.kind, failure.charged, failure.twin) == ("not_found", "yes", True)
        assert len(world.accepted) == 1


async def test_a_trace_that_cannot_be_begun_costs_a_submit_time_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[float] = []

    def broken_at_first() -> AbstractContextManager[None]:
        begun.append(anyio.current_time())
        if len(begun) == 1:
            raise ValueError
        return nullcontext()

    world = virtual_world(pace=8.0)
    with anyio.fail_after(7200):
        async with open_service(world, tmp_path, telemetry=Telemetry(apart=broken_at_first)) as service:
            submitted = await submit(service, wish(world))

    assert submitted.task.task_id == world.task_id(world.accepted[0])
    assert (len(begun), world.requests["POST /gen3/extend"]) == (2, 1)
    assert "with a fault of this server" in caplog.text
