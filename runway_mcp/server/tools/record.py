"""What a tool consists of: one record, from which its definition and its dispatch are derived."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from mcp_types import CallToolResult

from runway_mcp.server.calls.running_call import Answer, Call
from runway_mcp.server.contract.arguments import Arguments
from runway_mcp.server.contract.next_steps import Behaviour
from runway_mcp.server.contract.outputs import NextStep, Output
from runway_mcp.settings import Settings
from runway_mcp.tasks.failures import Failure

_Takes = TypeVar("_Takes", bound=Arguments)


def always(_settings: Settings) -> bool:
    """Whether a tool is offered whatever the settings are: it is."""
    return True


@dataclass(frozen=True)
class ToolRecord(Generic[_Takes]):
    """One tool. Its result conforms to `output`, also after a failure; without one it has no structured content.

    `description` says what the tool does, when to use it or another one, its effects, and what to call next; it
    repeats nothing that the schemas say. `in_full` writes out the parts of the output schema that results share: one
    tool does it for all, since all definitions take up a model's context at once. `meta` is for hosts, and no model
    sees it. `offered` says under which settings it is listed; elsewhere a call of it says what to set. `run` may
    raise `Failure` and `RunwayError`; `fail` makes the result of a failure, with the next step if that is known.
    """

    name: str
    title: str
    description: str
    arguments: type[_Takes]
    output: type[Output] | None
    behaviour: Behaviour
    run: Callable[[Call, _Takes], Awaitable[Answer]]
    fail: Callable[[Call, Failure, NextStep | None], Awaitable[CallToolResult]]
    read_only: bool = True
    destructive: bool = False
    idempotent: bool = True
    offered: Callable[[Settings], bool] = always
    in_full: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])
