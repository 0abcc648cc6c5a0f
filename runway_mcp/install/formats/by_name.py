"""The formats of configurations, each by the same three functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runway_mcp.install.formats import jsonc, toml, yaml
from runway_mcp.install.formats.edits import Edit, FormatName


@dataclass(frozen=True)
class Format:
    """How a format is read and changed; each raises `ConfigurationError` for what it cannot read or change."""

    parse: Callable[[str], dict[str, Any]]
    put: Callable[[str, Sequence[str], object], list[Edit]]
    remove: Callable[[str, Sequence[str | int]], list[Edit]]


FORMATS: Final[dict[FormatName, Format]] = {
    "json": Format(jsonc.parse, jsonc.put, jsonc.remove),
    "toml": Format(toml.parse, toml.put, toml.remove),
    "yaml": Format(yaml.parse, yaml.put, yaml.remove),
}
