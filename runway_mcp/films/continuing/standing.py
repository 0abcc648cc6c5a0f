"""Standing: how far a film is, from its intent with its steps and its task. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

from runway_mcp.films.continuing.steps import FilmPart, FrameMade, JoinMade, UploadMade, parts_of
from runway_mcp.runway.models import Task
from runway_mcp.tasks.intents import Intent, State

StepName = Literal["frame", "upload", "create", "join", "done"]
"""The step that a film stands in."""

# How much of the whole each step is: the create takes minutes, the others seconds.
_BEGUN: Final[dict[StepName, float]] = {"frame": 0.0, "upload": 0.05, "create": 0.1, "join": 0.95, "done": 1.0}


@dataclass(frozen=True)
class FilmStanding:
    """How far a film is.

    `status` is PENDING until the create is answered, then its task's, RUNNING while it is joined, and SUCCEEDED only
    once it is joined; FAILED or CANCELLED where no film will come of it. `progress` is 0 to 1 over all steps. `joined`
    tells where the film lies and how it was made. `parts` are the original parts on disk; the new one is the last once
    the film is joined.
    """

    film_id: str
    step: StepName
    status: str
    progress: float
    task_id: str | None
    parts: tuple[FilmPart, ...]
    joined: JoinMade | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes of itself."""
        return self.status in {"SUCCEEDED", "FAILED", "CANCELLED"}


def standing_of(intent: Intent, task: Task | None) -> FilmStanding:
    """How far the film of an intent is; `task` is its create's task as last read, None if there is none yet."""
    joined = JoinMade.of(intent)
    step = _step(intent, task, joined)
    return FilmStanding(
        intent.film_id,
        step,
        _status(intent, task, step),
        _progress(task, step),
        intent.task_id,
        parts_of(intent),
        joined,
    )


def _step(intent: Intent, task: Task | None, joined: JoinMade | None) -> StepName:
    if joined is not None:
        return "done"
    status = task.status if task is not None else intent.status
    if intent.task_id is not None:
        return "join" if status == "SUCCEEDED" else "create"
    if intent.posts > 0 or UploadMade.of(intent) is not None:
        return "create"
    return "frame" if FrameMade.of(intent) is None else "upload"


def _status(intent: Intent, task: Task | None, step: StepName) -> str:
    if step == "done":
        return "SUCCEEDED"
    if step == "join":
        return "RUNNING"
    if intent.state is State.REFUSED:
        return "FAILED"
    return (task.status if task is not None else intent.status) or "PENDING"


def _progress(task: Task | None, step: StepName) -> float:
    begun = _BEGUN[step]
    if step != "create" or task is None or task.progress is None:
        return begun
    return round(begun + (_BEGUN["join"] - begun) * task.progress, 3)
