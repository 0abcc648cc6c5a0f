"""What hosts are told before their first call, from a file that the definitions were written to.

Making it from the definitions would load all that runs the tools. A test compares the file with them.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).parent / "listed.json"
"""The file; `UPDATE_SNAPSHOTS=1 pytest tests/server/test_definitions.py` writes it anew."""

Listing = list[dict[str, Any]]
"""Definitions as they go over the wire."""


@dataclass(frozen=True)
class Listed:
    """Instructions, and definitions by their wire names; shared, so nobody may change it.

    `saving` names the tools that are listed only where films are kept.
    """

    instructions: str
    tools: Listing
    saving: frozenset[str]
    prompts: Listing
    resource_templates: Listing

    def tools_where(self, *, saves: bool) -> Listing:
        """The tools that are listed, by whether films are kept."""
        return [tool for tool in self.tools if saves or tool["name"] not in self.saving]

    def input_schema(self, name: str) -> dict[str, Any] | None:
        """A tool's input schema; None for an unknown tool."""
        return next((tool["inputSchema"] for tool in self.tools if tool["name"] == name), None)


@cache
def listed() -> Listed:
    """What the file holds, read once."""
    told = json.loads(FILE.read_text(encoding="utf-8"))
    return Listed(**told | {"saving": frozenset(told["saving"])})
