from dataclasses import replace
from typing import Any

import pytest

from runway_mcp.runway.models import Credits, RunningTask
from runway_mcp.server.contract.after_failures import after_failure
from runway_mcp.server.contract.next_steps import EXTENDS, LISTS, READS, Asked, Behaviour, submit
from runway_mcp.server.contract.results.tasks import failure_output, plan_output
from runway_mcp.tasks.failures import Failure
from tests.kit.samples import extension, long_id, plan, task
from tests.server.result_samples import ASKED


@pytest.mark.parametrize(
    ("failure", "tool", "arguments"),
    [
        (Failure("unavailable", "."), "extend_video", ASKED.arguments),
        (Failure("busy", "."), "extend_video", ASKED.arguments),
        (Failure("busy", ".", running=(RunningTask(task_id="r"),)), "extend_video", ASKED.arguments),
        (Failure("submission_unknown", "."), "extend_video", ASKED.arguments),
        (Failure("unexpected_response", "."), "extend_video", ASKED.arguments),
        (Failure("unexpected_response", ".", retry_safe=False), None, None),
        (Failure("not_found", "."), "list_assets", {"query": "a"}),
        (Failure("invalid_request", "."), "list_assets", {"extendable_only": True}),
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


def test_in_place_of_a_complete_film_another_take_of_the_film_before_it_is_priced() -> None:
    def instead(*, taken: bool = True, **asked: Any) -> dict[str, Any]:
        refused = Failure("invalid_request", ".", instead="b", taken=taken)
        step = after_failure(refused, replace(ASKED, arguments=asked))
        assert step is not None
        return step.arguments

    step = instead(assetId="a", seconds=10, confirm="q")
    assert step == {"assetId": "b", "seconds": 10, "seed": step["seed"], "dry_run": True}
    assert 1 <= step["seed"] <= 4294967294
    assert step["seed"] != instead(assetId="c", seconds=10)["seed"], "the next refused film is another take again"
    assert step["seed"] == instead(assetId="a", seconds=10, dry_run=True)["seed"], "and told again as before"
    assert instead(taken=False, assetId="a", seed=7) == {"assetId": "b", "seed": 7, "dry_run": True}


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
    priced = plan_output(plan(extension(asset_id="a", seconds=seconds)), balance, step=step).next_step
    refused = failure_output(refusal, Asked("extend_video", wanted, 45, EXTENDS), balance=balance).next_step

    cheaper = {"assetId": "a", "seconds": offered, "dry_run": True} if offered else None
    assert (refused and refused.arguments) == cheaper
    assert (priced and priced.arguments) == (wanted | {"dry_run": False} if remaining is None else cheaper)


@pytest.mark.parametrize(
    ("arguments", "searched"),
    [
        ({"assetId": "my beach clip"}, {"query": "my beach clip"}),
        (
            {"assetId": "Gen-3 Alpha 358000000, a quiet beach at du…"},
            {"query": "Gen-3 Alpha 358000000, a quiet beach at du"},
        ),
        ({"taskId": "my beach clip", "wait_seconds": 5}, {"query": "my beach clip"}),
        ({"assetId": long_id("asset", 1)}, {}),
        ({"assetId": "user:1-runwayml:me@example.com-asset:half"}, {}),
        ({"taskId": "11111111-2222-4333-8444-555555555555"}, {}),
        ({"assetId": "https://example.com/a.mp4"}, {}),
        ({"assetId": "runway://assets/1"}, {}),
        ({"assetId": "b" * 201}, {}),
        ({"assetId": " … "}, {}),
        ({"assetId": 7}, {}),
        ({}, {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("behaviour", [EXTENDS, READS])
def test_what_is_not_found_by_its_name_is_searched_for_by_its_words(
    behaviour: Behaviour, arguments: dict[str, Any], searched: dict[str, str]
) -> None:
    step = after_failure(Failure("not_found", "."), Asked("x", arguments, 45, behaviour))

    assert step is not None
    assert (step.tool, step.arguments) == ("list_assets", searched)
    assert ("words" in step.reason) == bool(searched)
