from dataclasses import replace

import pytest

from runway_mcp.tasks.drafts import request_of, twin_key
from runway_mcp.tasks.intents import State, is_twin
from runway_mcp.tasks.plan import Wish
from tests.tasks.samples import NOW, clip, intent, plan

ASSET = clip().asset_id


@pytest.mark.parametrize(
    ("fields", "twin"),
    [
        ({"state": State.WAITING, "lease": NOW + 1}, True),
        ({"state": State.WAITING, "lease": NOW - 1}, False),
        ({"state": State.POSTING, "lease": NOW - 999}, True),
        ({"state": State.UNCLEAR}, True),
        ({"state": State.UNKNOWN}, True),
        ({"state": State.REFUSED, "failure_kind": "insufficient_credits"}, False),
        ({"state": State.REFUSED, "failure_kind": "moderated"}, True),
        ({"state": State.ACCEPTED, "status": "RUNNING"}, True),
        ({"state": State.ACCEPTED, "status": "SUCCEEDED", "ended": NOW - 9000}, True),
        ({"state": State.ACCEPTED, "status": "SUCCEEDED", "ended": NOW - 200, "told": NOW - 119}, True),
        ({"state": State.ACCEPTED, "status": "SUCCEEDED", "ended": NOW - 200, "told": NOW - 121}, False),
        ({"state": State.ACCEPTED, "status": "FAILED", "ended": NOW, "failure_kind": "generation_failed"}, True),
        (
            {"state": State.ACCEPTED, "status": "FAILED", "ended": NOW, "told": NOW, "failure_kind": "x"},
            False,
        ),
        (
            {"state": State.ACCEPTED, "status": "SUCCEEDED", "ended": NOW, "told": NOW, "failure_kind": "x"},
            False,
        ),
        ({"state": State.ACCEPTED, "status": "CANCELLED", "ended": NOW, "told": NOW, "failure_kind": "x"}, False),
        (
            {"state": State.ACCEPTED, "status": "FAILED", "ended": NOW, "told": NOW - 9e9, "failure_kind": "moderated"},
            True,
        ),
    ],
)
def test_an_intent_answers_the_same_request_as_long_as_a_second_post_could_pay_twice(
    fields: dict[str, object], twin: bool
) -> None:
    assert is_twin(replace(intent(), **fields), now=NOW) is twin


@pytest.mark.parametrize(
    "other",
    [
        Wish(asset_id=ASSET, text_prompt="dunes", max_jobs=3),
        Wish(asset_id=ASSET, text_prompt="dunes", reply_url="https://example.com/hook"),
        Wish(asset_id=ASSET, text_prompt="dunes", seconds=5),
    ],
)
def test_requests_that_differ_in_slots_callbacks_or_a_spelt_out_default_are_the_same_film(other: Wish) -> None:
    assert twin_key(plan(other)) == twin_key(plan(Wish(asset_id=ASSET, text_prompt="dunes")))


@pytest.mark.parametrize(
    "other",
    [
        Wish(asset_id=ASSET, text_prompt="sea"),
        Wish(asset_id=ASSET, text_prompt="dunes", seconds=10),
        Wish(asset_id=ASSET, text_prompt="dunes", seed=7),
        Wish(asset_id=ASSET, text_prompt="dunes", reply_ref="mine"),
        Wish(asset_id=ASSET, text_prompt="dunes", explore_mode=True),
    ],
)
def test_requests_that_differ_in_what_is_filmed_or_named_are_other_films(other: Wish) -> None:
    assert twin_key(plan(other)) != twin_key(plan(Wish(asset_id=ASSET, text_prompt="dunes")))


def test_a_submit_always_carries_a_seed_and_a_reference() -> None:
    chosen, given = intent(), intent(Wish(asset_id=ASSET, seed=7, reply_ref="mine"))

    assert 1 <= chosen.seed <= 4294967294
    assert chosen.id in chosen.reply_ref
    assert (given.seed, given.reply_ref, given.own_seed, given.own_ref) == (7, "mine", False, False)


def test_the_body_says_what_was_asked_and_leaves_seconds_out_for_turbo() -> None:
    wish = Wish(asset_id=ASSET, text_prompt="dunes", seed=7, reply_ref="mine", max_jobs=2)

    alpha = request_of(plan(wish), intent(wish)).body()
    turbo = request_of(plan(wish, task_type="gen3a_turbo"), intent(wish)).body()

    assert alpha == {
        "assetId": ASSET,
        "text_prompt": "dunes",
        "seconds": 5,
        "seed": 7,
        "replyRef": "mine",
        "maxJobs": 2,
    }
    assert turbo == {key: value for key, value in alpha.items() if key != "seconds"}
