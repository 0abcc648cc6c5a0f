"""The URIs of this server's resources.

They are written verbatim, `:` and `@` included, and read verbatim or percent-encoded, as template expansion makes them.
No id holds a `%`, so decoding never changes one.
"""

import re
from dataclasses import dataclass
from typing import Literal, assert_never, get_args
from urllib.parse import unquote

Kind = Literal["tasks", "task", "asset", "preview", "last_frame", "strip", "video", "film", "film_video", "player"]
"""The kinds of resources: tasks, a task, an asset, its pictures, its file; a film of parts, its file; the player."""

KINDS: tuple[Kind, ...] = get_args(Kind)
"""Every kind, in the order in which hosts list them."""

TASKS = "runway://tasks"
"""The URI of the list of tasks."""

PLAYER_VERSION = "e56ac47d9fd6"
"""The first twelve digits of the SHA-256 of the player's page: hosts cache a page by its URI."""

PLAYER = f"ui://runway/player-{PLAYER_VERSION}.html"
"""The URI of the player. The page answers to the URIs of its other versions, and to the one without a version."""

LONGEST_URI = 8192
"""The longest text that is read as a URI, in characters: decoding a body full of escapes takes a third of a second."""

_VARIABLE = re.compile(r"\{(\w+)\}")
_PLAYERS = re.compile(r"ui://runway/player(-[0-9a-f]{12})?\.html")


def template_of(kind: Kind) -> str:  # noqa: C901, PLR0911  one return for each kind
    """The URI template of a kind, with one variable; without one it is the URI of the only resource."""
    match kind:
        case "tasks":
            return TASKS
        case "task":
            return "runway://tasks/{taskId}"
        case "asset":
            return "runway://assets/{assetId}"
        case "preview":
            return "runway://assets/{assetId}/preview"
        case "last_frame":
            return "runway://assets/{assetId}/frames/last"
        case "strip":
            return "runway://assets/{assetId}/strip"
        case "video":
            return "runway://assets/{assetId}/video"
        case "film":
            return "runway://films/{id}"
        case "film_video":
            return "runway://films/{id}/video"
        case "player":
            return PLAYER
        case _:
            assert_never(kind)


def variable_of(kind: Kind) -> str | None:
    """The variable in the URI template of a kind; None if it has none."""
    found = _VARIABLE.search(template_of(kind))
    return found[1] if found else None


def templates_in_words(kinds: tuple[Kind, ...]) -> str:
    """The URI templates of two or more kinds, as a list in a sentence."""
    *others, last = map(template_of, kinds)
    return f"{', '.join(others)} and {last}"


@dataclass(frozen=True)
class Address:
    """A resource of this server; `id` is None where the kind has one resource only."""

    kind: Kind
    id: str | None = None

    @property
    def uri(self) -> str:
        """The URI, verbatim."""
        begin, end = _around_id(self.kind)
        return begin + (self.id or "") + end


def task_uri(task_id: str) -> str:
    """The URI of a task."""
    return Address("task", task_id).uri


def asset_uri(asset_id: str) -> str:
    """The URI of an asset."""
    return Address("asset", asset_id).uri


def film_uri(film_id: str) -> str:
    """The URI of a film of several parts."""
    return Address("film", film_id).uri


def film_video_uri(film_id: str) -> str:
    """The URI of the file of a film of several parts."""
    return Address("film_video", film_id).uri


def address_of(uri: str) -> Address | None:
    """The resource that a URI names; None if it is none of this server's. The id is not checked."""
    plain = unquote(uri) if len(uri) <= LONGEST_URI else ""
    if _PLAYERS.fullmatch(plain):
        return Address("player")
    for kind in _LONGEST_END_FIRST:
        begin, end = _around_id(kind)
        if variable_of(kind) is None:
            if plain == begin:
                return Address(kind)
        elif plain.startswith(begin) and plain.removeprefix(begin).endswith(end):
            return Address(kind, plain.removeprefix(begin).removesuffix(end))
    return None


def bare_id(text: str) -> str:
    """The id in the URI of a task, an asset or a film of several parts; any other text without surrounding blanks."""
    address = address_of(text.strip())
    return address.id if address is not None and address.id is not None else text.strip()


def _around_id(kind: Kind) -> tuple[str, str]:
    """What the URIs of a kind hold before the id and behind it."""
    begin, _, end = _VARIABLE.sub("\n", template_of(kind)).partition("\n")
    return begin, end


_LONGEST_END_FIRST = sorted(KINDS, key=lambda kind: len(_around_id(kind)[1]), reverse=True)
