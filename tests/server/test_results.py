import json
from dataclasses import replace
from typing import Any

import pytest

from runway_mcp.runway.models import Asset, Credits, RunningTask, Task
from runway_mcp.server.contract.next_steps import EXTENDS, LISTS, READS, Asked, after_failure, submit
from runway_mcp.server.contract.task_results import failure_output, intent_output, plan_output, task_output, video
from runway_mcp.server.contract.text import first_sentence, seconds, standing
from runway_mcp.server.contract.tool_results import LONGEST_RESULT, task_result
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import State
from runway_mcp.tasks.lineage import Lineage, Reach
from runway_mcp.tasks.spend.drafts import draft
from runway_mcp.tasks.spend.plan import Wish
from tests.server.bench import structured
from tests.tasks.samples import clip, intent, long_id, plan, task

ASKED = Asked("extend_video", {"assetId": "a", "text_prompt": "on"}, 45, EXTENDS)
LINK = "https://cdn.example.com/11111111-2222-4333-8444-555555555555.mp4?_jwt=" + "j" * 280


def film(**fields: Any) -> dict[str, Any]:
    """An artifact in the wire's form, with links as long as Runway's."""
    measures = {"duration": 20.542, "size": {"width": 1280, "height": 768}}
    body = {"assetId": long_id("asset", 9), "url": LINK, "filename": "Gen-3 Alpha 1, on.mp4", "metadata": measures}
    return {**body, **fields}


@pytest.mark.parametrize(("previews", "kept"), [(0, None), (1, 1), (9, 2)])
def test_previews_are_left_out_before_a_result_grows_too_long(previews: int, kept: int | None) -> None:
    done = task(artifacts=[film(previewUrls=[LINK] * previews)], options={"extended_count": 1, "text_prompt": "on"})

    data = structured(task_result(task_output(done, ASKED)))

    assert len(data["video"].get("preview_urls", [])) == (kept or 0)
    assert len(json.dumps(data)) <= LONGEST_RESULT
    assert data["video"]["url"] == LINK


def test_a_result_that_no_cut_makes_short_enough_keeps_what_matters() -> None:
    done = task(artifacts=[film(previewUrls=[LINK, LINK])] * 8)

    data = structured(task_result(task_output(done, ASKED)))

    assert len(data["more_videos"]) == 7
    assert all("preview_urls" not in each for each in (data["video"], *data["more_videos"]))
    assert data["video"]["url"] == LINK
    assert all(each.keys() >= {"assetId", "uri", "name"} for each in data["more_videos"])


def test_what_upstream_does_not_tell_is_left_out() -> None:
    done = task(artifacts=[{"assetId": "a"}], taskType=None)

    data = structured(task_result(task_output(done, ASKED)))

    assert data["video"] == {"assetId": "a", "uri": "runway://assets/a"}
    assert data.keys() == {"summary", "status", "taskId", "task_uri", "video"}
    assert data["summary"] == "The film is ready."


def test_the_intent_fills_in_what_upstream_leaves_out_of_a_task_of_ours() -> None:
    ours = intent(Wish("a", text_prompt="on", seed=7, reply_ref="mine"))

    output = task_output(Task(task_id="t", status="PENDING"), ASKED, intent=ours, balance=Credits(permitted=9, used=4))

    assert (output.text_prompt, output.seed, output.reply_ref, output.model) == ("on", 7, "mine", "gen3a")
    assert output.credits is not None
    assert (output.credits.cost, output.credits.remaining) == (50, 5)


@pytest.mark.parametrize(
    ("wish", "task_type", "expected"),
    [
        (
            Wish("a", text_prompt="on", seconds=10, seed=7, explore_mode=True, reply_ref="mine"),
            "gen3a",
            {"text_prompt": "on", "seconds": 10, "seed": 7, "exploreMode": True, "replyRef": "mine"},
        ),
        (Wish("a"), "gen3a_turbo", {}),
    ],
)
def test_an_unclear_submit_names_the_call_that_is_its_twin(
    wish: Wish, task_type: str, expected: dict[str, Any]
) -> None:
    unclear = replace(draft(plan(wish, task_type=task_type)), state=State.UNCLEAR)
    output = intent_output(unclear, 45)

    assert output.error is not None
    assert (output.error.kind, output.error.charged, output.error.retry_safe) == ("submission_unknown", "unknown", True)
    assert output.next_step is not None
    assert output.next_step.arguments == {"assetId": clip().asset_id, **expected}


def test_a_dry_run_of_a_clip_of_unknown_length_names_its_model_alone() -> None:
    unmeasured = replace(plan(Wish("a"), task_type="gen3a_turbo"), source=Asset(asset_id="a"))

    summary = plan_output(unmeasured, None).summary

    assert "Adding 8 s to this Gen-3 Alpha Turbo clip would cost about 40 credits (an estimate)" in summary


def test_a_long_prompt_is_cut_where_it_would_make_a_result_too_long() -> None:
    prompt = "the camera rises " * 58
    asked = Asked("extend_video", {"assetId": long_id("asset", 1), "text_prompt": prompt, "dry_run": True}, 45, EXTENDS)
    priced = plan(Wish(long_id("asset", 1), text_prompt=prompt))

    data = structured(task_result(plan_output(priced, None, step=submit(asked, long_id("asset", 1), 50, "q" * 12))))

    assert len(json.dumps(data, ensure_ascii=False)) <= LONGEST_RESULT
    assert data["text_prompt"].endswith("…")
    assert data["next_step"]["arguments"]["text_prompt"] == prompt


def test_only_the_first_of_several_films_keeps_its_link_in_a_result_that_would_be_too_long() -> None:
    done = task(artifacts=[film(url=f"https://films.test/1.mp4?{'t' * 700}", previewUrls=[LINK]) for _ in range(3)])

    data = structured(task_result(task_output(done, Asked("get_task", {}, 45, READS))))

    assert len(json.dumps(data, ensure_ascii=False)) <= LONGEST_RESULT
    assert "url" in data["video"]
    assert all(set(each) >= {"assetId", "uri"} and "url" not in each for each in data["more_videos"])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": "PENDING"}, "queued"),
        ({"status": "PENDING", "estimatedTimeToStartSeconds": 0}, "queued"),
        ({"status": "PENDING", "estimatedTimeToStartSeconds": 39.6}, "queued, Runway estimates a start in 40 s"),
        ({"status": "THROTTLED"}, "waiting for a slot at Runway"),
        ({"status": "RUNNING"}, "running"),
        ({"status": "RUNNING", "progressRatio": "0.62"}, "running, Runway reports 62 %"),
        ({"status": "RUNNING", "progressRatio": 0}, "running, Runway reports 0 %"),
        ({"status": "RUNNING", "progressText": "Upscaling\n"}, 'running ("Upscaling")'),
        ({"status": "ODD", "progressRatio": 0.5}, 'in Runway\'s state "ODD", Runway reports 50 %'),
        ({"status": "x" * 99}, f'in Runway\'s state "{"x" * 59}…"'),
    ],
)
def test_where_a_task_stands_is_told_in_upstreams_numbers(fields: dict[str, Any], expected: str) -> None:
    assert standing(task(**fields)) == expected


@pytest.mark.parametrize(("length", "expected"), [(10.0, "10 s"), (10.542, "10.5 s"), (0.04, "0 s")])
def test_lengths_have_no_needless_decimals(length: float, expected: str) -> None:
    assert seconds(length) == expected


def test_a_film_is_told_with_all_that_is_known_of_it() -> None:
    told = video(Asset.model_validate(film(fileSize="123", previewUrls=["https://p/1.jpg"]))).wire()

    assert told == {
        "assetId": long_id("asset", 9),
        "uri": f"runway://assets/{long_id('asset', 9)}",
        "url": LINK,
        "name": "Gen-3 Alpha 1, on.mp4",
        "mime_type": "video/mp4",
        "duration_seconds": 20.542,
        "width": 1280,
        "height": 768,
        "size_bytes": 123,
        "preview_urls": ["https://p/1.jpg"],
    }


@pytest.mark.parametrize(
    ("failure", "tool", "arguments"),
    [
        (Failure("unavailable", "."), "extend_video", ASKED.arguments),
        (Failure("busy", "."), "extend_video", ASKED.arguments),
        (Failure("busy", ".", running=(RunningTask(task_id="r"),)), "extend_video", ASKED.arguments),
        (Failure("submission_unknown", "."), "extend_video", ASKED.arguments),
        (Failure("unexpected_response", "."), "extend_video", ASKED.arguments),
        (Failure("unexpected_response", ".", retry_safe=False), None, None),
        (Failure("not_found", "."), "list_assets", {}),
        (Failure("invalid_request", "."), "list_assets", {"extendable_only": True}),
        (
            Failure("invalid_request", ".", instead="b"),
            "extend_video",
            {**ASKED.arguments, "assetId": "b", "dry_run": True},
        ),
        (Failure("invalid_request", ".", instead=""), None, None),
        (
            Failure("invalid_request", "seconds: 8.", about="seconds"),
            "extend_video",
            ASKED.arguments | {"dry_run": True},
        ),
        (Failure("account", ".", addresses=("a@b",)), "list_assets", ASKED.arguments | {"email": "a@b"}),
        (Failure("account", "."), None, None),
        (Failure("moderated", ".", retry_safe=False), None, None),
        (Failure("unauthorized", "."), None, None),
        (Failure("generation_failed", ".", task=task(status="FAILED"), charged="unknown"), None, None),
    ],
)
def test_the_way_on_from_a_failure_is_a_call_that_can_do_no_harm_or_none(
    failure: Failure, tool: str | None, arguments: dict[str, Any] | None
) -> None:
    step = after_failure(failure, ASKED)

    assert (step and step.tool, step and step.arguments) == (tool, arguments)


@pytest.mark.parametrize(
    ("kind", "arguments", "step"),
    [
        ("not_found", {"email": "x", "limit": 3}, {"limit": 3}),
        ("not_found", {"limit": 3}, None),
        ("invalid_request", {"email": "x"}, None),
        ("busy", {"limit": 3}, {"limit": 3}),
    ],
)
def test_a_failed_listing_suggests_the_linked_account_for_an_unknown_one_and_no_refused_listing_twice(
    kind: str, arguments: dict[str, Any], step: dict[str, Any] | None
) -> None:
    suggested = after_failure(Failure(kind, "."), Asked("list_assets", arguments, 45, LISTS))

    assert (suggested and suggested.arguments) == step


@pytest.mark.parametrize(("wait", "kept"), [(0, {}), (25, {"wait_seconds": 25})])
def test_a_call_that_found_no_slot_is_repeated_with_leave_to_wait_for_it(wait: int, kept: dict[str, int]) -> None:
    asked = Asked("extend_video", {"assetId": "a", "wait_seconds": wait}, 45, EXTENDS)

    step = after_failure(Failure("busy", "."), asked)

    assert step is not None
    assert step.arguments == {"assetId": "a", **kept}
    assert "waits for a slot" in step.reason


def test_a_dry_run_that_upstream_puts_off_is_told_to_come_again_and_waits_for_no_slot() -> None:
    step = after_failure(Failure("busy", "."), Asked("extend_video", {"assetId": "a", "dry_run": True}, 45, EXTENDS))

    assert step is not None
    assert "slot" not in step.reason


@pytest.mark.parametrize(
    ("seconds", "remaining", "offered"), [(10, 90, 5), (10, 50, 5), (10, 49, None), (10, None, None), (5, 40, None)]
)
def test_credits_that_do_not_suffice_are_offered_for_what_they_do(
    seconds: int, remaining: int | None, offered: int | None
) -> None:
    wanted = {"assetId": "a", "seconds": seconds, "confirm": "q"}
    balance = Credits(permitted=remaining, used=0)
    refusal = Failure("insufficient_credits", ".")
    step = submit(Asked("extend_video", wanted | {"dry_run": True}, 45, EXTENDS), "a", 100, "q")
    priced = plan_output(plan(Wish("a", seconds=seconds)), balance, step=step).next_step
    refused = failure_output(refusal, Asked("extend_video", wanted, 45, EXTENDS), balance=balance).next_step

    cheaper = {"assetId": "a", "seconds": offered, "dry_run": True} if offered else None
    assert (refused and refused.arguments) == cheaper
    assert (priced and priced.arguments) == (wanted | {"dry_run": False} if remaining is None else cheaper)


def test_a_balance_without_a_next_step_is_told_all_the_same() -> None:
    output = plan_output(plan(Wish("a")), Credits(permitted=9, used=0))

    assert output.next_step is None
    assert "That is more than the account has." in output.summary


@pytest.mark.parametrize(
    ("length", "lineage", "says"),
    [
        (
            20.0,
            Lineage("a", 1, 2, 10, longest=Reach(40, 200)),
            "1 of 3; the film would then be 20 s long, with 2 more extensions left, up to 40 s for about 200 credits",
        ),
        (
            15.0,
            Lineage("a", 2, 1, 5, longest=Reach(25, 0)),
            "2 of 3; the film would then be 15 s long, with 1 more extension left, up to 25 s.",
        ),
        (None, Lineage("a", 1, 2, 10), "1 of 3; the film would then be longer, with 2 more extensions left."),
        (40.0, Lineage("a", 3, 0, 10), "3 of 3; the film would then be 40 s long and complete."),
        (
            40.0,
            Lineage("a", 2, 1, 10, longest=Reach(40, 0)),
            "2 of 3; the film would then be 40 s long, with 1 more extension left.",
        ),
    ],
)
def test_a_dry_run_tells_how_the_film_would_stand_and_what_could_still_be_made_of_it(
    length: float | None, lineage: Lineage, says: str
) -> None:
    priced = plan_output(replace(plan(Wish("a", seconds=10)), length=length, lineage=lineage), None)

    assert f"be extension {says}" in priced.summary


@pytest.mark.parametrize(
    ("message", "first"),
    [
        ("One. Two.", "One."),
        ('It failed ("a. B. C."). More.', 'It failed ("a. B. C.").'),
        ('Refused (HTTP 400). It said: "Odd. Very." Change it.', 'Refused (HTTP 400). It said: "Odd. Very."'),
        ("No end", "No end"),
        ("v1.2 is no end. This is.", "v1.2 is no end."),
    ],
)
def test_the_first_sentence_ends_outside_of_what_is_quoted(message: str, first: str) -> None:
    assert first_sentence(message) == first


def test_a_film_tells_its_price_as_the_estimate_that_it_is() -> None:
    options = {"extended_from_task_id": "t", "seconds": 10}
    paid, free = (
        task_output(task(artifacts=[film()], options={**options, "exploreMode": explore}), ASKED).summary
        for explore in (False, True)
    )

    assert paid.endswith("extension 1 of 3, 10 s added for about 100 credits (an estimate).")
    assert free.endswith("10 s added for no credits (explore mode).")


def test_what_brought_no_film_tells_only_where_it_began() -> None:
    failed = task(status="FAILED", options={"extended_from_task_id": "t", "seconds": 10})

    ours = task_output(failed, ASKED, intent=intent(Wish("a", seconds=10)))

    assert ours.lineage is not None
    assert ours.lineage.wire() == {"source_assetId": clip().asset_id}
    assert task_output(failed, ASKED).lineage is None


def test_a_failure_about_a_task_that_goes_on_names_it() -> None:
    output = failure_output(Failure("unexpected_response", ".", charged="unknown", task=task()), ASKED)

    assert (output.task_id, output.task_uri) == (long_id("task", 1), f"runway://tasks/{long_id('task', 1)}")
    assert failure_output(Failure("invalid_request", ".", task=task()), ASKED).task_id is None
