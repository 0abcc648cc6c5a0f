"""What the file of a kept film is called, and which films are this server's own. Pure."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from runway_mcp.media.files.names import film_name, given_name, short_id
from runway_mcp.runway.models import Asset, Task
from runway_mcp.tasks.intents import Intent

# Runway puts model and seed before the prompt: "Gen-3 Alpha 1234567, beach at dusk.mp4".
_MODEL_AND_SEED: Final = re.compile(r"Gen-\d[^,]{0,40},\s*")
_LONGEST_SUFFIX = 5


@dataclass(frozen=True)
class Wanted:
    """A film to keep: its id, whose wish it is, the name of its file, and a link to it, if one is at hand."""

    asset_id: str
    caller: str
    name: str
    link: str | None = None

    @property
    def tells_film(self) -> bool:
        """Whether the name has the film's id in it, as names have that were made here."""
        return self.name.endswith(f"_{short_id(self.asset_id)}.mp4")


def own_film(task: Task, intent: Intent) -> Wanted | None:
    """The film that a task of this server has ended with, as it is kept; None while there is none."""
    if task.status != "SUCCEEDED" or not task.artifacts:
        return None
    film = task.artifacts[0]
    return Wanted(film.asset_id, intent.caller, own_name(film, intent), film.url)


def own_name(film: Asset, intent: Intent) -> str:
    """The file name of an own film: by its prompt, else by its source, with its extensions and its seconds."""
    label = intent.text_prompt or _label(intent.source_name) or _label(film.name)
    seconds = film.metadata.duration if film.metadata else None
    return film_name(label, film.asset_id, extensions=intent.extended_count or 0, seconds=seconds)


def wanted_asset(asset: Asset, *, caller: str, name: str | None = None, intent: Intent | None = None) -> Wanted:
    """Any film of the account, as a caller wants it kept: under the given name, or one made of its own."""
    if name is not None:
        file = given_name(name)
    elif intent is not None:
        file = own_name(asset, intent)
    else:
        seconds = asset.metadata.duration if asset.metadata else None
        file = film_name(_label(asset.name), asset.asset_id, seconds=seconds)
    return Wanted(asset.asset_id, caller, file, asset.url)


def _label(name: str | None) -> str:
    """The telling part of a clip's name: without the ending, and without model and seed where more is left."""
    if not name:
        return ""
    suffix = PurePosixPath(name).suffix
    stem = name.removesuffix(suffix) if len(suffix) <= _LONGEST_SUFFIX else name
    words = _MODEL_AND_SEED.match(stem)
    return (stem[words.end() :] if words else "") or stem
