"""Plan of an extension before anything is spent: the clip, its model, the price and the resulting lineage."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import NotFound, RunwayError, plain_or_quoted
from runway_mcp.runway.ids import account_of, checked_id, kind_of
from runway_mcp.runway.models import Asset, Extension, Submission, Task
from runway_mcp.tasks.catalogue import CREATE_MODELS, MODELS, FilmModel
from runway_mcp.tasks.creating import priced_models
from runway_mcp.tasks.failures import Failure, failure_of, task_failure
from runway_mcp.tasks.intents import GENERATED_REFERENCE, Intent, RequestKey, normalized, request_key
from runway_mcp.tasks.lineage import LENGTH_TOLERANCE, Lineage, judge, price, reach
from runway_mcp.tasks.spend.priced import PricedRequest, keys_with_models


@dataclass(frozen=True, kw_only=True)
class Plan(PricedRequest):
    """An extension that can be submitted; `submission` is the request as its model's endpoint takes it.

    Its seed, replyRef and replyUrl are the intent's to give.
    """

    model: FilmModel
    submission: Submission

    def price_of(self, seconds: int) -> int | None:
        """The estimated credits if it added so many seconds."""
        return price(self.model, seconds, explore=bool(self.asked.explore_mode))

    def rivals(self, caller: str) -> tuple[RequestKey, ...]:
        """Those of a continuation with any model."""
        return keys_with_models(self.asked, self.source.asset_id, CREATE_MODELS.values(), caller=caller)


def request_of(arguments: Mapping[str, Any]) -> Extension:
    """The request that arguments make, by field; the others, and what is empty or off, are left out.

    The prompt is normalized; a replyRef that this server generated counts as not given.
    """
    told = {**arguments, "text_prompt": normalized(arguments.get("text_prompt"))}
    given = {name: value for name, value in told.items() if name in Extension.model_fields and value}
    if str(given.get("reply_ref", "")).startswith(GENERATED_REFERENCE):
        del given["reply_ref"]
    return Extension.model_validate(given)


def asked_for(intent: Intent) -> Extension:
    """The request that an intent came from, as far as the ledger has it; given again, it is the same request."""
    model = MODELS.get(intent.task_type) or CREATE_MODELS.get(intent.task_type)
    options = {name: value for name, value in intent.request.items() if name in Extension.model_fields}
    if model is None or not model.chooses_seconds:
        options.pop("seconds", None)
    options["asset_id"] = intent.source_asset_id
    if not intent.seed_generated:
        options["seed"] = intent.seed
    if not intent.reply_ref_generated:
        options["reply_ref"] = intent.reply_ref
    return Extension.model_validate(options)


def key_of(asked: Extension, source_asset_id: str, model: str, *, caller: str) -> RequestKey:
    """The idempotency keys of a request for a clip of that model (a task type).

    Of a model that extends nothing they are the keys of no request, since no extension is the same as a continuation.
    """
    known = MODELS.get(model)
    seconds = asked.seconds or (known.seconds[0] if known else 0)
    return request_key(
        caller=caller,
        source_asset_id=source_asset_id,
        model=model if known else "",
        request=asked.asked() | {"seconds": seconds},
        seed=asked.seed,
    )


async def make_plan(
    client: RunwayClient, asked: Extension, *, spelling: str | None = None, patience: float | None = None
) -> Plan:
    """Reads the clip and the task that made it, and refuses what Runway would refuse, at no cost.

    The request's `asset_id` may be a succeeded task's id; `spelling` is the caller's name for the clip if that was
    neither. `patience` is in seconds, for each read. Raises `Failure`: `invalid_request` for a clip that cannot be
    extended or for impossible seconds, else the failure of a read.
    """
    try:
        source, parent = await read_source(client, asked.asset_id, patience)
    except RunwayError as error:
        raise failure_of(error) from error
    verdict = judge(source, parent)
    if verdict.extendable != "yes" or verdict.model is None or parent is None:
        # Only a film at the end of its chain has earlier films that may be extended instead.
        instead = None if verdict.model is None else await _nearest_existing(client, parent, patience)
        alone = "; no film before it was found on Runway" if instead == "" else ""
        steps = verdict.model.seconds if verdict.model else ()
        message = f"This clip cannot be extended: {verdict.reason}{alone}."
        # A making task that was not found may be there all the same: no other model is offered for its clip unasked.
        why = None if parent is None and source.task_id is not None else verdict.reason
        raise Failure("invalid_request", message, instead=instead, steps=steps, unextendable=why)
    model, count = verdict.model, (verdict.extended_count or 0) + 1
    seconds, explore = _seconds(asked, model), bool(asked.explore_mode)
    length = source.metadata.duration if source.metadata else None
    _check_length(model, length, seconds)
    grown, left = None if length is None else length + seconds, model.max_extensions - count
    longest = reach(model, grown, left, explore=explore)
    return Plan(
        asked=asked,
        source=source,
        parent=parent,
        model=model,
        seconds=seconds,
        cost=price(model, seconds, explore=explore),
        submission=extension_of(asked, source.asset_id, model, seconds),
        lineage=Lineage(source.asset_id, count, left, seconds, source.name, longest),
        account=account_of(source.asset_id),
        length=grown,
        spellings=spellings_of(source, parent, asked.asset_id, spelling),
    )


def extension_of(asked: Extension, asset_id: str, model: FilmModel, seconds: int) -> Submission:
    """The request as the model's endpoint takes it; its seed, replyRef and replyUrl are the intent's to give.

    Raises `InvalidRequest` for a malformed id, which upstream may have reported.
    """
    resolved = {
        "endpoint": model.endpoint,
        "asset_id": checked_id(asset_id, "assetId"),
        "seconds": seconds if model.chooses_seconds else None,
        "seed": None,
        "reply_url": None,
        "reply_ref": None,
    }
    return asked.model_copy(update=resolved)


def spellings_of(source: Asset, parent: Task | None, reference: str, spelling: str | None) -> tuple[str, ...]:
    """Further names of a clip: the caller's, and the task that made it unless the clip is another film of that task."""
    told = (spelling,) if spelling else ()
    if parent is None:
        return told
    first = parent.artifacts[0].asset_id if parent.artifacts else None
    is_first = first == source.asset_id or kind_of(reference) == "task"
    return (*((parent.task_id,) if is_first else ()), *told)


async def read_source(client: RunwayClient, reference: str, patience: float | None) -> tuple[Asset, Task | None]:
    """The clip that a reference names (an asset's id or a succeeded task's), and the task that made it, if any.

    Raises `RunwayError`, and `Failure` for a task without a film.
    """
    if kind_of(reference) == "task":
        task = await client.task(reference, patience=patience)
        return _film_of(task), task
    asset = await client.asset(reference, patience=patience)
    if asset.task_id is None:
        return asset, None
    try:
        return asset, await client.task(asset.task_id, patience=patience)
    except NotFound:
        return asset, None


async def source_of(client: RunwayClient, task: Task | None, *, patience: float | None) -> Asset | None:
    """The film that a task's film was extended from, as its own task reports it; None if it cannot be read."""
    before = task.options.extended_from_task_id if task else None
    try:
        films = (await client.task(before, patience=patience)).artifacts if before else ()
    except RunwayError:
        return None
    if not films:
        return None
    return films[0] if films[0].task_id else films[0].model_copy(update={"task_id": before})


async def _nearest_existing(client: RunwayClient, task: Task | None, patience: float | None) -> str:
    """The nearest earlier film in the chain that still exists; empty if there is none or it cannot be read."""
    for _ in range(max(model.max_extensions for model in MODELS.values())):
        film = await source_of(client, task, patience=patience)
        if film is None:
            break
        try:
            return (await client.asset(film.asset_id, patience=patience)).asset_id
        except NotFound:
            pass
        except RunwayError:
            break
        try:
            task = await client.task(film.task_id or "", patience=patience)
        except RunwayError:
            break
    return ""


def _film_of(task: Task) -> Asset:
    if not task.is_terminal:
        state = plain_or_quoted(task.status)
        message = f"The task is {state}; its film can be extended once it is finished. Follow it with get_task."
        raise Failure("invalid_request", message, task=task)
    if task_failure(task) is not None:
        message = f"The task ended as {task.status} without a film, so there is nothing to extend."
        raise Failure("invalid_request", message)
    film = task.artifacts[0]
    return film if film.task_id else film.model_copy(update={"task_id": task.task_id})


def _seconds(asked: Extension, model: FilmModel) -> int:
    if asked.seconds is None:
        return model.seconds[0]
    if len(model.seconds) == 1 and asked.seconds not in model.seconds:
        step = model.seconds[0]
        message = f"seconds: a {model.title} clip gains {step} s a step{_for(model, step, asked)}, {2 * step} in two"
        raise Failure("invalid_request", f"{message}{_by_models(asked.seconds)}.", about="seconds", steps=model.seconds)
    if asked.seconds not in model.seconds:
        allowed = " or ".join(f"{each} s{_for(model, each, asked)}" for each in model.seconds)
        message = f"seconds: a {model.title} clip can gain {allowed}{_by_models(asked.seconds)}."
        raise Failure("invalid_request", message, about="seconds", steps=model.seconds)
    return asked.seconds


def _for(model: FilmModel, seconds: int, asked: Extension) -> str:
    cost = price(model, seconds, explore=bool(asked.explore_mode))
    return f" for about {cost} credits" if cost else ""


def _by_models(seconds: int) -> str:
    """The models that add what an extension does not, with their prices, for the end of a sentence."""
    able = priced_models(seconds)
    return f"; to add {seconds} s, continue it with a `model`: {', '.join(able)}" if able else ""


def _check_length(model: FilmModel, length: float | None, seconds: int) -> None:
    if length is None or length + seconds <= model.max_seconds + LENGTH_TOLERANCE:
        return
    fitting = [choice for choice in model.seconds if length + choice <= model.max_seconds + LENGTH_TOLERANCE]
    way_on = f"ask for {max(fitting)} s" if fitting else "no extension fits any more"
    message = (
        f"seconds: the clip is {length:.1f} s long and {model.title} films end at {model.max_seconds} s, "
        f"so {seconds} s more do not fit; {way_on}."
    )
    if fitting:
        raise Failure("invalid_request", message, about="seconds", steps=(max(fitting),))
    complete = f"it is {length:.1f} s long, and {model.title} films end at {model.max_seconds} s"
    raise Failure("invalid_request", message, unextendable=complete)
