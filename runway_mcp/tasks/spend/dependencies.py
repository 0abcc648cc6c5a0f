"""Dependencies of the submit pipeline."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from anyio.abc import TaskGroup

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.tasks.spend.audit import Audit
from runway_mcp.tasks.store.protocol import Store

MaySpend = Callable[[str], bool]
"""Whether a caller may spend at the moment."""


def everyone_may_spend(_caller: str) -> bool:
    """Lets all callers spend, where nobody can take that back."""
    return True


@dataclass(frozen=True)
class SubmitDependencies:
    """Client, ledger and the task group for what outlives a call.

    `accepted` is awaited with each task that an intent comes to own, `taken_up` with each that one had before.
    `audit` is told of the outcomes of submits. `may_spend` is asked before each POST, since a call may wait long.
    """

    client: RunwayClient
    ledger: Store
    background: TaskGroup
    accepted: Callable[[Task], Awaitable[None]]
    taken_up: Callable[[Task], Awaitable[object]]
    audit: Audit
    may_spend: MaySpend = everyone_may_spend
