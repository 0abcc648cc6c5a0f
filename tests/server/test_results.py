import json
from dataclasses import replace
from typing import Any

import pytest

from runway_mcp.runway.models import Asset, Credits, RunningTask, Task
from runway_mcp.server.forms import failure_output, intent_output, plan_output, task_output, video
from runway_mcp.server.next_steps import Asked, after_failure
from runway_mcp.server.rendering import seconds, standing
from runway_mcp.server.results import LONGEST_RESULT, task_result
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import draft
from runway_mcp.tasks.plan import Wish
from tests.server.bench import structured, text
from tests.tasks.samples import NOW, clip, intent, long_id, plan, task

ASKED = Asked("extend_video", {"assetId": "a", "text_prompt": "on"}, 45)
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
    done = task(artifacts=[film(previewUrls=[LINK])] * 8)

    data = structured(task_result(task_output(done, ASKED)))

    assert len(data["more_videos"]) == 7
    assert all("preview_urls" not in each for each in (data["video"], *data["more_videos"]))
    assert {each["url"] for each in data["more_videos"]} == {LINK}


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
    output = intent_output(draft(plan(wish, task_type=task_type), now=NOW), 45)

    assert output.error is not None
    assert (output.error.kind, output.error.charged, output.error.retry_safe) == ("submission_unknown", "unknown", True)
    assert output.next_step is not None
    assert output.next_step.arguments == {"assetId": clip().asset_id, **expected}


def test_a_dry_run_of_a_clip_of_unknown_length_names_its_model_alone() -> None:
    unmeasured = replace(plan(Wish("a"), task_type="gen3a_turbo"), source=Asset(asset_id="a"))

    summary = plan_output(unmeasured, None).summary

    assert "Adding 8 s to this Gen-3 Alpha Turbo clip would cost about 40 credits (an estimate)" in summary


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
        (Failure("busy", ".", running=(RunningTask(task_id="r"),)), "get_task", {"taskId": "r", "wait_seconds": 45}),
        (Failure("submission_unknown", "."), "extend_video", ASKED.arguments),
        (Failure("unexpected_response", "."), "extend_video", ASKED.arguments),
        (Failure("unexpected_response", ".", retry_safe=False), None, None),
        (Failure("not_found", "."), "list_assets", {}),
        (Failure("invalid_request", "."), "list_assets", {}),
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


def test_a_failed_listing_of_an_unknown_account_suggests_no_listing() -> None:
    assert after_failure(Failure("not_found", "."), Asked("list_assets", {"email": "x"}, 45)) is None


def test_of_many_candidates_five_are_named() -> None:
    failure = Failure("submission_unknown", ".", charged="unknown", candidates=tuple(map(task, range(9))))

    output = failure_output(failure, ASKED)

    assert output.candidates is not None
    assert len(output.candidates) == 5


def test_the_text_leaves_out_an_argument_that_would_fill_it_and_the_structured_content_does_not() -> None:
    asked = Asked("extend_video", {"assetId": "a", "text_prompt": "long " * 200}, 45)

    result = task_result(failure_output(Failure("unavailable", "Later."), asked))

    assert '"text_prompt": "(as before)"' in text(result)
    assert structured(result)["next_step"]["arguments"] == asked.arguments
