"""Claude Code: added by the README's line, then `claude mcp list`, which connects."""

from commands import connects, program, ran
from pages import shell

command, *words = shell("Claude Code")
if command != "claude":
    raise SystemExit(f"the line runs {command}")
claude = program("@anthropic-ai/claude-code-*/claude")
ran([claude, *words])
connects(ran([claude, "mcp", "list"]), "✔ connected")
