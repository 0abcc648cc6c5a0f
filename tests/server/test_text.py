import json
from typing import Any

import pytest

from runway_mcp.runway.models import Asset, Credits
from runway_mcp.server.contract.next_steps import EXTENDS, LISTS, Asked
from runway_mcp.server.contract.results.assets import assets_output
from runway_mcp.server.contract.results.tasks import failure_output, task_output
from runway_mcp.server.contract.results.text import first_sentence, seconds, standing
from runway_mcp.server.contract.results.tool_results import assets_result, task_result
from runway_mcp.tasks.catalogue import MODELS
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.lineage import Verdict
from runway_mcp.tasks.listing import AssetListing, ListedAsset, Origin
from tests.kit.client import structured, text
from tests.kit.samples import clip, task
from tests.server.result_samples import ASKED, LINK, film

UNTOLD = "length: from view_film"


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"status": "RUNNING", "taskType": "gen3a", "options": {"seconds": 5}},
            "Cost of the task, once: about 50 credits (an estimate). Credits left: 5.",
        ),
        (
            {"status": "RUNNING", "taskType": "gen3a", "options": {"exploreMode": True}},
            "Cost of the task, once: no credits. Credits left: 5.",
        ),
        ({"status": "RUNNING", "taskType": "gen4"}, "Credits left: 5."),
        ({"status": "FAILED", "taskType": "gen4"}, None),
        (
            {
                "status": "SUCCEEDED",
                "taskType": "gen3a",
                "options": {"seconds": 5, "extended_from_task_id": "t0"},
                "artifacts": [film()],
            },
            "Credits left: 5.",
        ),
    ],
)
def test_the_text_tells_price_and_balance_where_the_summary_does_not(fields: dict[str, Any], line: str | None) -> None:
    output = task_output(task(**fields), ASKED, balance=Credits(permitted=9, used=4))

    lines = [each for each in text(task_result(output)).splitlines() if each.startswith(("Cost", "Credits"))]
    assert lines == ([line] if line else [])


def test_the_text_of_an_error_says_how_long_to_wait_before_the_same_call() -> None:
    result = task_result(failure_output(Failure("unavailable", ".", retry_after=12.4), ASKED))

    assert "You may repeat the same call after 12 s." in text(result)


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        (Failure("unavailable", "."), "You may repeat the same call later."),
        (Failure("submission_unknown", "."), "You may repeat the same call now."),
        (Failure("not_found", "."), "As things stand, the same call would end the same way."),
        (
            Failure("submission_unknown", ".", retry="after_change"),
            "As things stand, the same call would end the same way.",
        ),
        (Failure("moderated", ".", retry_safe=False), "Do not make the same call again."),
    ],
)
def test_the_text_of_an_error_speaks_of_a_repeat_only_where_one_is_worth_making(failure: Failure, advice: str) -> None:
    told = text(task_result(failure_output(failure, ASKED)))

    assert advice in told
    assert ("repeat" in told) is (failure.repeat != "after_change")


def test_the_text_of_an_error_about_a_task_that_runs_says_until_when_it_holds() -> None:
    told = text(task_result(failure_output(Failure("invalid_request", ".", task=task(status="RUNNING")), ASKED)))

    assert "Until that task has ended, the same call would end the same way." in told
    assert "Next: get_task" in told


def test_the_text_of_a_listing_with_links_leads_to_every_file() -> None:
    named = clip(1, name="beach.mp4", createdAt="2027-01-15T07:00:00Z", url=LINK)
    uploads = [Asset.model_validate({"assetId": f"a{number}", "url": link}) for number, link in ((2, LINK), (3, None))]
    verdicts = [Verdict("yes", None, count, MODELS["gen3a"]) for count in (0, 1)]
    listed = [
        ListedAsset(*pair, Origin()) for pair in zip([named, *uploads], [*verdicts, Verdict("unknown")], strict=True)
    ]
    asked = Asked("list_assets", {"links": True}, 45, LISTS)

    _, *lines = text(assets_result(assets_output(AssetListing(tuple(listed), (), None), asked))).splitlines()

    able = "extendable 3 times, to 40 s for about 300 credits (3 steps of 10 s)"
    assert lines == [
        f'- "beach.mp4" (video, 10 s, 1280x768, made 2027-01-15T07:00Z, {able}): assetId {named.asset_id}',
        f"  taskId {named.task_id}, runway://assets/{named.asset_id}",
        f"  link {LINK}",
        f"- unnamed (extendable 2 times; {UNTOLD}): assetId a2",
        "  runway://assets/a2",
        f"  link {LINK}",
        f"- unnamed (extendable: unknown: {UNTOLD}): assetId a3",
        "  runway://assets/a3",
    ]


def test_of_many_candidates_five_are_named() -> None:
    failure = Failure("submission_unknown", ".", charged="unknown", candidates=tuple(map(task, range(9))))

    output = failure_output(failure, ASKED)

    assert output.candidates is not None
    assert len(output.candidates) == 5


def test_the_text_holds_every_argument_of_the_next_call_in_full() -> None:
    asked = Asked("extend_video", {"assetId": "a", "text_prompt": "long " * 200}, 45, EXTENDS)

    result = task_result(failure_output(Failure("unavailable", "Later."), asked))

    assert f"Next: extend_video {json.dumps(structured(result)['next_step']['arguments'])}. " in text(result)
    assert structured(result)["next_step"]["arguments"] == asked.arguments


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
