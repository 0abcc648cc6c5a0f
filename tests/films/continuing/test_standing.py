"""Where a film stands, from its intent with its steps and its task alone."""

from dataclasses import replace
from typing import Any

import pytest

from runway_mcp.films.continuing.standing import standing_of
from runway_mcp.films.continuing.steps import FilmPart, FrameMade, JoinMade, UploadMade, is_continuation, parts_of
from runway_mcp.media.join.seams import Seam
from runway_mcp.runway.models import Task
from runway_mcp.tasks.intents import Intent, State, Step
from tests.kit.clock import EPOCH
from tests.kit.samples import intent, long_id, task

CLIP = FilmPart("part-1.mp4", 5.042, "asset", "gen4", "a beach")
NEW = FilmPart("part-2.mp4", 5.0, "other", "gen4.5", "the camera rises")
FRAME = FrameMade((CLIP,), "frame.png", "5f", "77", 64, 36)
UPLOAD = UploadMade("picture", "picture.png")
JOIN = JoinMade("/films/a.mp4", 1000, 10.042, 241, "copied", (), (Seam(5.042, 1.5, 2.0, 0.5),), NEW, (1,))


def film(*made: FrameMade | UploadMade | JoinMade, **fields: Any) -> Intent:
    """The intent of a film with these steps ended."""
    names: dict[type, str] = {FrameMade: "frame", UploadMade: "upload", JoinMade: "join"}
    steps = tuple(Step(names[type(each)], EPOCH, each.made()) for each in made)
    return replace(intent(), id="0123456789abcdef" * 2, task_type="gen4.5", steps=steps, **fields)


def running(status: str = "RUNNING", **fields: Any) -> Task:
    """The task of the create."""
    return task(5, status=status, **fields)


ACCEPTED: dict[str, Any] = {"state": State.ACCEPTED, "task_id": long_id("task", 5), "posts": 1}


@pytest.mark.parametrize(
    ("made", "shown", "step", "status"),
    [
        (film(), None, "frame", "PENDING"),
        (film(FRAME), None, "upload", "PENDING"),
        (film(FRAME, UPLOAD), None, "create", "PENDING"),
        (film(FRAME, UPLOAD, state=State.POSTING, posts=1), None, "create", "PENDING"),
        (film(FRAME, UPLOAD, state=State.UNCLEAR, posts=1), None, "create", "PENDING"),
        (film(FRAME, state=State.REFUSED), None, "upload", "FAILED"),
        (film(FRAME, UPLOAD, state=State.REFUSED, posts=1), None, "create", "FAILED"),
        (film(FRAME, UPLOAD, **ACCEPTED), running("THROTTLED"), "create", "THROTTLED"),
        (film(FRAME, UPLOAD, **ACCEPTED), running(), "create", "RUNNING"),
        (film(FRAME, UPLOAD, status="RUNNING", **ACCEPTED), None, "create", "RUNNING"),
        (film(FRAME, UPLOAD, **ACCEPTED), running("FAILED"), "create", "FAILED"),
        (film(FRAME, UPLOAD, **ACCEPTED), running("CANCELLED"), "create", "CANCELLED"),
        (film(FRAME, UPLOAD, **ACCEPTED), running("SUCCEEDED"), "join", "RUNNING"),
        (film(FRAME, UPLOAD, status="SUCCEEDED", **ACCEPTED), None, "join", "RUNNING"),
        (film(FRAME, UPLOAD, JOIN, status="SUCCEEDED", **ACCEPTED), None, "done", "SUCCEEDED"),
    ],
)
def test_a_film_stands_where_its_last_ended_step_left_it(
    made: Intent, shown: Task | None, step: str, status: str
) -> None:
    told = standing_of(made, shown)

    assert (told.film_id, told.step, told.status) == ("film_0123456789abcdef", step, status)
    assert told.has_ended is (status in {"SUCCEEDED", "FAILED", "CANCELLED"})


def test_progress_rises_from_step_to_step_and_with_the_task() -> None:
    accepted = film(FRAME, UPLOAD, **ACCEPTED)
    told = [
        standing_of(film(), None),
        standing_of(film(FRAME), None),
        standing_of(film(FRAME, UPLOAD), None),
        *(standing_of(accepted, running(progressRatio=ratio)) for ratio in ("0.25", "0.75", "1")),
        standing_of(film(FRAME, UPLOAD, JOIN, **ACCEPTED), running("SUCCEEDED")),
    ]

    assert [each.progress for each in told] == sorted({each.progress for each in told})
    assert (told[0].progress, told[-1].progress) == (0.0, 1.0)


def test_what_the_steps_made_is_read_back_from_the_ledger_as_it_was() -> None:
    made = film(FRAME, UPLOAD, JOIN)

    assert (FrameMade.of(made), UploadMade.of(made), JoinMade.of(made)) == (FRAME, UPLOAD, JOIN)
    assert parts_of(made) == (CLIP, NEW)
    assert parts_of(film(FRAME)) == (CLIP,)


def test_only_a_model_that_creates_makes_a_film_of_parts() -> None:
    assert is_continuation(film())
    assert not is_continuation(intent())
