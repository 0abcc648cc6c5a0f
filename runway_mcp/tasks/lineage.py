"""Lineage of films: which can be extended, how often and how far, by the limits of Gen-3 Alpha and its Turbo."""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal

from runway_mcp.runway.errors import plain_or_quoted
from runway_mcp.runway.models import Asset, Task
from runway_mcp.tasks.catalogue import CREATE_MODELS, MODELS, FilmModel

# Seconds by which a film may exceed the limit, since each of a chain's clips is some frames too long (10.542 s for 10
# s).
LENGTH_TOLERANCE = 1.5


@dataclass(frozen=True)
class Lineage:
    """The place of a film in its chain of extensions.

    `added_seconds` is what its last extension added. `longest` is None if the film's length or model is unknown.
    """

    source_asset_id: str | None
    extended_count: int
    extensions_left: int
    added_seconds: int
    source_name: str | None = None
    longest: "Reach | None" = None


@dataclass(frozen=True)
class Reach:
    """The longest film that can be made of a clip, in seconds, and the estimated credits of the cheapest way to it."""

    seconds: float
    cost: int


def reach(model: FilmModel, length: float | None, left: int, *, explore: bool = False) -> Reach | None:
    """The longest film from one of that length (seconds) with `left` extensions; None without a length."""
    if length is None:
        return None
    longest = round(max(length, min(model.max_seconds, length + left * max(model.seconds))), 1)
    added = [sum(steps) for count in range(left + 1) for steps in combinations_with_replacement(model.seconds, count)]
    fitting = max(each for each in added if not each or length + each <= model.max_seconds + LENGTH_TOLERANCE)
    return Reach(longest, price(model, fitting, explore=explore))


@dataclass(frozen=True)
class Verdict:
    """Whether an asset can be extended, why not, and how often it was extended; `short` is the reason for a list."""

    extendable: Literal["yes", "no", "unknown"]
    reason: str | None = None
    extended_count: int | None = None
    model: FilmModel | None = None
    short: str | None = None


def judge(asset: Asset, maker: Task | None, *, read_failed: bool = False) -> Verdict:
    """Decides whether an asset can be extended, from its maker's type and `extended_count` (absent = 0).

    `maker` is the task that made it, None if the asset names no task or the task was not found; `read_failed` says that
    it could not be read, which alone makes the verdict `unknown`.
    """
    if asset.media_type is not None and asset.media_type != "video":
        return Verdict("no", f"it is {_article(asset.media_type)}, and only videos can be extended")
    if asset.is_user_upload or asset.task_id is None:
        why = "it was uploaded; Runway extends only clips that its Gen-3 Alpha models made"
        return Verdict("no", why, short="uploaded")
    if maker is not None:
        return _judge_maker(maker)
    if read_failed:
        return Verdict("unknown", "the task that made it could not be read")
    gone = "the task that made it is gone from the account"
    return Verdict("no", f"{gone}, and Runway extends from that task", short=gone)


def is_continuable(asset: Asset) -> bool:
    """Whether a current model can go on from an asset's last frame: it can from that of every video."""
    return asset.media_type in (None, "video")


def _judge_maker(maker: Task) -> Verdict:
    model = MODELS.get(maker.task_type or "")
    if model is None:
        made_by = _name_of(maker.task_type) if maker.task_type else "an unnamed model"
        why = f"it was made by {made_by}; only Gen-3 Alpha and Gen-3 Alpha Turbo clips can be extended"
        return Verdict("no", why, short=f"made by {made_by}")
    count = extended_count(maker)
    if count >= model.max_extensions:
        reason = f"it was extended {count} times, and {model.title} allows {model.max_extensions}"
        return Verdict("no", reason, count, model)
    return Verdict("yes", None, count, model)


def _name_of(task_type: str) -> str:
    """A type of upstream's as callers name that model, where they can."""
    known = (name for name, model in CREATE_MODELS.items() if task_type in model.task_types)
    return next(known, plain_or_quoted(task_type))


# No chain is longer; a higher count is an error of upstream.
_MOST_COUNTED = 100


def extended_count(task: Task) -> int:
    """How many extensions made the film of a task, the last one included."""
    counted = min(max(task.options.extended_count or 0, 0), _MOST_COUNTED)
    return max(counted, 1) if task.options.extended_from_task_id else counted


def lineage_of(
    task: Task, source_asset_id: str | None = None, source_name: str | None = None, length: float | None = None
) -> Lineage | None:
    """The lineage of a task's film of that length (seconds); None for models that cannot be extended.

    What its longest film costs is told for the mode that the task was made in.
    """
    model = MODELS.get(task.task_type or "")
    if model is None:
        return None
    count = extended_count(task)
    explore = bool(task.options.explore_mode)
    added, left = int(_seconds(task, model)) if count else 0, max(0, model.max_extensions - count)
    return Lineage(source_asset_id, count, left, added, source_name, reach(model, length, left, explore=explore))


def price(model: FilmModel, seconds: float, *, explore: bool) -> int:
    """The estimated credits for so many added seconds; 0 in explore mode."""
    return 0 if explore else round(model.credits_per_second * seconds)


def cost_of(task: Task) -> int | None:
    """The estimated credits of a task, from its options; None for models without a known rate."""
    model = MODELS.get(task.task_type or "")
    if model is None:
        return None
    return price(model, _seconds(task, model), explore=bool(task.options.explore_mode))


def _seconds(task: Task, model: FilmModel) -> float:
    """The seconds that a task adds: those of its options if plausible, else the longest choice of its model."""
    told = task.options.seconds
    return told if told is not None and 0 < told <= model.max_seconds else model.seconds[-1]


def _article(media_type: str) -> str:
    kind = plain_or_quoted(media_type)
    return f"an {kind}" if kind[:1] in "aeiou" else f"a {kind}"
