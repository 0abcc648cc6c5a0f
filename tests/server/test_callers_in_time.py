"""What callers tell of each other while time passes: full accounts, lost answers, updates."""

from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequestParams, ElicitResult, InputRequiredResult

from runway_mcp.server.contract.uris import TASKS
from runway_mcp.simulator.builders import add_task
from tests.kit.client import ToolClient, structured
from tests.kit.protocol_tasks import TakesTasks, ask, tell
from tests.kit.server import open_server
from tests.kit.upstream import fault, virtual_world
from tests.server.callers import ANA, BOB, DUNES, Of, callers, everything_told, offered
from tests.server.subscribers import LIST, hearing
from tests.spend_once.setup import Recorded

pytestmark = pytest.mark.virtual_time

POST = {"method": "POST", "path_prefix": "/gen3"}
MINUTE = 60.0


# --- full accounts


@pytest.mark.parametrize("by", ["useapi", "runway"])
async def test_the_refusal_of_a_full_account_names_no_task_of_another_caller(
    tmp_path: Path, mode: str, by: str
) -> None:
    world = virtual_world(pace=900, **({"max_jobs": 2} if by == "useapi" else {"runway_limit": 2}))
    async with callers(world, tmp_path, mode) as (ana, bob):
        own = (await bob.extend(bob.clip, wait_seconds=0))["taskId"]
        others = (await ana.extend(ana.clip, wait_seconds=0))["taskId"]

        refused = await bob.call("extend_video", assetId=world.asset_id(bob.clip), seed=2, wait_seconds=45)
        told = repr((refused, bob.told))

        assert structured(refused)["error"]["kind"] == "busy"
        assert own in told
        assert others not in told
        assert any("running" in note.message for note in bob.told)
        assert len(world.accepted) == 2


async def test_a_refusal_of_a_read_names_no_task_of_another_caller(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=900)
    async with callers(world, tmp_path, mode) as (ana, bob):
        others = (await ana.extend(ana.clip, wait_seconds=0))["taskId"]
        own = (await bob.extend(bob.clip, wait_seconds=0))["taskId"]
        await anyio.sleep(MINUTE)
        running = {"director@example.com": [{"taskId": each} for each in (own, others)]}
        body = {"error": "Account is busy executing 2 tasks", "runningTasks": running}
        fault(world, method="GET", path_prefix="/tasks", times=None, status=429, body=body)

        told = await bob.call("get_task", taskId=world.task_id(world.tasks[0]))

        assert structured(told)["error"]["kind"] == "busy"
        assert own in repr(told)
        assert others not in repr(told)


# --- requests


async def test_callers_who_ask_at_once_get_a_film_each_and_each_gets_it_again_after_a_restart(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(pace=30)
    films: dict[str, list[str]] = {ANA: [], BOB: []}

    async def ask_for_it(client: ToolClient, caller: str) -> None:
        film = await client.extend(client.clip, text_prompt=DUNES, wait_seconds=45)
        assert film["status"] == "SUCCEEDED"
        films[caller].append(film["taskId"])

    for _ in range(2):
        async with callers(world, tmp_path, mode) as (ana, bob), anyio.create_task_group() as group:
            for client, caller in ((ana, ANA), (ana, ANA), (bob, BOB), (bob, BOB)):
                group.start_soon(ask_for_it, client, caller)

    assert [len(told) for told in films.values()] == [4, 4]
    assert set(films[ANA]).isdisjoint(films[BOB])
    assert len({*films[ANA], *films[BOB]}) == len(world.accepted) == 2


# --- while an answer is out


@pytest.mark.parametrize("reply_in_list", [False, True])
async def test_a_task_is_hidden_from_others_already_while_its_own_call_awaits_the_answer(
    tmp_path: Path, mode: str, *, reply_in_list: bool
) -> None:
    world = virtual_world(pace=900, max_jobs=1)
    world.switch(reply_in_list=reply_in_list, reply_in_get=reply_in_list)
    fault(world, **POST, kind="delay_after", seconds=8.0)
    async with callers(world, tmp_path, mode) as (ana, bob), anyio.create_task_group() as group:
        group.start_soon(anas_call, ana)
        await anyio.sleep(2)
        made = world.task_id(world.accepted[-1])

        assert made not in await everything_told(bob)
        assert (await bob.data("get_task", taskId=made))["error"]["kind"] == "not_found"
        refused = await bob.data("extend_video", assetId=world.asset_id(bob.clip), wait_seconds=0)
        assert refused["error"]["kind"] == "busy"
        assert made not in repr(refused)

    assert ana.world.accepted == [ana.last_task()]


async def anas_call(ana: ToolClient) -> None:
    """A call whose answer is late, and that tells its own task."""
    told = await ana.extend(ana.clip, text_prompt="over the dunes", wait_seconds=20)
    assert told["taskId"] == ana.world.task_id(ana.last_task())
    assert told["taskId"] in await everything_told(ana)


def without_seeds(body: Any) -> Any:
    """A list of tasks that tells nothing by which an unanswered request's could be told from others."""
    return [each | {"options": {}} for each in cast("list[Any]", body)] if isinstance(body, list) else body


async def test_a_kept_completion_forgets_a_task_as_soon_as_it_is_known_to_be_anothers(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(pace=900)
    by_hand = world.task_id(add_task(world, duration=900.0))
    fault(world, **POST, kind="delay_after", seconds=8.0)
    listing = Recorded(world, [], {"/tasks/": without_seeds})
    before: list[str] = []
    async with callers(world, tmp_path, mode, transport=listing) as (ana, bob):
        async with anyio.create_task_group() as group:
            group.start_soon(anas_call, ana)
            await anyio.sleep(2)
            before += await offered(bob)
        made, after = world.task_id(world.accepted[-1]), await offered(bob)

        assert {made, by_hand} <= set(before)
        assert set(before) - set(after) == {made}


async def test_an_own_task_is_not_hidden_though_anothers_unanswered_request_has_its_seed_and_source(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(pace=900)
    async with callers(world, tmp_path, mode) as (ana, bob), anyio.create_task_group() as group:
        own = (await bob.extend(bob.clip, seed=7, wait_seconds=0))["taskId"]
        fault(world, **POST, kind="delay_after", seconds=8.0)

        async def same() -> None:
            await ana.extend(ana.clip, seed=7, wait_seconds=20)

        group.start_soon(same)
        await anyio.sleep(2)
        assert (await bob.data("get_task", taskId=own))["taskId"] == own
        assert own in await everything_told(bob)
        assert world.task_id(world.accepted[-1]) not in await everything_told(bob)


async def test_the_candidates_of_a_lost_submit_are_no_tasks_of_other_callers(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=2000)
    fault(world, **POST, kind="reset")
    async with callers(world, tmp_path, mode) as (ana, bob), anyio.create_task_group() as group:
        lost = await bob.extend(bob.clip, wait_seconds=0)
        assert lost["error"]["kind"] == "submission_unknown"
        by_hand = world.task_id(add_task(world, duration=2000.0))
        owned = (await ana.extend(ana.clip, wait_seconds=0))["taskId"]
        await anyio.sleep(10 * MINUTE - anyio.current_time() - 4)
        fault(world, **POST, kind="delay_after", seconds=30.0)

        async def late() -> None:
            await ana.extend(ana.clip, seed=7, wait_seconds=60)

        group.start_soon(late)
        await anyio.sleep(1)
        unanswered = world.task_id(world.accepted[-1])
        await anyio.sleep(6)

        closed = await bob.extend(bob.clip, wait_seconds=0)

        assert closed["error"]["charged"] == "unknown"
        assert [each["taskId"] for each in closed["candidates"]] == [by_hand]
        assert {owned, unanswered}.isdisjoint(repr(closed).split("'"))


# --- updates


async def test_news_of_a_task_reach_its_caller_alone(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=60)
    by_hand = f"runway://tasks/{world.task_id(add_task(world, duration=300.0))}"
    async with open_server(world, tmp_path) as server, server.client(mode, caller=ANA) as ana:
        world.script_next(duration=300.0)
        first = (await ana.extend(ana.clip, wait_seconds=0))["task_uri"]
        wanted = (TASKS, first, by_hand)
        async with (
            hearing(Of(server, ANA), mode, *wanted) as (_, anas),
            hearing(Of(server, BOB), mode, *wanted) as (bob, bobs),
        ):
            second = (await ana.extend(ana.clip, seed=2, wait_seconds=0))["taskId"]
            await anyio.sleep(600)

            assert {LIST, TASKS, first, by_hand} == set(anas)
            assert anas.count(LIST) >= 1
            assert first not in bobs
            assert second not in repr(bobs)
            assert by_hand in bobs
            # Of the list he heard what the task that nobody here began did, no more.
            assert bobs.count(TASKS) == bobs.count(by_hand)
            bobs.clear()
            own = await bob.extend(bob.clip, wait_seconds=0)
            await anyio.sleep(1)
            assert sorted(bobs) == sorted([LIST, TASKS])
            assert own["taskId"] not in repr(anas)


async def test_progress_of_one_callers_task_does_not_silence_the_news_of_anothers(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=100)
    async with (
        open_server(world, tmp_path) as server,
        hearing(Of(server, ANA), mode, TASKS) as (ana, anas),
        hearing(Of(server, BOB), mode, TASKS) as (bob, bobs),
    ):
        for client in (ana, bob):
            await client.extend(client.clip, wait_seconds=0)
        await anyio.sleep(200)

        # Both tasks are read by the same page, so their changes come at the same moments.
        assert anas.count(TASKS) == pytest.approx(bobs.count(TASKS), abs=2)
        assert bobs.count(TASKS) >= 10


async def test_who_ends_his_own_watch_of_a_task_of_nobody_here_ends_no_other_callers(tmp_path: Path) -> None:
    world = virtual_world(pace=900)
    by_hand = world.task_id(add_task(world, duration=900.0))
    async with (
        open_server(world, tmp_path) as server,
        server.client("auto", caller=ANA, extensions=[TakesTasks()]) as ana,
        server.client("auto", caller=BOB, extensions=[TakesTasks()]) as bob,
    ):
        for client in (ana, bob):
            assert (await ask(client.mcp.session, "tasks/get", by_hand)).status == "working"
        await tell(ana.mcp, "tasks/cancel", by_hand)

        words = [(await ask(each.mcp.session, "tasks/get", by_hand)).status_message for each in (ana, bob)]
        assert ["cannot stop" in each for each in words] == [True, False]


# --- callers with and without a name


async def test_the_caller_without_a_name_and_one_with_a_name_are_two(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=900)
    async with callers(world, tmp_path, mode, "", ANA) as (nobody, ana):
        tasks = [(await client.extend(client.clip, wait_seconds=0))["taskId"] for client in (nobody, ana)]

        assert len(set(tasks)) == 2
        for client, own, others in ((nobody, *tasks), (ana, *reversed(tasks))):
            told = await everything_told(client)
            assert own in told
            assert others not in told


@pytest.mark.parametrize("names", [("", ANA), (ANA, ""), (ANA, BOB)])
async def test_the_state_of_a_question_is_its_callers_own(tmp_path: Path, names: tuple[str, str]) -> None:
    async def never(_: object, __: ElicitRequestParams) -> ElicitResult:
        raise AssertionError("the test answers the question itself")

    world = virtual_world()
    arguments = {"assetId": world.asset_id(world.assets[0])}
    async with (
        open_server(world, tmp_path, confirm_above=0.0) as server,
        server.client("auto", caller=names[0], elicitation_callback=never) as one,
        server.client("auto", caller=names[1], elicitation_callback=never) as other,
    ):
        question = await one.mcp.session.call_tool("extend_video", arguments, allow_input_required=True)
        assert isinstance(question, InputRequiredResult)
        with pytest.raises(MCPError, match="requestState"):
            await other.mcp.session.call_tool(
                "extend_video",
                arguments,
                input_responses={"spend": ElicitResult(action="accept", content={"ok": True})},
                request_state=question.request_state,
            )
        assert one.posts == 0
