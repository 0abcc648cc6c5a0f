from dataclasses import replace
from typing import Any

import pytest

from runway_mcp.media.join.seams import Seam
from runway_mcp.runway.models import Asset, Credits, Extension, Task
from runway_mcp.server.contract.next_steps import READS, Asked
from runway_mcp.server.contract.results.film_parts import look_of
from runway_mcp.server.contract.results.shared import UNTOLD_LENGTH
from runway_mcp.server.contract.results.tasks import failure_output, intent_output, plan_output, task_output, video
from runway_mcp.server.contract.results.tool_results import task_result
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import State
from runway_mcp.tasks.lineage import Lineage, Reach
from runway_mcp.tasks.spend.drafts import draft
from tests.kit.client import structured
from tests.kit.samples import clip, extension, intent, long_id, plan, task
from tests.server.result_samples import ASKED, LINK, film


def test_what_upstream_does_not_tell_is_left_out() -> None:
    done = task(artifacts=[{"assetId": "a"}], taskType=None)

    data = structured(task_result(task_output(done, ASKED)))

    assert data["video"] == {"assetId": "a", "uri": "runway://assets/a"}
    assert data.keys() == {"summary", "status", "taskId", "task_uri", "video"}
    assert data["summary"] == "The film is ready."


def test_the_intent_fills_in_what_upstream_leaves_out_of_a_task_of_ours() -> None:
    ours = intent(extension(asset_id="a", text_prompt="on", seed=7, reply_ref="mine"))

    output = task_output(Task(task_id="t", status="PENDING"), ASKED, intent=ours, balance=Credits(permitted=9, used=4))

    assert (output.text_prompt, output.seed, output.reply_ref, output.model) == ("on", 7, "mine", "gen3a")
    assert output.credits is not None
    assert (output.credits.cost, output.credits.remaining) == (50, 5)
    assert output.lineage is not None
    assert (output.lineage.source_asset_id, output.lineage.extensions_left) == (ours.source_asset_id, 2)


@pytest.mark.parametrize(
    ("wish", "task_type", "expected"),
    [
        (
            extension(asset_id="a", text_prompt="on", seconds=10, seed=7, explore_mode=True, reply_ref="mine"),
            "gen3a",
            {"text_prompt": "on", "seconds": 10, "seed": 7, "exploreMode": True, "replyRef": "mine"},
        ),
        (extension(asset_id="a"), "gen3a_turbo", {}),
    ],
)
def test_an_unclear_submit_names_the_call_that_is_its_twin(
    wish: Extension, task_type: str, expected: dict[str, Any]
) -> None:
    unclear = replace(draft(plan(wish, task_type=task_type)), state=State.UNCLEAR)
    output = intent_output(unclear, 45)

    assert output.error is not None
    assert (output.error.kind, output.error.charged, output.error.retry_safe) == ("submission_unknown", "unknown", True)
    assert output.next_step is not None
    assert output.next_step.arguments == {"assetId": clip().asset_id, **expected}


def test_a_dry_run_of_a_clip_of_unknown_length_names_its_model_alone() -> None:
    unmeasured = replace(plan(extension(asset_id="a"), task_type="gen3a_turbo"), source=Asset(asset_id="a"))

    summary = plan_output(unmeasured, None).summary

    assert "Adding 8 s to the Gen-3 Alpha Turbo clip would cost about 40 credits (an estimate)" in summary


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


def test_a_balance_without_a_next_step_is_told_all_the_same() -> None:
    output = plan_output(plan(extension(asset_id="a")), Credits(permitted=9, used=0))

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
            "2 of 3; the film would then be 15 s long, with 1 more extension left, up to 25 s (one step of 10 s).",
        ),
        (
            None,
            Lineage("a", 1, 2, 10),
            f"1 of 3; the film would then be longer ({UNTOLD_LENGTH}), with 2 more extensions left.",
        ),
        (
            40.0,
            Lineage("a", 3, 0, 10),
            "3 of 3; the film would then be 40 s long and complete: no extension is left, only a model can continue it",
        ),
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
    priced = plan_output(replace(plan(extension(asset_id="a", seconds=10)), length=length, lineage=lineage), None)

    assert f"be extension {says}" in priced.summary


def test_a_film_tells_its_price_as_the_estimate_that_it_is() -> None:
    options = {"extended_from_task_id": "t", "seconds": 10}
    paid, free = (
        task_output(task(artifacts=[film()], options={**options, "exploreMode": explore}), ASKED).summary
        for explore in (False, True)
    )

    assert paid.endswith("extension 1 of 3, 10 s added for about 100 credits (an estimate).")
    assert free.endswith("10 s added for no credits (explore mode, on an Unlimited plan).")


def test_a_film_that_is_read_tells_that_its_price_was_paid_before() -> None:
    options = {"extended_from_task_id": "t", "seconds": 10}
    reading = Asked("get_task", {"taskId": "t"}, 45, READS)
    paid, free = (
        task_output(task(artifacts=[film()], options={**options, "exploreMode": explore}), reading).summary
        for explore in (False, True)
    )

    assert paid.endswith("10 s added for about 100 credits (an estimate), already charged.")
    assert free.endswith("10 s added for no credits (explore mode, on an Unlimited plan).")


def test_what_brought_no_film_tells_only_where_it_began() -> None:
    failed = task(status="FAILED", options={"extended_from_task_id": "t", "seconds": 10})

    ours = task_output(failed, ASKED, intent=intent(extension(asset_id="a", seconds=10)))

    assert ours.lineage is not None
    assert ours.lineage.wire() == {"source_assetId": clip().asset_id}
    assert task_output(failed, ASKED).lineage is None


def test_a_failure_about_a_task_that_goes_on_names_it() -> None:
    output = failure_output(Failure("unexpected_response", ".", charged="unknown", task=task()), ASKED)

    assert (output.task_id, output.task_uri) == (long_id("task", 1), f"runway://tasks/{long_id('task', 1)}")
    assert failure_output(Failure("invalid_request", ".", task=task()), ASKED).task_id is None


@pytest.mark.parametrize(
    ("difference", "motion", "colour", "look"),
    [
        (0.4, 0.2, 0.4, "does not stand out"),
        (5.0, 4.0, 6.0, "does not stand out"),
        (31.0, 4.0, 1.0, "can be seen: the picture jumps"),
        (2.0, 4.0, 9.0, "can be seen: the colours change"),
        (31.0, 4.0, 9.0, "can be seen: the picture jumps and the colours change"),
    ],
)
def test_a_seam_is_judged_against_the_motion_of_its_clips(
    difference: float, motion: float, colour: float, look: str
) -> None:
    assert look_of(Seam(5.0, difference, motion, colour)) == look
