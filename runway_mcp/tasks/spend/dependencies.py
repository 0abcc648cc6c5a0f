"""What all that deals with submits stands on, for as long as the server lives."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from anyio.abc import TaskGroup

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.tasks.store.ledger import Ledger


@dataclass(frozen=True)
class SubmitDependencies:
    """Upstream, the ledger, and the task group in which whatever outlives a call runs.

    `accepted` is awaited with each task that becomes ours.
    """

    client: RunwayClient
    ledger: Ledger
    background: TaskGroup
    accepted: Callable[[Task], Awaitable[None]]
