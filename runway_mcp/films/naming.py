"""What the file of a kept film is called and why, and which films are this server's own. Pure."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from runway_mcp.films.continuing.steps import is_continuation
from runway_mcp.media.files.names import film_name, folded, given_name, short_id
from runway_mcp.runway.models import Asset, Task
from runway_mcp.tasks.intents import Intent

# Runway puts model and seed before the prompt: "Gen-3 Alpha 1234567, beach at dusk.mp4".
_MODEL_AND_SEED: Final = re.compile(r"Gen-\d[^,]{0,40},\s*")
_LONGEST_SUFFIX = 5
_ENDING: Final = ".mp4"


@dataclass(frozen=True)
class Wanted:
    """A film to keep: its id, whose wish it is, the name of its file, and a link to it, if one is at hand.

    `own` tells a film of this server's tasks under its own name, which is kept without being asked for.
    """

    asset_id: str
    caller: str
    name: str
    link: str | None = None
    own: bool = False

    @property
    def tells_film(self) -> bool:
        """Whether the name has the film's id in it, as names have that were made here."""
        return self.name.endswith(f"_{short_id(self.asset_id)}.mp4")


def own_films(task: Task, intent: Intent) -> tuple[Wanted, ...]:
    """The films that a task of this server has ended with, as they are kept, in Runway's order; none before its end.

    A task that made a part of a joined film has none: the joined film is what is kept.
    """
    if task.status != "SUCCEEDED" or is_continuation(intent):
        return ()
    films = [film for film in task.artifacts if film.media_type in (None, "video")]
    return tuple(Wanted(film.asset_id, intent.caller, own_name(film, intent), film.url, own=True) for film in films)


def own_name(film: Asset, intent: Intent) -> str:
    """The file name of an own film: by its prompt, else by its source, with its extensions and its seconds."""
    label = intent.text_prompt or label_of(intent.source_name) or label_of(film.name)
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
        file = film_name(label_of(asset.name), asset.asset_id, seconds=seconds)
    return Wanted(asset.asset_id, caller, file, asset.url, own=intent is not None and name is None)


def why_called(file: str, *, wanted: str, wish: str | None) -> str | None:
    """Why a file is called otherwise than was wished for, in words for the end of a sentence; None if it is not.

    `wanted` is the safe name for it, made of the `wish`, or without one of the film's own words, which need no reason.
    """
    reasons: list[str] = []
    if wish is not None and wanted != (plain := _with_ending(unicodedata.normalize("NFC", wish))):
        is_cut = _letters(wanted) < _letters(re.split(r"[/\\]", plain)[-1])
        reasons.append("the name was too long and was cut" if is_cut else _UNSAFE)
    if folded(file) != folded(wanted):
        reasons.append("another file has that name")
    return ", and ".join(reasons) or None


_UNSAFE = "what is unsafe in file names on some systems was replaced or left out"


def _with_ending(name: str) -> str:
    return f"{name[: -len(_ENDING)] if name.lower().endswith(_ENDING) else name}{_ENDING}"


def _letters(name: str) -> int:
    return sum(each.isdecimal() or unicodedata.category(each).startswith("L") for each in name)


def label_of(name: str | None) -> str:
    """The telling part of a clip's name: without the ending, and without model and seed where more is left."""
    if not name:
        return ""
    suffix = PurePosixPath(name).suffix
    stem = name.removesuffix(suffix) if len(suffix) <= _LONGEST_SUFFIX else name
    words = _MODEL_AND_SEED.match(stem)
    return (stem[words.end() :] if words else "") or stem
