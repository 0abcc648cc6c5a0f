"""The addresses of this server's resources.

What is emitted is verbatim, `:` and `@` as they are; what is read may be percent-encoded too, as template expansion
makes it. No id holds a `%`, so decoding never changes one.
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

TASKS = "runway://tasks"
ASSETS = "runway://assets"
TASK_TEMPLATE = TASKS + "/{taskId}"
ASSET_TEMPLATE = ASSETS + "/{assetId}"


@dataclass(frozen=True)
class Address:
    """What a resource URI points at; `id` is None for the list of tasks."""

    kind: Literal["tasks", "task", "asset"]
    id: str | None = None

    @property
    def uri(self) -> str:
        """The URI as it goes out."""
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
    """What the URI points at, or None when it is none of ours; the id is not checked."""
    plain = unquote(uri)
    if plain == TASKS:
        return Address("tasks")
    if plain.startswith(TASKS + "/"):
        return Address("task", plain.removeprefix(TASKS + "/"))
    if plain.startswith(ASSETS + "/"):
        return Address("asset", plain.removeprefix(ASSETS + "/"))
    return None


def bare_id(text: str) -> str:
    """The id alone, of an id or of the URI of a task or an asset."""
    address = address_of(text.strip())
    return address.id if address is not None and address.id is not None else text.strip()
