"""The URIs of this server's resources.

They are written verbatim, `:` and `@` included, and read verbatim or percent-encoded, as template expansion makes them.
No id holds a `%`, so decoding never changes one.
"""

import re
from dataclasses import dataclass
from typing import Literal, assert_never, get_args
from urllib.parse import unquote

Kind = Literal["tasks", "task", "asset", "player"]
"""The kinds of resources: the list of tasks, a task, an asset, the page that plays films."""

KINDS: tuple[Kind, ...] = get_args(Kind)
"""Every kind, in the order in which hosts list them."""

TASKS = "runway://tasks"
"""The URI of the list of tasks."""

PLAYER_VERSION = "40967fcaee43"
"""The first twelve digits of the SHA-256 of the player's page: hosts cache a page by its URI."""

PLAYER = f"ui://runway/player-{PLAYER_VERSION}.html"
"""The URI of the player. The page answers to the URIs of its other versions, and to the one without a version."""

_PLAYERS = re.compile(r"ui://runway/player(-[0-9a-f]{12})?\.html")


def template_of(kind: Kind) -> str:
    """The URI template of a kind, with one variable at its end; without one it is the URI of the only resource."""
    match kind:
        case "tasks":
            return TASKS
        case "task":
            return "runway://tasks/{taskId}"
        case "asset":
            return "runway://assets/{assetId}"
        case "player":
            return PLAYER
        case _:
            assert_never(kind)


def variable_of(kind: Kind) -> str | None:
    """The variable in the URI template of a kind; None if it has none."""
    _, found, variable = template_of(kind).partition("{")
    return variable.removesuffix("}") if found else None


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
        return _begin_of(self.kind) + (self.id or "")


def task_uri(task_id: str) -> str:
    """The URI of a task."""
    return Address("task", task_id).uri


def asset_uri(asset_id: str) -> str:
    """The URI of an asset."""
    return Address("asset", asset_id).uri


def address_of(uri: str) -> Address | None:
    """The resource that a URI names; None if it is none of this server's. The id is not checked."""
    plain = unquote(uri)
    if _PLAYERS.fullmatch(plain):
        return Address("player")
    for kind in KINDS:
        begin = _begin_of(kind)
        if variable_of(kind) is None:
            if plain == begin:
                return Address(kind)
        elif plain.startswith(begin):
            return Address(kind, plain.removeprefix(begin))
    return None


def bare_id(text: str) -> str:
    """The id in the URI of a task or an asset; any other text without surrounding blanks."""
    address = address_of(text.strip())
    return address.id if address is not None and address.id is not None else text.strip()


def _begin_of(kind: Kind) -> str:
    """What the URIs of a kind begin with, before the id."""
    return template_of(kind).partition("{")[0]
