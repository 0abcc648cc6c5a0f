"""Names of requests as labels and span names: what is known of them, and `other` for whatever else was sent."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, cast

from mcp_types.version import SUPPORTED_PROTOCOL_VERSIONS

from runway_mcp.server.contract.listed import listed

OTHER: Final = "other"
"""What stands for a name that is not known."""

METHODS: Final = frozenset(
    {
        *("initialize", "ping", "server/discover", "tools/list", "tools/call", "prompts/list", "prompts/get"),
        *("resources/list", "resources/templates/list", "resources/read", "resources/subscribe"),
        *("resources/unsubscribe", "subscriptions/listen", "completion/complete"),
        *("tasks/get", "tasks/cancel", "tasks/update", "notifications/initialized", "notifications/cancelled"),
    }
)
"""The methods that are measured by their names."""


def method_label(method: object) -> str:
    """The method of a request."""
    return method if isinstance(method, str) and method in METHODS else OTHER


def version_label(version: object) -> str:
    """The protocol version of a request."""
    return version if isinstance(version, str) and version in SUPPORTED_PROTOCOL_VERSIONS else OTHER


def target_label(method: str, params: Mapping[str, Any] | None) -> str:
    """The tool or prompt that a request names; empty for a request of another kind."""
    if method not in _targets():
        return ""
    name = (params or {}).get("name")
    return name if name in _targets()[method] else OTHER


def structured(result: Any) -> Mapping[str, Any]:
    """The structured content of a tool's result, in either form of it; empty for anything else."""
    told: Any = (
        cast("Mapping[str, Any]", result).get("structuredContent")
        if isinstance(result, Mapping)
        else getattr(result, "structured_content", None)
    )
    return cast("Mapping[str, Any]", told) if isinstance(told, Mapping) else {}


@cache
def _targets() -> Mapping[str, frozenset[str]]:
    tools, prompts = listed().tools_where(saves=True), listed().prompts
    return {
        "tools/call": frozenset(tool["name"] for tool in tools),
        "prompts/get": frozenset(prompt["name"] for prompt in prompts),
    }
