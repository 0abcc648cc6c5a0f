"""A refusal is believed only when looks at upstream do not show the task."""

from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from runway_mcp.simulator.builders import add_task
from tests.kit.client import ToolClient
from tests.kit.upstream import fault
from tests.spend_once.setup import HOUR, MINUTE, POST, PROMPT, Setup, Spoil

pytestmark = pytest.mark.virtual_time

ANSWERS: dict[int, tuple[str, str]] = {
    400: ("The request is not valid.", "invalid_request"),
    404: ("Not found.", "not_found"),
    409: ("Conflict.", "invalid_request"),
    412: ("You do not have enough credits to run this task.", "insufficient_credits"),
    422: ("Text prompt did not pass moderation", "moderated"),
    596: ("Account director@example.com is in an error state (login). Please re-add it.", "account"),
}
"""What each status says, and the kind of error that it is."""


def refusal(status: int) -> dict[str, Any]:
    """A fault that answers with this refusal."""
    return {"kind": "status", "status": status, "body": {"error": ANSWERS[status][0], "code": status}}


@pytest.mark.parametrize("status", ANSWERS)
@pytest.mark.parametrize("given", [{}, {"seed": 7}, {"replyRef": "my-film-1"}, {"seed": 7, "replyRef": "my-film-1"}])
async def test_a_refusal_of_a_submit_that_was_accepted_is_told_as_its_task(
    tmp_path: Path, status: int, given: dict[str, Any]
) -> None:
    setup = Setup(tmp_path)
    fault(setup.world, **POST, **refusal(status), handled=True)
    async with setup.server() as client:
        first = await client.extend(setup.clip, text_prompt=PROMPT, **given)
        await anyio.sleep(HOUR)
        again = await client.extend(setup.clip, text_prompt=PROMPT, **given)

        assert (first["status"], first["taskId"]) == ("SUCCEEDED", setup.task_id())
        await setup.check_film_again(again)
        assert (setup.posts, setup.charged) == (1, 1)


@pytest.mark.parametrize("status", ANSWERS)
async def test_a_task_that_only_the_list_of_all_tasks_shows_is_found_too(tmp_path: Path, status: int) -> None:
    setup = Setup(tmp_path)
    setup.world.switch(late_in_scheduler=10 * HOUR)
    fault(setup.world, **POST, **refusal(status), handled=True)
    async with setup.server() as client:
        first = await client.extend(setup.clip, text_prompt=PROMPT)

        assert (first["status"], first["taskId"]) == ("SUCCEEDED", setup.task_id())
        assert setup.posts == 1


@pytest.mark.parametrize("status", ANSWERS)
async def test_a_task_that_is_shown_a_second_late_is_found_by_the_second_look(tmp_path: Path, status: int) -> None:
    setup = Setup(tmp_path)
    setup.world.switch(late_in_scheduler=1.0, late_in_lists=1.0)
    fault(setup.world, **POST, **refusal(status), handled=True)
    async with setup.server() as client:
        first = await client.extend(setup.clip, text_prompt=PROMPT)

        assert (first["status"], first["taskId"]) == ("SUCCEEDED", setup.task_id())
        assert setup.posts == 1


@pytest.mark.parametrize("status", [400, 404, 409, 412, 596])
async def test_a_task_that_is_shown_only_after_the_refusal_was_told_is_found_before_a_second_post(
    tmp_path: Path, status: int
) -> None:
    setup = Setup(tmp_path)
    setup.world.switch(late_in_scheduler=30.0, late_in_lists=30.0)
    fault(setup.world, **POST, **refusal(status), handled=True)
    async with setup.server() as client:
        first = await client.extend(setup.clip, text_prompt=PROMPT)
        assert first["error"]["kind"] == ANSWERS[status][1]
        await anyio.sleep(2 * MINUTE)
        again = await client.extend(setup.clip, text_prompt=PROMPT)

        assert again["taskId"] == setup.task_id()
        assert (setup.posts, setup.charged) == (1, 1)


def check_refused(data: dict[str, Any], status: int, charged: str) -> None:
    error, kind = data["error"], ANSWERS[status][1]
    assert (error["kind"], error["charged"], error["retry_safe"]) == (kind, charged, kind != "moderated")
    assert "taskId" not in data


@pytest.mark.parametrize("status", [400, 404, 409, 412, 596])
@pytest.mark.parametrize("given", [{}, {"seed": 7, "replyRef": "my-film-1"}])
@pytest.mark.parametrize("restarted", [False, True])
async def test_after_a_genuine_refusal_the_same_call_looks_and_posts_with_the_same_seed_and_reference(
    tmp_path: Path, status: int, given: dict[str, Any], restarted: bool
) -> None:
    setup = Setup(tmp_path)
    fault(setup.world, **POST, **refusal(status))
    async with setup.visits(restarted=restarted) as visit:
        check_refused(await (await visit()).extend(setup.clip, text_prompt=PROMPT, **given), status, "no")
        assert setup.charged == 0
        await anyio.sleep(HOUR)
        await check_posted_again(setup, await visit(), given)


async def check_posted_again(setup: Setup, client: ToolClient, given: dict[str, Any]) -> None:
    before, at_post = looks(setup), list[int]()
    setup.at_next_post(lambda: at_post.append(looks(setup)))
    film = await client.extend(setup.clip, text_prompt=PROMPT, **given)

    assert film["status"] == "SUCCEEDED"
    assert "twin" not in film
    assert setup.charged == 1
    assert at_post[0] > before
    names = ("seed", "replyRef")
    assert [[body[name] for name in names] for body in setup.sent] == [[film[name] for name in names]] * 2


def looks(setup: Setup) -> int:
    """How often the scheduler or the list of tasks was read."""
    return setup.world.requests["GET /scheduler"] + setup.world.requests["GET /tasks"]


@pytest.mark.slow
@pytest.mark.parametrize("status", ANSWERS)
@pytest.mark.parametrize("arrived", [True, False])
async def test_a_refusal_that_nobody_can_check_may_have_been_charged_and_is_not_posted_again(
    tmp_path: Path, status: int, arrived: bool
) -> None:
    setup = Setup(tmp_path, pace=600)
    setup.at_next_post(setup.blind, **refusal(status), handled=arrived)
    async with setup.server() as client:
        check_refused(await client.extend(setup.clip, text_prompt=PROMPT), status, "unknown")
        for pause in (0.0, 30.0, HOUR):
            await anyio.sleep(pause)
            again = await client.extend(setup.clip, text_prompt=PROMPT)
            assert again["error"]["kind"] in (ANSWERS[status][1], "submission_unknown")
            assert again["error"]["charged"] == "unknown"
            assert setup.posts == 1


@pytest.mark.parametrize("status", ANSWERS)
async def test_a_first_look_that_finds_nothing_confirms_no_refusal_if_the_second_fails(
    tmp_path: Path, status: int
) -> None:
    setup = Setup(tmp_path)
    setup.world.switch(late_in_scheduler=1.0, late_in_lists=1.0)

    posted = anyio.Event()

    async def cut_off_between() -> None:
        await posted.wait()
        await anyio.sleep(1.5)
        setup.blind()

    setup.at_next_post(posted.set, **refusal(status), handled=True)
    async with setup.server() as client, anyio.create_task_group() as background:
        background.start_soon(cut_off_between)
        check_refused(await client.extend(setup.clip, text_prompt=PROMPT), status, "unknown")
        setup.connect()
        await anyio.sleep(2 * MINUTE)

        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))
        assert (setup.posts, setup.charged) == (1, 1)


@pytest.mark.parametrize("status", ANSWERS)
@pytest.mark.parametrize("restarted", [False, True])
async def test_the_first_look_that_succeeds_finds_what_was_refused_after_acceptance(
    tmp_path: Path, status: int, restarted: bool
) -> None:
    setup = Setup(tmp_path)
    setup.at_next_post(setup.blind, **refusal(status), handled=True)
    async with setup.visits(restarted=restarted) as visit:
        check_refused(await (await visit()).extend(setup.clip, text_prompt=PROMPT), status, "unknown")
        await anyio.sleep(5 * MINUTE)
        setup.connect()
        await anyio.sleep(2 * MINUTE)

        await setup.check_film_again(await (await visit()).extend(setup.clip, text_prompt=PROMPT))
        assert (setup.posts, setup.charged) == (1, 1)


@pytest.mark.parametrize("status", [400, 404, 409, 412, 596])
async def test_the_first_look_that_succeeds_lets_a_genuine_refusal_be_posted_again(tmp_path: Path, status: int) -> None:
    setup = Setup(tmp_path)
    setup.at_next_post(setup.blind, **refusal(status))
    async with setup.server() as client:
        check_refused(await client.extend(setup.clip, text_prompt=PROMPT), status, "unknown")
        await anyio.sleep(5 * MINUTE)
        setup.connect()
        await anyio.sleep(2 * MINUTE)
        film = await client.extend(setup.clip, text_prompt=PROMPT)

        assert film["status"] == "SUCCEEDED"
        assert setup.charged == 1
        assert setup.sent[0] == setup.sent[1]


async def test_the_first_look_that_succeeds_keeps_a_genuine_moderation_from_being_posted_again(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    setup.at_next_post(setup.blind, **refusal(422))
    async with setup.server() as client:
        check_refused(await client.extend(setup.clip, text_prompt=PROMPT), 422, "unknown")
        await anyio.sleep(5 * MINUTE)
        setup.connect()
        await anyio.sleep(2 * MINUTE)
        again = await client.extend(setup.clip, text_prompt=PROMPT)

        check_refused(again, 422, "no")
        assert (setup.posts, setup.charged) == (1, 0)


@pytest.mark.parametrize("failing", ["/tasks", "/scheduler"])
async def test_a_look_that_can_read_one_of_the_two_lists_finds_the_task_there(tmp_path: Path, failing: str) -> None:
    setup = Setup(tmp_path)
    setup.at_next_post(lambda: setup.cut_off(method="GET", path_prefix=failing), **refusal(400), handled=True)
    async with setup.server() as client:
        first = await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=15)
        assert first["taskId"] == setup.task_id()
        setup.connect()
        await anyio.sleep(MINUTE)

        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))
        assert setup.posts == 1


@pytest.mark.parametrize("status", [401, 402, 403, 405, 410, 413, 418, 451])
async def test_every_other_4xx_is_a_refusal_once_looks_show_no_task(tmp_path: Path, status: int) -> None:
    setup = Setup(tmp_path)
    fault(setup.world, **POST, kind="status", status=status, body={"error": "No."})
    async with setup.server() as client:
        error = (await client.extend(setup.clip, text_prompt=PROMPT))["error"]
        assert (error["charged"], error["retry_safe"]) == ("no", True)
        film = await client.extend(setup.clip, text_prompt=PROMPT)

        assert film["status"] == "SUCCEEDED"
        assert (setup.posts, setup.charged) == (2, 1)


@pytest.mark.parametrize("status", [301, 408, 425, 500, 502, 503])
async def test_every_answer_that_is_no_refusal_is_unclear_and_never_posted_again(tmp_path: Path, status: int) -> None:
    setup = Setup(tmp_path)
    fault(setup.world, **POST, kind="status", status=status, body={"error": "Later."})
    async with setup.server() as client:
        for pause in (0.0, MINUTE, HOUR):
            await anyio.sleep(pause)
            error = (await client.extend(setup.clip, text_prompt=PROMPT))["error"]
            assert (error["kind"], error["charged"]) == ("submission_unknown", "unknown")
        assert setup.posts == 1


@pytest.mark.parametrize("answered", [2.0, 2.5, 2.9, 3.2, 4.0])
async def test_a_refusal_that_comes_late_is_told_once_and_not_posted_again(tmp_path: Path, answered: float) -> None:
    setup = Setup(tmp_path)
    fault(setup.world, **POST, kind="delay", seconds=answered, times=None)
    fault(setup.world, **POST, **refusal(412), times=None)
    fault(setup.world, method="GET", path_prefix="/tasks", kind="delay", seconds=0.2, times=None)
    async with setup.server() as client:
        refused = await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=0)

        assert refused["error"]["kind"] in ("insufficient_credits", "submission_unknown")
        assert client.took < 15
        assert setup.posts == 1


def with_an_odd_entry(body: Any) -> Any:
    """A list of tasks with one more entry that tells no task."""
    return [{"taskId": None}, *cast("list[Any]", body)] if isinstance(body, list) else body


def short_pages(body: Any) -> Any:
    """A list that holds at most 50 entries, however many were asked for."""
    return cast("list[Any]", body)[:50] if isinstance(body, list) else body


@pytest.mark.parametrize(("spoil", "charged"), [(with_an_odd_entry, "unknown"), (short_pages, None)])
async def test_a_list_that_could_not_be_read_whole_confirms_no_refusal(
    tmp_path: Path, spoil: Spoil, charged: str | None
) -> None:
    setup = Setup(tmp_path)
    for number in range(120):
        add_task(setup.world, seed=number + 1, age=5000.0, duration=1.0, queue=0.0)
    setup.world.switch(task_order="oldest", late_in_scheduler=10_000.0)
    setup.spoils["/tasks/"] = spoil
    fault(setup.world, **POST, **refusal(400))
    async with setup.server() as client:
        refused = await client.extend(setup.clip, text_prompt=PROMPT)

        assert refused["error"]["charged"] == (charged or "no")
        setup.spoils.clear()
        fault(setup.world, **POST, **refusal(400), handled=True)
        setup.spoils["/tasks/"] = spoil
        film = await client.extend(setup.clip, text_prompt="another request")
        assert film["taskId"] == setup.task_id()
        assert setup.charged == 1
