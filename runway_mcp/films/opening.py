"""What films need for as long as the server lives: a client for their links, a folder of pictures, a decoder's turn."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from anyio import CapacityLimiter, create_task_group

from runway_mcp.films.chains import Clip, Seams
from runway_mcp.films.recent import Recent
from runway_mcp.films.sharing import Shared
from runway_mcp.media.errors import require_media
from runway_mcp.media.fetch.addresses import is_loopback
from runway_mcp.media.fetch.client import Links, open_links
from runway_mcp.media.pictures.stills import Picture

PICTURES: Final = "frames"
"""The folder of pictures in the data folder."""

MOST_LENGTHS: Final = 4096
"""Of how many films the length is kept: it never changes."""

DECODERS: Final = 2
"""How many films of the process are decoded at once."""


@dataclass(frozen=True)
class Films:
    """What is open for films, shared by all requests of the process.

    `links` fetches what lies behind signed links; `pictures` is the folder of the pictures that are kept; `decoding`
    limits how many films are decoded at once; `making` holds the pictures that are being made. `require` returns where
    films can be decoded and raises `MediaMissing` elsewhere. `clips` and `seams` are what was read of them lately;
    `lengths` the seconds of their last frames, by the clips' uuids, as pictures and dry runs have found them.
    """

    links: Links
    pictures: Path
    decoding: CapacityLimiter
    making: Shared[Picture]
    require: Callable[[], None] = require_media
    clips: Recent[Clip] = field(default_factory=Recent[Clip])
    seams: Recent[Seams] = field(default_factory=Recent[Seams])
    lengths: Recent[float] = field(default_factory=partial(Recent[float], inf, MOST_LENGTHS))


@asynccontextmanager
async def open_films(*, url: str, data_dir: Path) -> AsyncGenerator[Films]:
    """Opens it lazily: no connection is made, no folder written and no certificate read before the first film.

    `url` is the base URL of the API: links to its own origin are followed if that is this machine.
    """
    async with open_links(allowed_origin=origin_on_this_machine(url)) as links, create_task_group() as background:
        yield Films(links, data_dir / PICTURES, CapacityLimiter(DECODERS), Shared(background))
        background.cancel_scope.cancel()


def origin_on_this_machine(url: str) -> str | None:
    """The origin of a URL if its host is a loopback address or `localhost`; None for all others."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{parts.netloc}" if host == "localhost" or is_loopback(host) else None
