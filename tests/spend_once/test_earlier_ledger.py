"""A ledger of the version before answers its old requests, one test a state of its rows."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.builders import add_video
from tests.spend_once.earlier import EarlierLedger
from tests.spend_once.setup import DAY, HOUR, MINUTE, PROMPT, RUNNING, Setup

pytestmark = pytest.mark.virtual_time


def an_old_folder(folder: Path) -> tuple[Setup, EarlierLedger]:
    setup = Setup(folder)
    return setup, EarlierLedger(setup)


@pytest.mark.parametrize("age", [HOUR, 40 * DAY])
@pytest.mark.parametrize(
    ("wish", "call"),
    [
        ({}, {}),
        ({"seed": 7}, {"seed": 7}),
        ({"reply_ref": "my-film-1"}, {"replyRef": "my-film-1"}),
        ({"reply_ref": "my-film-1"}, {}),
        ({"reply_ref": "my-film-1", "seed": 7}, {"seed": 7}),
        ({"seconds": 10}, {"seconds": 10}),
        ({"explore_mode": True}, {"exploreMode": True}),
        ({"text_prompt": f" {PROMPT}\n"}, {}),
        ({"text_prompt": "Zu\u0308rich"}, {"text_prompt": "Z\u00fcrich"}),
        ({"text_prompt": None}, {"text_prompt": ""}),
    ],
)
async def test_a_film_that_was_told_long_ago_answers_its_request(
    tmp_path: Path, wish: dict[str, Any], call: dict[str, Any], age: float
) -> None:
    setup, ledger = an_old_folder(tmp_path)
    await ledger.write_accepted(**wish)
    setup.leap(age)
    async with setup.server() as client:
        again = await client.extend(setup.clip, **{"text_prompt": PROMPT, **call})

        await setup.check_film_again(again)
        assert (setup.posts, setup.charged) == (0, 1)


@pytest.mark.parametrize("pause", [MINUTE, DAY])
async def test_a_film_that_was_never_told_answers_its_request(tmp_path: Path, pause: float) -> None:
    setup, ledger = an_old_folder(tmp_path)
    await ledger.write_accepted(told=False)
    setup.leap(pause)
    async with setup.server() as client:
        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))
        await anyio.sleep(3 * MINUTE)
        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))

        assert (setup.posts, setup.charged) == (0, 1)


async def test_a_film_of_a_turbo_clip_answers_its_request(tmp_path: Path) -> None:
    setup, ledger = an_old_folder(tmp_path)
    turbo = add_video(setup.world, model="gen3a_turbo", prompt="gulls")
    await ledger.write_accepted(source=turbo, seconds=8)
    setup.leap(DAY)
    async with setup.server() as client:
        await setup.check_film_again(await client.extend(turbo, text_prompt=PROMPT))

        assert (setup.posts, setup.charged) == (0, 1)


@pytest.mark.parametrize(
    "spelling", ["{asset}", "runway://assets/{asset}", "{task}", "runway://tasks/{task}", "{uuid}"]
)
async def test_it_answers_too_when_the_source_is_gone(tmp_path: Path, spelling: str) -> None:
    setup, ledger = an_old_folder(tmp_path)
    await ledger.write_accepted()
    maker = setup.clip.task
    assert maker is not None
    ids = {"asset": setup.world.asset_id(setup.clip), "task": setup.world.task_id(maker), "uuid": setup.clip.uuid}
    setup.forget_source()
    setup.leap(DAY)
    async with setup.server() as client:
        again = await client.data("extend_video", assetId=spelling.format(**ids), text_prompt=PROMPT)

        await setup.check_film_again(again)
        assert (setup.posts, setup.charged) == (0, 1)


@pytest.mark.parametrize("given", ["seed", "reply_ref"])
async def test_a_seed_or_a_reference_that_was_told_then_makes_no_second_task_now(tmp_path: Path, given: str) -> None:
    setup, ledger = an_old_folder(tmp_path)
    await ledger.write_accepted()
    task = setup.world.accepted[0]
    back = {"seed": {"seed": task.options["seed"]}, "reply_ref": {"replyRef": task.reply_ref}}[given]
    setup.leap(DAY)
    async with setup.server() as client:
        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT, **back))

        assert (setup.posts, setup.charged) == (0, 1)


async def test_a_film_that_was_paid_twice_then_is_paid_no_third_time(tmp_path: Path) -> None:
    setup, ledger = an_old_folder(tmp_path)
    await ledger.write_accepted()
    setup.leap(3 * MINUTE)
    await ledger.write_accepted()
    setup.leap(DAY)
    async with setup.server() as client:
        again = await client.extend(setup.clip, text_prompt=PROMPT)

        assert again["taskId"] in (setup.task_id(0), setup.task_id(1))
        await setup.check_film_again(again, 0 if again["taskId"] == setup.task_id(0) else 1)
        assert (setup.posts, setup.charged) == (0, 2)


async def test_another_seed_makes_another_film_as_ever(tmp_path: Path) -> None:
    setup, ledger = an_old_folder(tmp_path)
    await ledger.write_accepted()
    setup.leap(DAY)
    async with setup.server() as client:
        film = await client.extend(setup.clip, text_prompt=PROMPT, seed=7)

        assert film["status"] == "SUCCEEDED"
        assert (setup.posts, setup.charged) == (1, 2)


async def test_a_task_that_still_runs_answers_its_request(tmp_path: Path) -> None:
    setup, ledger = an_old_folder(tmp_path)
    setup.world.script_next(duration=HOUR)
    await ledger.write_accepted(ended=None, told=False)
    await anyio.sleep(MINUTE)
    async with setup.server() as client:
        told = await client.extend(setup.clip, text_prompt=PROMPT)

        assert told["status"] in RUNNING
        assert (told["taskId"], told["twin"]) == (setup.task_id(), True)
        assert client.took < 1
        assert setup.posts == 0


@pytest.mark.parametrize(
    ("outcome", "status", "kind"), [("fail", "FAILED", "generation_failed"), ("cancel", "CANCELLED", "cancelled")]
)
async def test_a_task_that_failed_answers_its_request(tmp_path: Path, outcome: str, status: str, kind: str) -> None:
    setup, ledger = an_old_folder(tmp_path)
    setup.world.script_next(outcome=outcome)
    await ledger.write_accepted(ended=status, failure_kind=kind, failure_message="It failed.")
    setup.leap(DAY)
    async with setup.server() as client:
        error = (await client.extend(setup.clip, text_prompt=PROMPT))["error"]

        assert (error["kind"], error["charged"], error["retry_safe"]) == (kind, "unknown", True)
        assert setup.posts == 0


async def test_a_success_that_was_told_without_its_film_tells_the_film_that_has_come_since(tmp_path: Path) -> None:
    setup, ledger = an_old_folder(tmp_path)
    await ledger.write_accepted(failure_kind="generation_failed", failure_message="Runway names no film.")
    setup.leap(DAY)
    async with setup.server() as client:
        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))

        assert (setup.posts, setup.charged) == (0, 1)


async def test_a_task_that_was_moderated_answers_its_request_for_good(tmp_path: Path) -> None:
    setup, ledger = an_old_folder(tmp_path)
    setup.world.script_next(outcome="moderate")
    await ledger.write_accepted(ended="FAILED", failure_kind="moderated", failure_message="Moderation stopped it.")
    setup.leap(40 * DAY)
    async with setup.server() as client:
        error = (await client.extend(setup.clip, text_prompt=PROMPT))["error"]

        assert (error["kind"], error["retry_safe"]) == ("moderated", False)
        assert setup.posts == 0


@pytest.mark.parametrize("call", [{}, {"replyRef": "my-film-1"}, {"text_prompt": f" {PROMPT}"}])
async def test_a_submit_that_was_moderated_is_not_sent_again(tmp_path: Path, call: dict[str, Any]) -> None:
    setup, ledger = an_old_folder(tmp_path)
    ledger.write(state="refused", failure_kind="moderated", failure_message="Runway's moderation refused the prompt.")
    setup.leap(40 * DAY)
    async with setup.server() as client:
        error = (await client.extend(setup.clip, **{"text_prompt": PROMPT, **call}))["error"]

        assert (error["kind"], error["charged"], error["retry_safe"]) == ("moderated", "no", False)
        assert setup.posts == 0


@pytest.mark.parametrize("kind", ["insufficient_credits", "invalid_request", "busy"])
async def test_a_submit_that_was_refused_is_posted_with_the_seed_and_reference_that_it_had(
    tmp_path: Path, kind: str
) -> None:
    setup, ledger = an_old_folder(tmp_path)
    row = ledger.write(state="refused", failure_kind=kind, failure_message="It was refused.")
    setup.leap(DAY)
    async with setup.server() as client:
        film = await client.extend(setup.clip, text_prompt=PROMPT)

        assert film["status"] == "SUCCEEDED"
        assert "twin" not in film
        assert (setup.posts, setup.charged) == (1, 1)
        assert (setup.sent[0]["seed"], setup.sent[0]["replyRef"]) == (row["seed"], row["reply_ref"])


async def test_a_submit_that_was_refused_after_acceptance_is_found_before_it_is_posted(tmp_path: Path) -> None:
    setup, ledger = an_old_folder(tmp_path)
    await ledger.submit(ledger.write(state="refused", failure_kind="invalid_request", failure_message="No."))
    setup.leap(DAY)
    async with setup.server() as client:
        told = await client.extend(setup.clip, text_prompt=PROMPT)

        assert told["taskId"] == setup.task_id()
        assert (setup.posts, setup.charged) == (0, 1)


@pytest.mark.parametrize("call", [{}, {"replyRef": "my-film-1"}, {"seconds": 5}])
async def test_a_submit_that_was_closed_as_unknown_is_not_posted(tmp_path: Path, call: dict[str, Any]) -> None:
    setup, ledger = an_old_folder(tmp_path)
    ledger.write(state="unknown")
    setup.leap(40 * DAY)
    async with setup.server() as client:
        error = (await client.extend(setup.clip, text_prompt=PROMPT, **call))["error"]

        assert (error["kind"], error["charged"], error["retry_safe"]) == ("submission_unknown", "unknown", True)
        assert setup.posts == 0


@pytest.mark.parametrize("state", ["posting", "unclear", "unknown"])
async def test_a_submit_whose_answer_was_lost_is_found(tmp_path: Path, state: str) -> None:
    setup, ledger = an_old_folder(tmp_path)
    await ledger.submit(ledger.write(state=state))
    setup.leap(3 * HOUR)
    async with setup.server() as client:
        assert await setup.until(lambda: setup.states() == ["accepted"], within=2 * MINUTE)

        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))
        assert (setup.posts, setup.charged) == (0, 1)


async def test_what_was_left_waiting_blocks_nobody(tmp_path: Path) -> None:
    setup, ledger = an_old_folder(tmp_path)
    ledger.write(state="waiting")
    setup.leap(DAY)
    async with setup.server() as client:
        await anyio.sleep(20 * MINUTE)
        assert "unknown" not in setup.states()
        film = await client.extend(setup.clip, text_prompt=PROMPT)

        assert film["status"] == "SUCCEEDED"
        assert (setup.posts, setup.charged) == (1, 1)
        assert "waiting" not in setup.states()


async def test_all_states_at_once_are_taken_over(tmp_path: Path) -> None:
    setup, ledger = an_old_folder(tmp_path)
    await ledger.write_accepted(text_prompt="told")
    ledger.write(text_prompt="moderated", state="refused", failure_kind="moderated", failure_message="No.")
    ledger.write(text_prompt="refused", state="refused", failure_kind="account", failure_message="No.")
    ledger.write(text_prompt="unknown", state="unknown")
    setup.leap(40 * DAY)
    async with setup.server() as client:
        told = {
            prompt: await client.extend(setup.clip, text_prompt=prompt)
            for prompt in ("told", "moderated", "refused", "unknown", "new")
        }

        await setup.check_film_again(told["told"])
        assert told["moderated"]["error"]["kind"] == "moderated"
        assert told["refused"]["status"] == told["new"]["status"] == "SUCCEEDED"
        assert told["unknown"]["error"]["kind"] == "submission_unknown"
        assert [body["text_prompt"] for body in setup.sent] == ["refused", "new"]
        assert len({row["id"] for row in setup.rows()}) >= 5
