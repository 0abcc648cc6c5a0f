from collections.abc import Callable

import pytest

from runway_mcp.runway import wire
from runway_mcp.runway.errors import UnexpectedResponse
from runway_mcp.runway.models import Asset, Credits, RunningTask, Task
from runway_mcp.runway.running_tasks import LinkedAccount
from tests.runway.samples import ACCOUNTS, ASSET, ASSET_ID, BUSY, EMAIL, TASK, TASK_ID, UPLOAD, UUID

RUNNING = (
    RunningTask(task_id=TASK_ID, email=EMAIL, id=UUID, reply_url="https://example.org", reply_ref="ref-1"),
    RunningTask(task_id=TASK_ID.replace("0f1e", "1f1e"), email=EMAIL, id=UUID),
)


def test_a_task_reads_alike_flat_and_wrapped() -> None:
    flat = wire.parse_task(TASK)

    assert flat == Task.model_validate(TASK)
    assert wire.parse_task({"task": TASK, "code": 200}) == flat


def test_what_useapi_adds_may_stand_beside_a_wrapped_task() -> None:
    inner = {**TASK, "replyRef": None}
    beside = {name: inner.pop(name) for name in ("features", "replyUrl")}

    task = wire.parse_task({**beside, "task": inner, "replyRef": "ref-1", "error": "not the task's", "code": 412})

    assert task == Task.model_validate(TASK)


def test_a_task_beside_something_called_task_is_not_lost() -> None:
    assert wire.parse_task({**TASK, "task": {"id": UUID}}).task_id == TASK_ID


@pytest.mark.parametrize(
    "body",
    [
        *(None, [], {}, 7, "PENDING", [TASK], {"task": None}, {"task": {}}, {"task": [TASK]}, {"tasks": [TASK]}),
        *({"error": "no"}, {"taskId": None}, {"taskId": ""}, {"task": {"id": UUID}, "id": UUID}),
    ],
)
def test_a_body_without_a_task_is_unexpected(body: object) -> None:
    with pytest.raises(UnexpectedResponse, match="does not hold a task"):
        wire.parse_task(body)


@pytest.mark.parametrize(
    "body", [[TASK], {"tasks": [TASK]}, TASK, {"task": TASK}, [{"task": TASK}], [None, "x", {}, {"id": UUID}, TASK]]
)
def test_a_list_of_tasks_comes_in_many_shapes(body: object) -> None:
    assert wire.parse_tasks(body) == (Task.model_validate(TASK),)


@pytest.mark.parametrize("body", [[ASSET], {"assets": [ASSET]}, ASSET, [7, {}, ASSET]])
def test_a_list_of_assets_comes_in_many_shapes(body: object) -> None:
    assert wire.parse_assets(body) == (Asset.model_validate(ASSET),)


@pytest.mark.parametrize("body", [ASSET, {"asset": ASSET}])
def test_an_asset_reads_alike_flat_and_wrapped(body: object) -> None:
    assert wire.parse_asset(body) == Asset.model_validate(ASSET)
    assert wire.parse_asset(UPLOAD).asset_id == ASSET_ID


@pytest.mark.parametrize("body", [BUSY["runningTasks"], BUSY["runningTasks"][EMAIL]])
def test_running_tasks_are_listed_bare_and_by_account(body: object) -> None:
    read = wire.parse_running(body)

    assert [task.task_id for task in read] == [task.task_id for task in RUNNING]
    if isinstance(body, dict):
        assert read == RUNNING


def test_the_schedulers_list_needs_no_more_than_the_ids() -> None:
    assert wire.parse_running([{"taskId": TASK_ID, "replyUrl": None, "replyRef": 7}]) == (RunningTask(task_id=TASK_ID),)


@pytest.mark.parametrize(
    ("parse", "empty"),
    [
        (wire.parse_tasks, []),
        (wire.parse_tasks, {"tasks": []}),
        (wire.parse_assets, []),
        (wire.parse_running, []),
        (wire.parse_running, {}),
        (wire.parse_running, {EMAIL: []}),
        (wire.parse_addresses, {}),
    ],
)
def test_an_empty_list_means_that_there_is_nothing(parse: Callable[[object], object], empty: object) -> None:
    assert parse(empty) == ()


NOTHING_OF_THE_KIND: list[tuple[Callable[[object], object], list[object]]] = [
    (wire.parse_tasks, [None, 7, "x", {}, {"tasks": None}, {"error": "no"}, [{}], ["x", None]]),
    (wire.parse_assets, [None, {}, {"assets": {}}, {"error": "no"}, [{"id": UUID}]]),
    (wire.parse_asset, [None, [], {}, {"error": "no"}, {"asset": {}}]),
    (wire.parse_running, [None, "x", {"error": "no"}, [{"id": UUID}], {EMAIL: [{}]}]),
    (wire.parse_credits, [None, [], {}, {"error": "no"}, {"storageGB": 5}, {"permitted": {}}]),
    (wire.parse_addresses, [None, [], "x", 7]),
]


@pytest.mark.parametrize(("parse", "body"), [(parse, body) for parse, bodies in NOTHING_OF_THE_KIND for body in bodies])
def test_a_body_of_no_known_form_never_reads_as_nothing(parse: Callable[[object], object], body: object) -> None:
    with pytest.raises(UnexpectedResponse):
        parse(body)


def test_credits_are_read_in_both_shapes() -> None:
    assert wire.parse_credits(TASK["features"]) == Credits(permitted=2250, used=1315, storage_gb=500)
    assert wire.parse_credits({"permitted": {"numPlanCredits": 5}, "used": {"numPlanCredits": 2}}).remaining == 3


def test_only_the_addresses_of_accounts_are_kept() -> None:
    assert wire.parse_addresses({**ACCOUNTS, "code": 200}) == (EMAIL, "second@studio.example")


def test_of_an_account_its_slots_and_its_state_are_kept_and_no_secret() -> None:
    body = {EMAIL: {"maxJobs": 3, "password": "hunter2"}, "b@c.example": {"error": "hunter2", "maxJobs": "x"}}

    whole, broken = wire.parse_accounts(body)

    assert whole == LinkedAccount(EMAIL, max_jobs=3, is_broken=False)
    assert broken == LinkedAccount("b@c.example", max_jobs=None, is_broken=True)
    assert "hunter2" not in repr((whole, broken))


def test_no_error_shows_a_part_of_a_body() -> None:
    for parse in (wire.parse_task, wire.parse_asset, wire.parse_credits, wire.parse_tasks, wire.parse_running):
        with pytest.raises(UnexpectedResponse) as caught:
            parse({"password": "hunter2-password", "taskId": {"x": "hunter2-password"}})

        assert "hunter2" not in repr(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_entries_that_cannot_be_read_are_counted() -> None:
    listed = wire.parse_tasks([{"taskId": None}, {"taskId": "a", "status": "PENDING"}, 7])

    assert [task.task_id for task in listed] == ["a"]
    assert listed.skipped == 2
