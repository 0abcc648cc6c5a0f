"""opencode: the settings of the page about hosts, then `opencode mcp list`, which connects."""

import json
from pathlib import Path

from commands import connects, program, ran
from pages import settings

home = Path.home() / ".config" / "opencode"
home.mkdir(parents=True)
(home / "opencode.json").write_text(json.dumps(settings("opencode")), encoding="utf-8")
connects(ran([program("opencode-*-x64*/bin/opencode"), "mcp", "list"]), "✓ runway connected")
