"""Rewrites the generated parts of README.md from the code: the tools, the settings, the one-click links.

Each part stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`; nothing else of the file changes. No link holds
a token: hosts ask for it, or have a place for it.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlencode

from runway_mcp.server.tools.definitions import tools_table
from runway_mcp.settings import settings_table

README = Path(__file__).parent.parent / "README.md"
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


PARTS: dict[str, Callable[[], str]] = {"tools": tools_table, "settings": settings_table, "links": links}


def rewritten(text: str) -> str:
    """The text with every part as the code has it; raises `ValueError` where the marks of one are missing."""
    for name, part in PARTS.items():
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"the marks of {name} are missing")
        text = f"{before}{begin}{part()}\n{end}{after}"
    return text


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text(encoding="utf-8")), encoding="utf-8")
