"""What a task has to tell of itself to count as ours, and what makes an answer tell of another's."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from runway_mcp.runway.models import Task
from runway_mcp.tasks.intents import UPLOAD, Intent, Step
from runway_mcp.tasks.spend.matching import contradicts, is_ours
from tests.kit.clock import EPOCH
from tests.kit.samples import clip, extension, intent, long_id, task

GIVEN = replace(intent(extension(seed=7, reply_ref="mine", text_prompt="dunes")), posted=EPOCH)
"""Seed and reference are the caller's."""
MADE = replace(intent(extension(text_prompt="dunes")), posted=EPOCH)
"""Seed and reference are ours."""

THE_TASK, ANOTHER = long_id("task", 5), long_id("task", 9)
BARE_ID = long_id("task", 1)[-36:]
BLANK: dict[str, Any] = {
    "text_prompt": None,
    "seconds": None,
    "exploreMode": None,
    "extended_from_task_id": None,
    "seed": None,
}


def dated(after: float) -> str:
    """A date of upstream's, so many seconds after the POST."""
    return datetime.fromtimestamp(EPOCH + after, UTC).isoformat()


def shown(made: Intent, *, options: dict[str, Any] | None = None, **fields: Any) -> Task:
    """The finished task of an intent as the list of all shows it, but for the given fields and options."""
    told = {
        "seed": made.seed,
        "extended_from_task_id": made.parent_task_id,
        "seconds": made.seconds,
        "exploreMode": made.explore_mode,
        "text_prompt": made.text_prompt,
    }
    return task(5, **{"createdAt": dated(5), **fields}, options={**told, **(options or {})})


@pytest.mark.parametrize("options", [{}, BLANK, {"seed": 8}, {"extended_from_task_id": ANOTHER}])
@pytest.mark.parametrize("created", [dated(5), dated(-9e6), None])
def test_a_task_that_carries_our_own_reference_is_ours_whatever_else_it_tells(
    options: dict[str, Any], created: str | None
) -> None:
    carries = shown(MADE, options=options, createdAt=created, replyRef=MADE.reply_ref)
    is_listed_with_it = shown(MADE, options=options, createdAt=created)

    assert is_ours(carries, MADE, {})
    assert is_ours(is_listed_with_it, MADE, {THE_TASK: MADE.reply_ref})


@pytest.mark.parametrize("made", [GIVEN, MADE])
def test_a_task_that_carries_another_reference_is_never_ours(made: Intent) -> None:
    assert not is_ours(shown(made, replyRef="another"), made, {})
    assert not is_ours(shown(made), made, {THE_TASK: "another"})


@pytest.mark.parametrize("created", [dated(5), dated(-9e6), dated(9e6), None])
@pytest.mark.parametrize("status", ["SUCCEEDED", "RUNNING"])
@pytest.mark.parametrize("options", [{}, {**BLANK, "seed": MADE.seed}, {"text_prompt": "as Runway has reworded it"}])
def test_a_seed_that_we_made_is_proof_whatever_age_a_task_has(
    created: str | None, status: str, options: dict[str, Any]
) -> None:
    assert is_ours(shown(MADE, createdAt=created, status=status, options=options), MADE, {})


@pytest.mark.parametrize("made", [GIVEN, MADE])
@pytest.mark.parametrize("options", [{"seed": 8}, {"seed": None}, {"extended_from_task_id": ANOTHER}])
def test_a_task_of_another_seed_or_another_source_is_not_ours(made: Intent, options: dict[str, Any]) -> None:
    assert not is_ours(shown(made, options=options), made, {})


@pytest.mark.parametrize(
    ("options", "ours"),
    [
        ({}, True),
        ({"text_prompt": " dunes\n"}, True),
        ({"text_prompt": "sea"}, False),
        ({"text_prompt": ""}, False),
        ({"text_prompt": None}, False),
        ({"seconds": None}, True),
        ({"seconds": 10}, False),
        ({"exploreMode": None}, True),
        ({"exploreMode": True}, False),
        ({"extended_from_task_id": BARE_ID}, True),
        ({"extended_from_task_id": None}, False),
    ],
)
def test_a_seed_of_the_callers_counts_only_with_source_prompt_seconds_and_mode(
    options: dict[str, Any], *, ours: bool
) -> None:
    assert is_ours(shown(GIVEN, options=options), GIVEN, {}) is ours


@pytest.mark.parametrize(
    ("posted", "after", "ours"),
    [
        (EPOCH, 0.0, True),
        (EPOCH, -2.0, True),
        (EPOCH, -3.0, False),
        (EPOCH, 9e6, True),
        (None, -60.0, True),
        (None, -61.0, False),
        # The machine's clock is an hour fast; upstream's own is what a task is dated by.
        (EPOCH - 3600.0, -3600.0, True),
        (EPOCH - 3600.0, -3603.0, False),
    ],
)
def test_a_seed_of_the_callers_counts_only_in_a_task_that_upstream_dates_after_the_post(
    posted: float | None, after: float, *, ours: bool
) -> None:
    made = replace(GIVEN, posted=posted)

    assert is_ours(shown(made, createdAt=dated(after)), made, {}) is ours


def test_a_seed_of_the_callers_does_not_count_in_a_task_without_a_date() -> None:
    assert not is_ours(shown(GIVEN, createdAt=None), GIVEN, {})


@pytest.mark.parametrize(
    ("running", "ours"), [({}, False), ({ANOTHER: None}, False), ({THE_TASK: None}, True), ({THE_TASK: "mine"}, True)]
)
@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "DREAMING"])
def test_an_unfinished_task_with_a_seed_of_the_callers_is_ours_only_if_the_scheduler_lists_it(
    status: str, running: dict[str, str | None], *, ours: bool
) -> None:
    assert is_ours(shown(GIVEN, status=status), GIVEN, running) is ours


def test_a_reference_of_the_callers_is_no_proof_by_itself() -> None:
    other_film = shown(GIVEN, options={"text_prompt": "sea"}, replyRef="mine", status="RUNNING")

    assert not is_ours(other_film, GIVEN, {THE_TASK: "mine"})


FRAME = "5f0c7e0a.png"
CONTINUED = replace(
    MADE, task_type="gen4.5", steps=(Step(UPLOAD, EPOCH, {"asset_id": clip(9).asset_id, "file": FRAME}),)
)
"""A film from a start frame that was uploaded."""


def continued(*, options: dict[str, Any] | None = None, **fields: Any) -> Task:
    """The finished task of it, shown without its seed, but for the given fields and options."""
    told = {"seed": None, "extended_from_task_id": None, "init_image": f"https://x.example/{FRAME}?_jwt=a.b.c"}
    return shown(CONTINUED, options=told | (options or {}), **fields)


@pytest.mark.parametrize(
    ("options", "fields", "ours"),
    [
        ({}, {}, True),
        ({"init_image": f"https://elsewhere.example/{FRAME}"}, {}, True),
        ({"init_image": "https://x.example/another.png"}, {}, False),
        ({"init_image": None}, {}, False),
        ({"text_prompt": "sea"}, {}, False),
        ({"seconds": 10}, {}, False),
        ({"exploreMode": True}, {}, False),
        ({"extended_from_task_id": ANOTHER}, {}, False),
        ({"seed": 8}, {}, False),
        ({}, {"createdAt": dated(-3)}, False),
        ({}, {"createdAt": None}, False),
        ({}, {"status": "RUNNING"}, False),
        ({}, {"replyRef": "another"}, False),
    ],
)
def test_a_film_from_a_start_frame_whose_seed_is_hidden_is_known_by_frame_prompt_seconds_and_time(
    options: dict[str, Any], fields: dict[str, Any], *, ours: bool
) -> None:
    assert is_ours(continued(options=options, **fields), CONTINUED, {}) is ours


def test_while_it_runs_the_scheduler_has_to_list_it() -> None:
    running = continued(status="RUNNING")

    assert is_ours(running, CONTINUED, {THE_TASK: None})
    assert not is_ours(running, CONTINUED, {ANOTHER: None})


@pytest.mark.parametrize("image", ["https://x.example/another.png", None])
def test_a_seed_that_we_made_proves_a_film_from_a_start_frame_however_upstream_names_the_frame(
    image: str | None,
) -> None:
    assert is_ours(continued(options={"seed": CONTINUED.seed, "init_image": image}), CONTINUED, {})


def test_an_answer_that_tells_no_seed_contradicts_no_create_and_one_that_extends_does() -> None:
    assert not contradicts(continued(status="PENDING"), CONTINUED)
    assert contradicts(continued(status="PENDING", options={"extended_from_task_id": ANOTHER}), CONTINUED)
    assert contradicts(continued(status="PENDING", options={"seed": 8}), CONTINUED)


def answered(task_id: str = THE_TASK, **fields: Any) -> Task:
    """The answer to a POST, which tells nothing but the given fields."""
    options = {**BLANK, **fields.pop("options", {})}
    return task(5, **{"taskId": task_id, "status": "PENDING", **fields}, options=options)


@pytest.mark.parametrize("made", [GIVEN, MADE])
def test_what_an_answer_leaves_out_contradicts_nothing(made: Intent) -> None:
    assert not contradicts(answered(), made)


@pytest.mark.parametrize(
    ("fields", "contradicting"),
    [
        ({"options": {"seed": 7}}, False),
        ({"options": {"seed": 8}}, True),
        ({"options": {"extended_from_task_id": BARE_ID}}, False),
        ({"options": {"extended_from_task_id": BARE_ID.upper()}}, False),
        ({"options": {"extended_from_task_id": ANOTHER}}, True),
        ({"replyRef": "mine"}, False),
        ({"replyRef": "another"}, True),
        ({"replyRef": "mine", "options": {"seed": 8}}, True),
    ],
)
def test_an_answer_whose_seed_source_or_reference_is_another_contradicts(
    fields: dict[str, Any], *, contradicting: bool
) -> None:
    assert contradicts(answered(**fields), GIVEN) is contradicting


@pytest.mark.parametrize("options", [{"seed": 8}, {"extended_from_task_id": ANOTHER}])
def test_our_own_reference_in_an_answer_outweighs_the_rest(options: dict[str, Any]) -> None:
    assert contradicts(answered(options=options), MADE)
    assert not contradicts(answered(options=options, replyRef=MADE.reply_ref), MADE)


@pytest.mark.parametrize("parent", [long_id("task", 1), BARE_ID, BARE_ID.upper()])
@pytest.mark.parametrize("made", [GIVEN, MADE])
def test_an_answer_that_names_the_task_which_made_the_source_contradicts(made: Intent, parent: str) -> None:
    assert contradicts(answered(parent), made)


@pytest.mark.parametrize("task_id", ["x", "a\nb", clip().asset_id])
def test_an_answer_without_a_task_id_of_the_known_form_contradicts(task_id: str) -> None:
    assert contradicts(answered(task_id), MADE)


@pytest.mark.parametrize(
    ("fields", "contradicting"),
    [({}, True), ({"options": {"seed": 7}}, False), ({"replyRef": "mine"}, False)],
)
def test_an_answer_that_tells_of_an_end_at_once_has_to_say_whose(
    fields: dict[str, Any], *, contradicting: bool
) -> None:
    assert contradicts(answered(status="FAILED", **fields), GIVEN) is contradicting
