from typing import Any

import pytest

from runway_mcp.runway.models import Asset, Credits
from runway_mcp.server.forms import assets_output, failure_output, task_output
from runway_mcp.server.listing import Listed, Listing
from runway_mcp.server.next_steps import Asked
from runway_mcp.server.results import assets_result, task_result
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.lineage import Verdict
from tests.server.bench import structured, text
from tests.server.test_results import ASKED, LINK
from tests.tasks.samples import clip, task


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"status": "RUNNING", "taskType": "gen3a", "options": {"seconds": 5}},
            "Credits: about 50 (an estimate), 5 left.",
        ),
        ({"status": "RUNNING", "taskType": "gen3a", "options": {"exploreMode": True}}, "Credits: none to pay, 5 left."),
        ({"status": "RUNNING", "taskType": "gen4"}, "Credits: 5 left."),
        ({"status": "FAILED", "taskType": "gen4"}, None),
    ],
)
def test_the_text_tells_price_and_balance_where_the_summary_does_not(fields: dict[str, Any], line: str | None) -> None:
    output = task_output(task(**fields), ASKED, balance=Credits(permitted=9, used=4))

    lines = [each for each in text(task_result(output)).splitlines() if each.startswith("Credits")]
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


@pytest.mark.parametrize(("count", "kept"), [(10, 2), (11, 1)])
def test_a_long_listing_shows_one_preview_of_each_asset(count: int, kept: int) -> None:
    assets = tuple(
        Listed(clip(number, previewUrls=[LINK, LINK]), Verdict("yes", None, number)) for number in range(count)
    )

    output = assets_output(Listing(assets, (), None), Asked("list_assets", {}, 45))

    assert {len(asset.preview_urls or ()) for asset in output.assets or ()} == {kept}


def test_the_text_of_a_listing_leads_to_every_file() -> None:
    named = clip(1, name="beach.mp4", createdAt="2027-01-15T07:00:00Z", url=LINK)
    uploads = [Asset.model_validate({"assetId": f"a{number}", "url": link}) for number, link in ((2, LINK), (3, None))]
    verdicts = [Verdict("yes", None, count) for count in (0, 1, 3)]
    listing = Listing(tuple(map(Listed, [named, *uploads], verdicts)), (), None)

    _, first, second, third = text(assets_result(assets_output(listing, Asked("list_assets", {}, 45)))).splitlines()

    made = "made 2027-01-15T07:00:00Z, extendable, not extended yet"
    assert first == f'- "beach.mp4" (video, 10 s, 1280x768, {made}): assetId {named.asset_id}, taskId {named.task_id}'
    assert second == f"- unnamed (extendable, extended once): assetId a2, link {LINK}"
    assert third == "- unnamed (extendable, extended 3 times): assetId a3"


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
