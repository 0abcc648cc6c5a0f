import time
from dataclasses import replace
from typing import Any

import pytest

from runway_mcp.runway.errors import InvalidRequest
from runway_mcp.runway.models import Extension
from runway_mcp.tasks.catalogue import MODELS
from runway_mcp.tasks.intents import State, answers_duplicates, normalized, uuid_of
from runway_mcp.tasks.spend.drafts import draft, submission_of
from runway_mcp.tasks.spend.plan import asked_for, extension_of
from tests.kit.clock import EPOCH
from tests.kit.samples import clip, extension, intent, long_id, plan

ASSET = clip().asset_id


@pytest.mark.parametrize(
    ("fields", "answered"),
    [
        ({"state": State.WAITING, "lease": EPOCH + 1}, True),
        ({"state": State.WAITING, "lease": EPOCH - 1}, False),
        ({"state": State.POSTING, "lease": EPOCH - 999}, True),
        ({"state": State.UNCLEAR}, True),
        ({"state": State.UNCLEAR, "failure_kind": "not_found"}, True),
        ({"state": State.UNKNOWN}, True),
        ({"state": State.REFUSED, "failure_kind": "insufficient_credits"}, False),
        ({"state": State.REFUSED, "failure_kind": "moderated"}, True),
        ({"state": State.ACCEPTED, "status": "RUNNING"}, True),
        ({"state": State.ACCEPTED, "status": "SUCCEEDED", "ended": EPOCH - 9e9}, True),
        (
            {"state": State.ACCEPTED, "status": "FAILED", "ended": EPOCH - 9e9, "failure_kind": "generation_failed"},
            True,
        ),
        ({"state": State.ACCEPTED, "status": "FAILED", "ended": EPOCH - 9e9, "failure_kind": "moderated"}, True),
        ({"state": State.ACCEPTED, "status": "CANCELLED", "ended": EPOCH - 9e9, "failure_kind": "cancelled"}, True),
    ],
)
def test_an_intent_answers_its_request_for_good_unless_surely_nothing_was_charged(
    fields: dict[str, object], *, answered: bool
) -> None:
    assert answers_duplicates(replace(intent(), **fields), now=EPOCH) is answered


@pytest.mark.parametrize(
    "other",
    [
        extension(asset_id=ASSET, text_prompt="dunes", max_jobs=3),
        extension(asset_id=ASSET, text_prompt="dunes", reply_url="https://example.com/hook"),
        extension(asset_id=ASSET, text_prompt="dunes", reply_ref="mine"),
        extension(asset_id=ASSET, text_prompt="dunes", seconds=5),
        extension(asset_id=ASSET, text_prompt="  dunes\n"),
    ],
)
def test_requests_that_differ_in_slots_callbacks_names_or_a_spelt_out_default_are_the_same_film(
    other: Extension,
) -> None:
    assert plan(other).key("") == plan(extension(asset_id=ASSET, text_prompt="dunes")).key("")


@pytest.mark.parametrize(
    "other",
    [
        extension(asset_id=ASSET, text_prompt="sea"),
        extension(asset_id=ASSET, text_prompt="dunes", seconds=10),
        extension(asset_id=ASSET, text_prompt="dunes", seed=7),
        extension(asset_id=ASSET, text_prompt="dunes", explore_mode=True),
    ],
)
def test_requests_that_differ_in_what_is_filmed_are_other_films(other: Extension) -> None:
    assert plan(other).key("").given != plan(extension(asset_id=ASSET, text_prompt="dunes")).key("").given


def test_the_same_request_of_two_callers_is_two_films() -> None:
    assert plan().key("ana").given != plan().key("ben").given


@pytest.mark.parametrize(
    ("prompt", "same"), [("café", "cafe\N{COMBINING ACUTE ACCENT}"), ("dunes", " dunes "), (None, ""), (None, " \n")]
)
def test_a_prompt_is_compared_in_one_spelling(prompt: str | None, same: str) -> None:
    assert normalized(same) == normalized(prompt) == prompt


@pytest.mark.parametrize(
    ("given", "uuid"),
    [
        (long_id("task", 5), long_id("asset", 5)[-36:]),
        (long_id("asset", 5).upper()[-36:], long_id("asset", 5)[-36:]),
        ("no-id", "no-id"),
    ],
)
def test_ids_are_compared_by_their_uuid(given: str, uuid: str) -> None:
    assert uuid_of(given) == uuid


def test_a_submit_always_carries_a_seed_and_a_reference() -> None:
    chosen, given = intent(), intent(extension(asset_id=ASSET, seed=7, reply_ref="mine"))

    assert 1 <= chosen.seed <= 4294967294
    assert chosen.id in chosen.reply_ref
    assert (given.seed, given.reply_ref, given.seed_generated, given.reply_ref_generated) == (7, "mine", False, False)


def test_a_reference_of_ours_that_is_given_back_counts_as_not_given() -> None:
    again = intent(extension(asset_id=ASSET, reply_ref=intent().reply_ref))

    assert again.reply_ref_generated
    assert again.id in again.reply_ref


def test_the_body_says_what_was_asked_and_leaves_seconds_out_for_turbo() -> None:
    wish = extension(asset_id=ASSET, text_prompt="dunes", seed=7, reply_ref="mine", max_jobs=2)

    alpha = submission_of(plan(wish), intent(wish)).body()
    turbo = submission_of(plan(wish, task_type="gen3a_turbo"), intent(wish)).body()

    assert alpha == {
        "assetId": ASSET,
        "text_prompt": "dunes",
        "seconds": 5,
        "seed": 7,
        "replyRef": "mine",
        "maxJobs": 2,
    }
    assert submission_of(plan(wish, task_type="gen3a_turbo"), intent(wish)).endpoint == "gen3turbo/extend"
    assert turbo == {key: value for key, value in alpha.items() if key != "seconds"}


@pytest.mark.parametrize("odd", ["a/b", "a b", "", "a\nb"])
def test_a_malformed_id_is_refused_before_anything_can_be_sent(odd: str) -> None:
    with pytest.raises(InvalidRequest, match="assetId"):
        extension_of(extension(), odd, MODELS["gen3a"], 5)


@pytest.mark.parametrize(
    ("task_type", "wanted"),
    [
        ("gen3a", {}),
        ("gen3a", {"text_prompt": "dunes", "seconds": 10, "seed": 7, "explore_mode": True, "reply_ref": "mine"}),
        ("gen3a_turbo", {"text_prompt": "dunes"}),
    ],
)
def test_the_request_of_an_intent_given_again_is_the_same_request(task_type: str, wanted: dict[str, Any]) -> None:
    asked = plan(extension(**wanted), task_type=task_type)

    again = asked_for(draft(asked))

    assert plan(again, task_type=task_type).key("") == asked.key("")
    assert again.reply_ref == asked.asked.reply_ref


def test_a_prompt_with_countless_marks_on_a_letter_is_read_in_time_that_grows_with_its_length() -> None:
    prompt = "e" + "\u0301\u0316" * 20_000
    began = time.process_time()

    assert normalized(f" {prompt} ") == prompt
    assert time.process_time() - began < 0.5
