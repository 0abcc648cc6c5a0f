"""What the tests of keeping share: one film, its names, and a call that keeps it."""

from pathlib import Path
from typing import Any

from runway_mcp.media.fetch.client import Links
from runway_mcp.media.files.keeping import Kept, keep
from runway_mcp.media.files.parts import part_name
from tests.media.boxes import film
from tests.media.hosts import FilmHost, at_once

NAME = "beach_1f3a.mp4"
KEY = "an asset"
FILM = film(3_000_000)
SMALL = film(300)
PART, NOTE = part_name(KEY), f"{part_name(KEY)}.json"


async def kept(links: Links, host: FilmHost, folder: Path, **more: Any) -> Kept:
    """Keeps the host's film."""
    chosen: dict[str, Any] = {"key": KEY, "name": NAME, "pause": at_once} | more
    return await keep(links, host.link(), folder, **chosen)


def files(folder: Path) -> list[str]:
    """What lies in the folder."""
    return sorted(each.name for each in folder.iterdir())
