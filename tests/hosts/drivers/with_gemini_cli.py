"""Gemini CLI: the README's settings, in a folder that it was told to trust, then `gemini mcp list`, which connects."""

import json
from pathlib import Path

from commands import connects, ran, script
from pages import settings

home = Path.home() / ".gemini"
home.mkdir()
(home / "settings.json").write_text(json.dumps(settings("Gemini CLI")), encoding="utf-8")
(home / "trustedFolders.json").write_text(json.dumps({str(Path.cwd()): "TRUST_FOLDER"}), encoding="utf-8")
connects(ran([*script(".bin/gemini"), "mcp", "list"]), "- connected")
