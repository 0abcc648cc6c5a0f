"""Rewrites what is generated from the code: tools, settings, and the entry of this server for every host.

Each part stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`. Besides these only the version changes, in each
command that starts the release; and in `server.json` what the settings say of themselves.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from runway_mcp.install.hosts import HOSTS
from runway_mcp.server.tools.definitions import tools_table
from runway_mcp.settings import ContinueWith, settings_table, variables
from scripts.server_snippets import FILES, badges, block, by_hand, entries, install_lines, shell

ROOT = Path(__file__).parent.parent
README, DOCS, REGISTRY = ROOT / "README.md", ROOT / "docs", ROOT / "server.json"
PARTS: dict[Path, dict[str, Callable[[], str]]] = {
    README: {"tools": tools_table, "links": badges, "by-hand": by_hand},
    DOCS / "install.md": {"install": install_lines, "entries": entries},
    DOCS / "hosts.md": {"opencode": lambda: block(HOSTS["opencode"])},
    DOCS / "settings.md": {"settings": settings_table},
    DOCS / "http.md": {},
    DOCS / "troubleshooting.md": {},
}
"""The parts of each page, by their names."""

_COMMAND = re.compile(r'uvx --from "useapi-runway-mcp\[media\][^"]*" useapi-runway-mcp')


def rewritten(page: Path, text: str) -> str:
    """The text of a page with every part as the code has it; raises `ValueError` where the marks of one are missing."""
    for name, part in PARTS[page].items():
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"the marks of {name} are missing")
        text = f"{before}{begin}{part()}\n{end}{after}"
    return _COMMAND.sub(shell(), text)


def with_settings(registry: str) -> str:
    """The text of `server.json` with what each variable that it lists means, and the models that may be chosen."""
    server = json.loads(registry)
    known = {variable.name: variable for variable in variables().values()}
    for entry in server["packages"][0]["environmentVariables"]:
        entry["description"] = known[entry["name"]].meaning
        if entry["name"] == variables()["continue_with"].name:
            entry["choices"] = list(get_args(ContinueWith))
    return f"{json.dumps(server, indent=2, ensure_ascii=False)}\n"


if __name__ == "__main__":
    REGISTRY.write_text(with_settings(REGISTRY.read_text(encoding="utf-8")), encoding="utf-8")
    for each in PARTS:
        each.write_text(rewritten(each, each.read_text(encoding="utf-8")), encoding="utf-8")
    for file, made in FILES.items():
        (ROOT / file).parent.mkdir(exist_ok=True)
        (ROOT / file).write_text(made(), encoding="utf-8")
