"""The URIs of this server's resources.

They are written verbatim, `:` and `@` included, and read verbatim or percent-encoded, as template expansion makes them.
No id holds a `%`, so decoding never changes one.
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

TASKS = "runway://tasks"
"""The URI of the list of tasks."""

ASSETS = "runway://assets"
"""What the URIs of assets begin with."""

TASK_TEMPLATE = TASKS + "/{taskId}"
"""The URI template of a task."""

ASSET_TEMPLATE = ASSETS + "/{assetId}"
"""The URI template of an asset."""


@dataclass(frozen=True)
class Address:
    """A resource of this server; `id` is None for the list of tasks."""

    kind: Literal["tasks", "task", "asset"]
    id: str | None = None

    @property
    def uri(self) -> str:
        """The URI, verbatim."""
        if self.id is None:
            return TASKS
        return task_uri(self.id) if self.kind == "task" else asset_uri(self.id)


def task_uri(task_id: str) -> str:
    """The URI of a task."""
    return f"{TASKS}/{task_id}"


def asset_uri(asset_id: str) -> str:
    """The URI of an asset."""
    return f"{ASSETS}/{asset_id}"


def address_of(uri: str) -> Address | None:
    """The resource that a URI names; None if it is none of this server's. The id is not checked."""
    plain = unquote(uri)
    if plain == TASKS:
        return Address("tasks")
    if plain.startswith(TASKS + "/"):
        return Address("task", plain.removeprefix(TASKS + "/"))
    if plain.startswith(ASSETS + "/"):
        return Address("asset", plain.removeprefix(ASSETS + "/"))
    return None


def bare_id(text: str) -> str:
    """The id in the URI of a task or an asset; any other text without surrounding blanks."""
    address = address_of(text.strip())
    return address.id if address is not None and address.id is not None else text.strip()
