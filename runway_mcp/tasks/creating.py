"""Films from a start frame, by the data of a model: the size that fits, the request, and its price."""

import math

from runway_mcp.runway.creation import Creation
from runway_mcp.runway.ids import checked_id
from runway_mcp.runway.models import Submission
from runway_mcp.tasks.catalogue import CREATE_MODELS, Canvas, CreateModel


def canvas_for(width: int, height: int, model: CreateModel) -> Canvas:
    """The canvas of the model whose shape is nearest to a picture of so many pixels.

    Of equally near ones the earlier in the model's list. Raises `ValueError` for a picture without pixels.
    """
    shape = math.log(width / height) if width > 0 and height > 0 else math.nan
    if math.isnan(shape):
        raise ValueError(f"A picture has no {width} x {height} pixels.")
    return min(model.canvases, key=lambda canvas: abs(shape - math.log(canvas.width / canvas.height)))


def aspect_ratio_for(width: int, height: int, model: CreateModel) -> str:
    """The aspect ratio to ask for, so that a picture of so many pixels loses least; raises as `canvas_for`."""
    return canvas_for(width, height, model).aspect_ratio


def price_to_create(model: CreateModel, seconds: int, *, explore: bool = False) -> int | None:
    """The estimated credits of a film of so many seconds, at most if the rate is a bound; None if no rate is known."""
    if explore and model.takes_explore_mode:
        return 0
    return None if model.credits_per_second is None else model.credits_per_second * seconds


def priced_models(seconds: int, *, below: int | None = None) -> list[str]:
    """The models that add so many seconds, each with its price in words; those alone that cost less than `below`."""
    told: list[str] = []
    for name, model in CREATE_MODELS.items():
        price = price_to_create(model, seconds) if seconds in model.seconds else None
        if price is not None and (below is None or price < below):
            told.append(f"{name} for {'at most' if model.is_upper_bound else 'about'} {price} credits")
    return told


def cheapest_model(seconds: int, *, below: int | None = None) -> str | None:
    """The model that adds at least so many seconds for the fewest credits, with its price in words.

    None if no model adds them for less than `below`, or none has a rate.
    """
    able = [
        (price, added, model.is_upper_bound, name)
        for name, model in CREATE_MODELS.items()
        for added in model.seconds
        if added >= seconds and (price := price_to_create(model, added)) is not None
    ]
    if not able or (below is not None and min(able)[0] >= below):
        return None
    price, added, is_upper_bound, name = min(able)
    more = f" (adds {added} s)" if added != seconds else ""
    return f"{name}{more} for {'at most' if is_upper_bound else 'about'} {price} credits"


def is_upper_bound(model: str | None) -> bool:
    """Whether the price of a model, by its name, is the most that is told anywhere; else it is an estimate."""
    known = CREATE_MODELS.get(model or "")
    return known is not None and known.is_upper_bound


# What the intent gives, whatever was asked for.
_OF_THE_INTENT = frozenset({"seed", "reply_url", "reply_ref"})


def creation_of(
    model: CreateModel, asked: Submission, *, start_frame: str, aspect_ratio: str, seconds: int
) -> Creation:
    """The request as the model's endpoint takes it, with every option of `asked` that creations have as well.

    Its seed, replyRef and replyUrl are the intent's to give. `start_frame` is the assetId of an uploaded picture.
    Raises `InvalidRequest` for a malformed one, which upstream may have reported.
    """
    options = {name: value for name, value in asked if name in Creation.model_fields and name not in _OF_THE_INTENT}
    names = {"start_frame": model.start_frame, "seconds": model.seconds_field}
    names |= {} if model.takes_seed else {"seed": ""}
    names |= {} if model.takes_explore_mode else {"explore_mode": ""}
    resolved = {
        "endpoint": model.endpoint,
        "start_frame": checked_id(start_frame, "assetId"),
        "aspect_ratio": aspect_ratio,
        "seconds": seconds,
        "names": names,
        "constants": model.constants,
    }
    return Creation.model_validate(options | resolved)
