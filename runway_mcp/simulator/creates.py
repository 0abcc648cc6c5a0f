"""Creates: films from an image, or from text alone, with a Gen-4 model."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from runway_mcp.simulator.api import refusals
from runway_mcp.simulator.api.requests import RATIOS, CreateRequest
from runway_mcp.simulator.media.dimensions import dimensions
from runway_mcp.simulator.media.films import Film, Form, started_by
from runway_mcp.simulator.records import SIZES, Account, Asset, Kind, Task
from runway_mcp.simulator.submits import accept, admitted, affordable, asset_of, failing, new_task
from runway_mcp.simulator.world import World

DEFAULT_RATIO = "16:9"
UNREADABLE = "The input image could not be read."


def create(world: World, request: CreateRequest, kind: Kind) -> Task:
    """Accepts a new film and charges for it; raises `Refusal`, and charges nothing, where upstream would refuse.

    An image that is none makes the accepted task fail.
    """
    image = asset_of(world, request.image_id, "firstImage_assetId") if request.image_id else None
    account = _account(world, request, image)
    if image is not None and image.media_type != "image":
        raise refusals.refused(400, "The asset of firstImage_assetId is not an image.")
    script = admitted(world, account, request)
    shape = dimensions(image.content or b"") if image else None
    if image is not None and shape is None:
        script = failing(script, UNREADABLE, "ASSET.INVALID")
    seconds = request.seconds or kind.creates[0]
    cost = affordable(world, account, request, seconds * kind.credits_per_second)
    ratio = request.aspect_ratio or _default_ratio(world, shape)
    width, height = SIZES[world.switches.created_size][ratio]
    options = {
        "seconds": seconds,
        "width": width,
        "height": height,
        "exploreMode": request.explore,
        "route": "i2v" if image else "t2v",
        "watermark": False,
        "creationSource": "tool-mode",
        "assetGroupName": "Generative Video",
        "recordingEnabled": True,
    }
    task = new_task(world, account, kind, request, options)
    task.cost, task.script, task.parent = cost, script, image
    film = Film(len(world.tasks), seconds, width=width, height=height, form=_form(world))
    accept(world, task, _takes(world, film, image))
    return task


def _account(world: World, request: CreateRequest, image: Asset | None) -> Account:
    """The account that runs it: that of the image as far as the switch says so, else the one named, else any."""
    if image is None:
        return world.account(request.email) if request.email else _free_account(world)
    if request.email in (None, image.email) or world.switches.email_with_image == "ignored":
        return world.account(image.email)
    if world.switches.email_with_image == "refused":
        raise refusals.no_asset(image.uuid)
    return world.account(request.email)


def _free_account(world: World) -> Account:
    """One with free capacity at random, or any if there is none."""
    free = [each for each in world.accounts.values() if len(world.running(each.email)) < each.max_jobs]
    among = free or list(world.accounts.values())
    return world.account(among[0].email if len(among) == 1 else world.random.choice(among).email if among else None)


def _default_ratio(world: World, shape: tuple[int, int] | None) -> str:
    if shape is None or world.switches.default_ratio == "16:9":
        return DEFAULT_RATIO
    return min(RATIOS, key=lambda ratio: abs(math.log(shape[0] / shape[1]) - math.log(_value(ratio))))


def _value(ratio: str) -> float:
    across, _, down = ratio.partition(":")
    return int(across) / int(down)


def _form(world: World) -> Form:
    switches = world.switches
    return Form(
        colour=switches.created_colour,
        sound=switches.created_sound,
        rate=switches.created_rate,
        encoder=switches.created_encoder,
        end=switches.created_end,
    )


def _takes(world: World, film: Film, image: Asset | None) -> Iterator[dict[str, Any]]:
    """The film that begins with the image; further takes differ by a moment of it, or by their scenes."""
    for number in count():
        later = number > 0 or world.switches.first_frame == "similar"
        start = started_by(image.content or b"", fit=world.switches.fit, later=later) if image else None
        yield {
            "film": replace(film, scene=film.scene + number, start=start),
            "duration": film.duration,
            "width": film.width,
            "height": film.height,
        }
