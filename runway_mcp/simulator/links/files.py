"""The files behind signed links: films, uploads and preview pictures, whole or by range.

Films are made in a worker thread, once their task is accepted or at the first request.
"""

import re
from typing import Any

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from runway_mcp.simulator.links.faults import consume_link_fault
from runway_mcp.simulator.links.injection import spoilt
from runway_mcp.simulator.links.ranges import ServedFile, ranged
from runway_mcp.simulator.media.films import Film
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.wakeups import Wakeup
from runway_mcp.simulator.world import World

_NAME = re.compile(r"(?P<uuid>[0-9a-f-]{36})(?:-(?P<preview>\d+))?\.(?P<extension>\w+)")
_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
}


async def serve_file(world: World, request: Request) -> Response:
    """The file behind a link, or the range asked for, as the faults of links leave it.

    403 (switch `expired_status`) for a link that is not valid.
    """
    name = _NAME.fullmatch(request.path_params["name"])
    token = request.query_params.get("_jwt", "")
    now = world.wall_at(world.now())
    if name is None or token in world.dead_links or not world.signer.allows(token, name["uuid"], now):
        return PlainTextResponse("AccessDenied", world.switches.expired_status)
    asset = next((asset for asset in world.assets if asset.uuid == name["uuid"] and not asset.deleted), None)
    content = None if asset is None else await _content(world, asset, picture=name["preview"] is not None)
    if content is None:
        return PlainTextResponse("NoSuchKey", 404)
    media_type = _TYPES.get(name["extension"], "application/octet-stream")
    file = ServedFile(content, media_type, f'"{name["uuid"]}-{len(content)}"')
    rule = consume_link_fault(world.link_faults, request.path_params["name"])
    if rule is None:
        return ranged(file, request.headers)
    if rule.kind == "dead":
        world.dead_links.add(token)
    return spoilt(rule, file, request)


async def _content(world: World, asset: Asset, *, picture: bool) -> bytes | None:
    if asset.film is None:
        return asset.content
    return await film_bytes(world, asset.film, picture=picture)


async def film_bytes(world: World, film: Film, *, picture: bool = False) -> bytes:
    """The film's file, or its preview picture, made without blocking the event loop."""
    make: Any = world.films.preview if picture else world.films.render
    return make(film) if world.films.instant else await run_sync(make, film, abandon_on_cancel=True)


async def keep_rendering(world: World) -> None:
    """Makes the films of accepted tasks before they are asked for, one by one, until cancelled."""
    wakeup = Wakeup()
    world.listeners.append(wakeup)
    seen = len(world.accepted)
    try:
        while True:
            event = wakeup.event
            while seen < len(world.accepted):
                for asset in world.accepted[seen].artifacts:
                    if asset.film is not None:
                        await film_bytes(world, asset.film)
                seen += 1
            await event.wait()
    finally:
        world.listeners.remove(wakeup)
