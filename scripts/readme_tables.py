"""Rewrites what is generated from the code in README.md (tools, one-click links) and docs/settings.md (settings).

Each part stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`; nothing else of a page changes. No link holds
a token: hosts ask for it, or have a place for it.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlencode

from runway_mcp.server.tools.definitions import tools_table
from runway_mcp.settings import settings_table

ROOT = Path(__file__).parent.parent
README, SETTINGS = ROOT / "README.md", ROOT / "docs" / "settings.md"
NAME = "runway"
SERVER = {"command": "uvx", "args": ["--from", "useapi-runway-mcp[media]", "useapi-runway-mcp"]}
TOKEN_QUESTION = {"type": "promptString", "id": "useapi-token", "description": "useapi.net API token", "password": True}


def links() -> str:
    """The links that add the server to a host, in Markdown."""
    bare = json.dumps(SERVER | {"env": {"USEAPI_TOKEN": ""}}, separators=(",", ":"))
    asking = json.dumps(SERVER | {"env": {"USEAPI_TOKEN": "${input:useapi-token}"}}, separators=(",", ":"))
    packed = base64.b64encode(bare.encode()).decode()
    vscode = {"name": NAME, "config": asking, "inputs": json.dumps([TOKEN_QUESTION], separators=(",", ":"))}
    hosts = {
        "Cursor": "https://cursor.com/en/install-mcp?" + urlencode({"name": NAME, "config": packed}),
        "VS Code": "https://insiders.vscode.dev/redirect/mcp/install?" + urlencode(vscode, quote_via=quote),
        "LM Studio": "https://lmstudio.ai/install-mcp?" + urlencode({"name": NAME, "config": packed}),
    }
    return " · ".join(f"[Add to {host}]({link})" for host, link in hosts.items())


PARTS: dict[Path, dict[str, Callable[[], str]]] = {
    README: {"tools": tools_table, "links": links},
    SETTINGS: {"settings": settings_table},
}
"""The parts of each page, by their names."""


def rewritten(page: Path, text: str) -> str:
    """The text of a page with every part as the code has it; raises `ValueError` where the marks of one are missing."""
    for name, part in PARTS[page].items():
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"the marks of {name} are missing")
        text = f"{before}{begin}{part()}\n{end}{after}"
    return text


if __name__ == "__main__":
    for each in PARTS:
        each.write_text(rewritten(each, each.read_text(encoding="utf-8")), encoding="utf-8")
