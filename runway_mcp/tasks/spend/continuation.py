"""Plan of a continuation before anything is spent: a clip or a film, the model that continues it, and the price."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.creation import Creation
from runway_mcp.runway.errors import RunwayError
from runway_mcp.runway.ids import account_of
from runway_mcp.runway.models import Asset, Extension, Metadata, Task
from runway_mcp.tasks.catalogue import CREATE_MODELS, MODELS, CreateModel
from runway_mcp.tasks.creating import aspect_ratio_for, price_to_create, priced_models
from runway_mcp.tasks.failures import Failure, failure_of
from runway_mcp.tasks.intents import AUTO, JOIN, Intent, RequestKey, Step
from runway_mcp.tasks.lineage import Lineage, extended_count
from runway_mcp.tasks.spend.plan import read_source, spellings_of
from runway_mcp.tasks.spend.priced import PricedRequest, keys_with_models


@dataclass(frozen=True, kw_only=True)
class Continuation(PricedRequest):
    """A clip or a film that can go on from its last frame; what its POST sends is known once the frame is uploaded.

    `film` is the intent of the film that goes on; None if the source is a clip. `aspect_ratio` is that of the model's
    canvas for the source's size, None while that is unknown. `is_auto` says that no call named the model, `refused` is
    the id of the intent of the same request to extend that Runway refused. `lineage` counts the extensions
    by Runway itself, in the clip with which the film begins; a joined film has none left.
    """

    model: CreateModel
    film: Intent | None = None
    aspect_ratio: str | None = None
    is_auto: bool = False
    refused: str | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """That no call named the model, where that is so."""
        return (Step(AUTO, 0.0, {"refused": self.refused}),) if self.is_auto else ()

    def rivals(self, caller: str) -> tuple[RequestKey, ...]:
        """Where no call named the model, those of an extension and of a continuation with every other model."""
        others = [each for each in (*MODELS.values(), *CREATE_MODELS.values()) if each.name != self.model.name]
        return keys_with_models(self.asked, self.source.asset_id, others, caller=caller) if self.is_auto else ()

    def price_of(self, seconds: int) -> int | None:
        """The estimated credits if it added so many seconds, at most if the rate is a bound; None if none is known."""
        return price_to_create(self.model, seconds, explore=bool(self.asked.explore_mode))


def continuation_key(
    asked: Extension, model: CreateModel, source_asset_id: str, _task_type: str = "", *, caller: str
) -> RequestKey:
    """The idempotency keys of a request to continue a source with a model, whatever else was made of it."""
    return keys_with_models(asked, source_asset_id, [model], caller=caller)[0]


async def make_continuation(
    client: RunwayClient,
    asked: Extension,
    model: CreateModel,
    *,
    film: Intent | None = None,
    spelling: str | None = None,
    patience: float | None = None,
) -> Continuation:
    """Plans at no cost how a source goes on with a model; `film` is the intent of the film that `asset_id` names.

    Without a film the request's `asset_id` is a clip's or a succeeded task's; `spelling` is the caller's name for it
    if that was neither. `patience` is in seconds, for each read. Raises `Failure`: `invalid_request` for what is no
    video or not finished, impossible seconds or a prompt that is too long, else the failure of a read.
    """
    _check(asked, model)
    if film is not None:
        return _plan(asked, model, film_source(film), None, film=film, spellings=(spelling,) if spelling else ())
    try:
        source, parent = await read_source(client, asked.asset_id, patience)
    except RunwayError as error:
        raise failure_of(error) from error
    if source.media_type not in (None, "video"):
        raise Failure("invalid_request", f"assetId: only videos can be continued; this is of type {source.media_type}.")
    spellings = spellings_of(source, parent, asked.asset_id, spelling)
    return _plan(asked, model, source, parent, film=None, spellings=spellings)


def remembered_continuation(intent: Intent, *, film: Intent | None = None) -> Continuation:
    """The plan of an intent, from the ledger alone; given again, it is the same request.

    `film` is the intent of the film that goes on, if the source is one. Raises `Failure` for a model that is no longer
    known.
    """
    model = CREATE_MODELS.get(intent.task_type)
    if model is None:
        raise Failure("invalid_request", f"The model {intent.task_type} continues nothing any more.")
    source = Asset(asset_id=intent.source_asset_id, name=intent.source_name) if film is None else film_source(film)
    options: dict[str, Any] = {key: each for key, each in intent.request.items() if key in Extension.model_fields}
    options["seed"] = None if intent.seed_generated else intent.seed
    options["reply_ref"] = None if intent.reply_ref_generated else intent.reply_ref
    asked = Extension.model_validate({**options, "asset_id": intent.source_asset_id})
    return _plan(asked, model, source, None, film=film, spellings=())


def film_source(film: Intent) -> Asset:
    """A joined film as the source of the next continuation; raises `Failure` while it is not joined."""
    joined = film.step(JOIN)
    if joined is None:
        message = "assetId: the film is not finished, so it cannot go on yet. Follow it with get_task."
        raise Failure("invalid_request", message, about="assetId", intent=film)
    made: Mapping[str, Any] = joined.made
    return Asset(
        asset_id=film.film_id,
        name=film.text_prompt or film.source_name,
        size_bytes=made.get("size_bytes"),
        metadata=Metadata(duration=made.get("seconds")),
    )


def _plan(
    asked: Extension,
    model: CreateModel,
    source: Asset,
    parent: Task | None,
    *,
    film: Intent | None,
    spellings: tuple[str, ...],
) -> Continuation:
    seconds = asked.seconds or model.seconds[0]
    cost = price_to_create(model, seconds, explore=bool(asked.explore_mode))
    if cost is None:
        raise Failure("invalid_request", f"model: the price of {model.title} is not known, so it cannot be used.")
    measures = source.metadata
    length = measures.duration if measures else None
    width, height = (measures.width, measures.height) if measures else (None, None)
    ratio = aspect_ratio_for(width, height, model) if width and height else None
    count = extended_count(parent) if parent is not None and parent.task_type in MODELS else 0
    count = (film.extended_count or 0) if film is not None else count
    return Continuation(
        asked=asked,
        source=source,
        parent=parent,
        model=model,
        seconds=seconds,
        cost=cost,
        lineage=Lineage(source.asset_id, count, 0, seconds, source.name),
        account=film.account if film else account_of(source.asset_id),
        length=None if length is None else length + seconds,
        spellings=spellings,
        film=film,
        aspect_ratio=ratio,
    )


def _check(asked: Extension, model: CreateModel) -> None:
    if asked.seconds is not None and asked.seconds not in model.seconds:
        allowed = ", ".join(map(str, model.seconds[:-1])) + f" or {model.seconds[-1]}"
        able = priced_models(asked.seconds)
        other = f"; to add {asked.seconds} s, take another `model`: {', '.join(able)}" if able else ""
        message = f"seconds: {model.title} continues by {allowed} s{other}."
        fit = next((name for name, each in CREATE_MODELS.items() if asked.seconds in each.seconds), None)
        other_model = (fit, asked.seconds) if able and fit is not None else None
        raise Failure("invalid_request", message, about="seconds", steps=model.seconds, other=other_model)
    if asked.text_prompt is not None and len(asked.text_prompt) > model.prompt_limit:
        message = (
            f"text_prompt: {model.title} takes {model.prompt_limit} characters at most; this has "
            f"{len(asked.text_prompt)}."
        )
        raise Failure("invalid_request", message, about="text_prompt")
    missing = [
        *asked.beyond(Creation),
        *(["exploreMode"] if asked.explore_mode and not model.takes_explore_mode else []),
    ]
    if missing:
        raise Failure("invalid_request", f"{missing[0]}: {model.title} has none.", about=missing[0])
