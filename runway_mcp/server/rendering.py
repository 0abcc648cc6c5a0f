"""Structured results as short text, for hosts and people that see nothing else: the same facts, fewer words."""

import json
from collections.abc import Iterator

from runway_mcp.runway import errors
from runway_mcp.runway.models import Task
from runway_mcp.server.outputs import AssetOutput, AssetsOutput, ErrorOutput, NextStep, TaskOutput, Video

_LONGEST_QUOTE = 60
_LONGEST_ARGUMENT = 600
_AS_BEFORE = "(as before)"
_SAME_END = "As things stand, the same call would end the same way."
_TIMES = {0: "not extended yet", 1: "extended once", 2: "extended twice"}


def standing(task: Task) -> str:
    """Where an unfinished task stands, in Runway's own numbers: "queued, Runway estimates a start in 40 s"."""
    match task.status:
        case "PENDING":
            words = "queued"
        case "THROTTLED":
            words = "waiting for a slot at Runway"
        case "RUNNING":
            words = "running"
        case other:
            words = f"in Runway's state {quoted(other)}"
    if task.status == "RUNNING" or task.progress:
        words += f", Runway reports {percent(task.progress)}" if task.progress is not None else ""
    elif task.estimated_seconds_to_start:
        words += f", Runway estimates a start in {task.estimated_seconds_to_start:.0f} s"
    return f"{words} ({quoted(task.progress_text)})" if task.progress_text else words


def quoted(text: str) -> str:
    """A stranger's words: one short line in quotation marks."""
    return errors.quoted(text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…")


def one_line(text: str) -> str:
    """A stranger's words where nothing else could be meant: one short line without quotation marks."""
    return quoted(text)[1:-1]


def percent(ratio: float) -> str:
    """A ratio of 0..1 as a whole percentage."""
    return f"{ratio * 100:.0f} %"


def seconds(value: float) -> str:
    """A length of film without needless decimals."""
    return f"{value:.1f}".removesuffix(".0") + " s"


def task_text(output: TaskOutput) -> str:
    """The text block of a task, a dry run or a failure."""
    return "\n".join(_task_lines(output))


def assets_text(output: AssetsOutput) -> str:
    """The text block of a listing: one line for each asset."""
    return "\n".join(_assets_lines(output))


def _task_lines(output: TaskOutput) -> Iterator[str]:
    """An id that the line about the next call shows is not shown twice: ids are long."""
    step = list(_next_lines(output.next_step))
    yield output.summary
    if output.task_id and output.task_id not in "".join(step):
        yield f"taskId: {output.task_id}"
    for video in (output.video, *(output.more_videos or ())):
        if video is not None:
            yield from _video_lines(video)
            if video.asset_id not in "".join(step):
                yield f"assetId: {video.asset_id}"
    if output.quote and output.quote.id not in "".join(step):
        yield f"Quote: {output.quote.id} (until {output.quote.expires_at})"
    yield from _money_lines(output)
    for candidate in output.candidates or ():
        yield f"Possibly ours: {candidate.task_id} ({candidate.status}, {candidate.created_at or 'undated'})"
    yield from _error_lines(output.error)
    yield from step


def _money_lines(output: TaskOutput) -> Iterator[str]:
    """Price and balance, as far as the summary does not tell them."""
    money = output.credits
    if money is None or output.status == "DRY_RUN":
        return
    told: list[str] = []
    if money.cost is not None and not _summary_prices(output):
        told.append(f"about {money.cost} (an estimate)" if money.cost else "none to pay")
    if money.remaining is not None and output.error is None:
        told.append(f"{money.remaining} left")
    if told:
        yield f"Credits: {', '.join(told)}."


def _summary_prices(output: TaskOutput) -> bool:
    """Whether the summary is that of a longer film, which tells what it cost."""
    return output.video is not None and output.lineage is not None and bool(output.lineage.extended_count)


def _video_lines(video: Video) -> Iterator[str]:
    facts = [quoted(video.name) if video.name else None, *_measures(video)]
    yield f"Film: {', '.join(fact for fact in facts if fact)}"
    if video.url:
        until = f" (until {video.url_expires_at})" if video.url_expires_at else ""
        yield f"Link: {video.url}{until}"


def _measures(item: Video | AssetOutput) -> Iterator[str]:
    if item.duration_seconds is not None:
        yield seconds(item.duration_seconds)
    if item.width and item.height:
        yield f"{item.width}x{item.height}"


def _assets_lines(output: AssetsOutput) -> Iterator[str]:
    yield output.summary
    for asset in output.assets or ():
        made = f"made {one_line(asset.created_at)}" if asset.created_at else None
        facts = [asset.media_type, *_measures(asset), made, _extendability(asset)]
        name = quoted(asset.name) if asset.name else "unnamed"
        yield f"- {name} ({', '.join(fact for fact in facts if fact)}): assetId {asset.asset_id}{_way_to(asset)}"
    for task in output.running or ():
        done = f", {percent(task.progress)}" if task.progress is not None else ""
        yield f"Running: taskId {task.task_id} ({task.status}{done})"
    yield from _error_lines(output.error)
    yield from _next_lines(output.next_step)


def _way_to(asset: AssetOutput) -> str:
    """Where its link is: with the task that made it, for links are long; else here."""
    if asset.task_id:
        return f", taskId {asset.task_id}"
    return f", link {asset.url}" if asset.url else ""


def _extendability(asset: AssetOutput) -> str:
    if asset.extendable == "yes":
        return f"extendable, {_TIMES.get(asset.extended_count or 0, f'extended {asset.extended_count} times')}"
    words = "not extendable" if asset.extendable == "no" else "extendable: unknown"
    return f"{words}: {asset.reason}" if asset.reason else words


def _error_lines(error: ErrorOutput | None) -> Iterator[str]:
    if error is not None:
        when = f"after {error.retry_after_seconds:.0f} s" if error.retry_after_seconds else error.retry
        repeat = f"You may repeat the same call {when}."
        if error.retry == "after_change":
            repeat = _SAME_END if error.retry_safe else "Do not make the same call again."
        yield f"Error: {error.kind}. Charged: {error.charged}. {repeat}"


def _next_lines(step: NextStep | None) -> Iterator[str]:
    if step is not None:
        told = {
            name: _AS_BEFORE if len(str(value)) > _LONGEST_ARGUMENT else value for name, value in step.arguments.items()
        }
        yield f"Next: {step.tool} {json.dumps(told, ensure_ascii=False)}. {step.reason}"
