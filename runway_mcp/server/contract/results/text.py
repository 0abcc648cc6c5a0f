"""The text block of results, for hosts that show nothing else: the facts of the structured content, in fewer words."""

import json
import re
from collections.abc import Iterable, Iterator

from runway_mcp.runway import errors
from runway_mcp.runway.errors import plain_or_quoted
from runway_mcp.runway.models import Task
from runway_mcp.server.contract.next_steps import waits_for_film
from runway_mcp.server.contract.outputs import (
    AssetOutput,
    AssetsOutput,
    ErrorOutput,
    FilmOutput,
    ListedFilm,
    NextStep,
    SavedOutput,
    SaveOutput,
    TaskOutput,
    Video,
)
from runway_mcp.tasks.creating import is_upper_bound
from runway_mcp.tasks.searching import GAP

LONGEST_NAME = 80
"""The most characters of a name, wherever it stands; tools take a name that was cut."""

LISTED_PROMPT = 90
"""The most characters of a prompt in a list's text."""

_LONGEST_QUOTE = 60
# The most characters of an asset in a listing's text, and for how many of them there is always room.
_LONGEST_LISTED, _FEWEST_LISTED = 400, 10
# Those of an asset's name, of its source's and of its prompt, in listings that are longer and longer.
_ROOMS = ((LONGEST_NAME, LONGEST_NAME, LISTED_PROMPT), (LONGEST_NAME, 24, LISTED_PROMPT), (40, 24, 60), (24, 0, 60))
# Not before "It said", which introduces Runway's own words.
_SENTENCE_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?]\")) (?=[A-Z])(?!It said)")
_SAME_END = "As things stand, the same call would end the same way."
_NOT_YET = "Until that task has ended, the same call would end the same way."


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
            words = f"in Runway's state {in_quotes(other)}"
    if task.status == "RUNNING" or task.progress:
        words += f", Runway reports {percent(task.progress)}" if task.progress is not None else ""
    elif task.estimated_seconds_to_start:
        words += f", Runway estimates a start in {task.estimated_seconds_to_start:.0f} s"
    return f"{words} ({in_quotes(task.progress_text)})" if task.progress_text else words


def in_quotes(text: str, longest: int = _LONGEST_QUOTE) -> str:
    """Text from outside as one line in quotation marks, cut to `longest` characters."""
    return errors.quoted(text if len(text) <= longest else text[: longest - 1] + "…")


def first_sentence(message: str) -> str:
    """The first sentence of a message; the error holds the whole."""
    ends = (end.start() for end in _SENTENCE_END.finditer(message))
    return message[: next((end for end in ends if message.count('"', 0, end) % 2 == 0), len(message))]


def as_json(value: object) -> str:
    """JSON that is one line for every reader: what breaks, hides or turns text is escaped, the rest stays as it is."""
    return "".join(char if _is_plain(char) else _escaped(char) for char in json.dumps(value, ensure_ascii=False))


def one_line(text: str) -> str:
    """Text from outside as one short line without quotation marks, where its origin is clear."""
    return in_quotes(text)[1:-1]


def percent(ratio: float) -> str:
    """A ratio from 0 to 1 as a whole percentage."""
    return f"{ratio * 100:.0f} %"


def seconds(value: float) -> str:
    """A length in seconds, with one decimal where it is needed."""
    return f"{value:.1f}".removesuffix(".0") + " s"


def by_steps(length: float | None, longest: float, left: int) -> str:
    """What each extension on the way to the longest film adds: " (3 steps of 10 s)"; empty where they differ."""
    each = (longest - length) / left if length and left else 0.0
    if each <= 1 or not each.is_integer():
        return ""
    return f" ({left} steps of {seconds(each)})" if left > 1 else f" (one step of {seconds(each)})"


def task_text(output: TaskOutput) -> str:
    """The text block of a task, a dry run or a failure."""
    return "\n".join(_task_lines(output))


def save_text(output: SaveOutput) -> str:
    """The text block of a film that was to be kept."""
    return "\n".join(_save_lines(output))


def assets_text(output: AssetsOutput) -> str:
    """The text block of a listing: its assets, then the running tasks; names are cut as far as a long one needs it."""
    texts = ("\n".join(_assets_lines(output, room)) for room in _ROOMS)
    longest = _LONGEST_LISTED * max(_FEWEST_LISTED, len(output.assets or ()))
    return next((text for text in texts if len(text) <= longest), "\n".join(_assets_lines(output, _ROOMS[-1])))


def _is_plain(char: str) -> bool:
    return char == " " or char.isprintable()


def _escaped(char: str) -> str:
    """A character as JSON escapes it: the characters that need it stand in strings alone."""
    return json.dumps(char)[1:-1]


def _task_lines(output: TaskOutput) -> Iterator[str]:
    """The lines of a task; an id that the next call shows is not repeated, since ids are long."""
    step = list(next_lines(output.next_step))
    yield output.summary
    yield from _error_lines(output.error, output.summary, output.next_step)
    if output.task_id and output.task_id not in "".join(step):
        yield f"taskId: {output.task_id}"
    for video in (output.video, *(output.more_videos or ())):
        if video is not None:
            yield from _video_lines(video)
    yield from _film_lines(output.film)
    yield from _saved_lines(output.saved)
    yield from _origin_lines(output)
    if output.quote:
        yield f"Quote: {output.quote.id} (until {output.quote.expires_at})"
    yield from _money_lines(output)
    for candidate in output.candidates or ():
        made = plain_or_quoted(candidate.created_at) if candidate.created_at else "undated"
        yield f"Possibly ours: {candidate.task_id} ({plain_or_quoted(candidate.status)}, {made})"
    yield from step


def _save_lines(output: SaveOutput) -> Iterator[str]:
    yield output.summary
    yield from _error_lines(output.error, output.summary, output.next_step)
    yield from _saved_lines(output.saved)
    if output.video is not None:
        yield from _video_lines(output.video)
    yield from _film_lines(output.film)
    yield from next_lines(output.next_step)


def _film_lines(film: FilmOutput | None) -> Iterator[str]:
    """A film of several parts: its id, its step, and each part and seam in a line."""
    if film is None:
        return
    length = f", {seconds(film.seconds)}, {film.frames} frames, {film.joined}" if film.seconds else ""
    asset = f", assetId {film.asset_id}" if film.asset_id else ""
    yield f"Film of parts: {film.id}, step {film.step}{length}{asset}, {film.uri}"
    for part in film.parts:
        model = f", {plain_or_quoted(part.model)}" if part.model else ""
        asset = f", assetId {part.asset_id}" if part.asset_id else ""
        prompt = f", prompt {in_quotes(part.text_prompt, LISTED_PROMPT)}" if part.text_prompt else ""
        yield f"- part of {seconds(part.seconds)}{model}{prompt}{asset}"
    if film.seams:
        told = (f"{seconds(s.at_seconds)} ({s.difference:g}, {s.motion:g}, {s.colour:g})" for s in film.seams)
        yield f"Seams (difference, own motion, colour, of 255): {', '.join(told)}"


def _saved_lines(saved: SavedOutput | None) -> Iterator[str]:
    if saved is not None:
        yield f"Saved: {saved.path} ({saved.size_bytes} bytes)"


def _origin_lines(output: TaskOutput) -> Iterator[str]:
    """The whole prompt, since the next one continues it; the seed, the source and the extensions left."""
    step = output.next_step.arguments if output.next_step else {}
    if output.text_prompt and step.get("text_prompt") != output.text_prompt:
        yield f"text_prompt: {as_json(output.text_prompt)}"
    if output.seed and "seed" not in step:
        yield f"seed: {output.seed}"
    lineage = output.lineage
    if lineage is None:
        return
    if lineage.source_asset_id and lineage.source_asset_id not in step.values():
        name = f"{in_quotes(lineage.source_name, LONGEST_NAME)}, " if lineage.source_name else ""
        yield f"Extended from: {name}assetId {lineage.source_asset_id}"
    if output.status != "DRY_RUN" and lineage.extensions_left:
        way = ""
        if lineage.longest_seconds:
            price = f" for about {lineage.cost_to_longest} credits" if lineage.cost_to_longest else ""
            length = output.video.duration_seconds if output.video else None
            steps = by_steps(length, lineage.longest_seconds, lineage.extensions_left)
            way = f", up to {seconds(lineage.longest_seconds)}{price}{steps}"
        whose = "The film has" if output.status == "SUCCEEDED" else "The film will have"
        yield f"{whose} {lineage.extensions_left} extension{'s' * (lineage.extensions_left > 1)} left{way}."


def _money_lines(output: TaskOutput) -> Iterator[str]:
    """Cost, balance and cap of a day, as far as the summary does not hold them."""
    money = output.credits
    if money is None:
        return
    told: list[str] = []
    if output.status == "DRY_RUN" or output.twin:
        money = money.model_copy(update={"cost": None, "remaining": None})
    if money.cost is not None and not _summary_prices(output, money.cost):
        cost = "Cost" if output.error else "Cost of the task, once"
        told.append(f"{cost}: {_cost_in_words(money.cost, output.model)}.")
    if money.remaining is not None and output.error is None:
        told.append(f"Credits left: {money.remaining}.")
    if told:
        yield " ".join(told)
    if money.day_limit is not None:
        frees = f", more from {money.day_frees_at}" if money.day_frees_at else ""
        yield f"This server's limit: {money.day_left} of {money.day_limit} credits left in 24 hours{frees}."


def _summary_prices(output: TaskOutput, cost: int) -> bool:
    """Whether the summary is that of a film that was made, and holds its cost."""
    is_made = output.status == "SUCCEEDED" and output.error is None
    return is_made and (f"{cost} credits" if cost else "no credits") in output.summary


def _cost_in_words(cost: int, model: str | None) -> str:
    if not cost:
        return "no credits"
    return (
        f"at most {cost} credits (an upper bound)" if is_upper_bound(model) else f"about {cost} credits (an estimate)"
    )


def _video_lines(video: Video) -> Iterator[str]:
    facts = [in_quotes(video.name, LONGEST_NAME) if video.name else None, *_measures(video)]
    yield f"Film: {', '.join(fact for fact in (*facts, f'assetId {video.asset_id}') if fact)}"
    if video.url:
        until = f" (until {video.url_expires_at})" if video.url_expires_at else ""
        yield f"Link: {video.url}{until}"
    if video.preview_urls:
        yield f"Preview picture of Runway's: {video.preview_urls[-1]}"


def _measures(item: Video | AssetOutput) -> Iterator[str]:
    if item.duration_seconds is not None:
        read = ", as read" if isinstance(item, AssetOutput) and item.duration_as_read else ""
        yield f"{seconds(item.duration_seconds)}{read}"
    if item.width and item.height:
        yield f"{item.width}x{item.height}"


def _assets_lines(output: AssetsOutput, room: tuple[int, int, int]) -> Iterator[str]:
    yield output.summary
    yield from _error_lines(output.error, output.summary, output.next_step)
    for asset in output.assets or ():
        yield from _asset_lines(asset, *room)
    for film in output.films or ():
        yield from _listed_film_lines(film)
    for task in output.running or ():
        done = f", {percent(task.progress)}" if task.progress is not None else ""
        prompt = f", {in_quotes(task.text_prompt, LISTED_PROMPT)}" if task.text_prompt else ""
        source = f", extends {task.source_asset_id}" if task.source_asset_id else ""
        yield f"Running: taskId {task.task_id} ({plain_or_quoted(task.status)}{done}{prompt}{source})"
    yield from next_lines(output.next_step)


def _made(created_at: str) -> str:
    date = plain_or_quoted(created_at)
    return f"made {date[:16]}Z" if date.endswith("Z") else f"made {date}"


def _listed_film_lines(film: ListedFilm) -> Iterator[str]:
    facts = [
        seconds(film.seconds) if film.seconds is not None else None,
        f"{film.width}x{film.height}" if film.width and film.height else None,
        f"{film.parts} parts",
        _made(film.created_at) if film.created_at else None,
        "continuable with a `model`" if film.continuable else None,
    ]
    told = ", ".join(fact for fact in facts if fact)
    yield f"- film {in_quotes(film.name or 'unnamed', LONGEST_NAME)} ({told}): {film.id}"
    origin = [
        f"from {in_quotes(film.source_name, LONGEST_NAME)}" if film.source_name else None,
        f"last prompt {in_quotes(film.text_prompt, LISTED_PROMPT)}" if film.text_prompt else None,
    ]
    yield from _origin_of_row(origin, film.matched)


def _origin_of_row(origin: Iterable[str | None], matched: str | None) -> Iterator[str]:
    """What a row was made from, and what a search found it by where its own words do not show it."""
    by = {"ancestor": "what it was made from", "film": "the film that it is a part of"}.get(matched or "")
    told = ", ".join(part for part in origin if part)
    found = f"(matches by {by})" if by else ""
    if told or found:
        yield f"  {' '.join(part for part in (told, found) if part)}"


def _asset_lines(asset: AssetOutput, longest: int, of_source: int, of_prompt: int) -> Iterator[str]:
    made = _made(asset.created_at) if asset.created_at else None
    kind = plain_or_quoted(asset.media_type) if asset.media_type else None
    onward = "continuable" if asset.continuable and asset.extendable != "no" else None
    facts = [kind, *_measures(asset), made, onward, _extendability(asset)]
    name = in_quotes(asset.name, longest) if asset.name else "unnamed"
    # One that was cut around the words of a search is short already.
    of_prompt = LISTED_PROMPT if GAP in (asset.text_prompt or "") else of_prompt
    yield f"- {name} ({', '.join(fact for fact in facts if fact)}): assetId {asset.asset_id}"
    origin = [
        f"from {in_quotes(asset.source_name, of_source)}" if asset.source_name and of_source else None,
        f"prompt {in_quotes(asset.text_prompt, of_prompt)}" if asset.text_prompt else None,
        f"taskId {asset.task_id}" if asset.task_id else None,
        asset.uri,
    ]
    yield from _origin_of_row(origin, asset.matched)
    if asset.url:
        yield f"  link {asset.url}"
    if asset.preview_urls:
        yield f"  preview {asset.preview_urls[0]}"


def _extendability(asset: AssetOutput) -> str:
    if asset.extendable == "yes":
        left = asset.extensions_left or 0
        words = f"extendable {left} time{'' if left == 1 else 's'}"
        if asset.longest_seconds is None:
            return f"{words}; {asset.reason}" if asset.reason else words
        steps = by_steps(asset.duration_seconds, asset.longest_seconds, left)
        return f"{words}, to {seconds(asset.longest_seconds)} for about {asset.cost_to_longest} credits{steps}"
    words = "not extendable" if asset.extendable == "no" else "extendable: unknown"
    if asset.extendable == "no" and asset.continuable:
        words = "continuable with a `model` only"
    return f"{words}: {asset.reason}" if asset.reason else words


def _error_lines(error: ErrorOutput | None, summary: str, step: NextStep | None) -> Iterator[str]:
    """What an error means, and the part of its message that the summary does not hold; `step` is the next call."""
    if error is None:
        return
    if error.message not in summary:
        first = first_sentence(error.message)
        yield error.message.removeprefix(first).strip() if first in summary else error.message
    when = f"after {error.retry_after_seconds:.0f} s" if error.retry_after_seconds else error.retry
    repeat = f"You may repeat the same call {when}."
    if error.retry == "after_change":
        repeat = _SAME_END if error.retry_safe else "Do not make the same call again."
        if error.kind == "invalid_request" and step is not None and waits_for_film(step):
            repeat = _NOT_YET
    yield f"Error: {error.kind}. Charged: {error.charged}. {repeat}"


def next_lines(step: NextStep | None) -> Iterator[str]:
    """The next call with every argument in full, since models make it as printed."""
    if step is not None:
        yield f"Next: {step.tool} {as_json(step.arguments)}. {step.reason}"
