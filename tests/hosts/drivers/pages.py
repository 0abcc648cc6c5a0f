"""What users are told to write into a command-line host, with this checkout's program in place of `uvx`."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

from conversation import ASKED

from runway_mcp.install.launcher import RELEASE

_TOKEN = "user:1234-..."
_SHELL = f'uvx --from "{RELEASE}" useapi-runway-mcp'
_ARGS = f'["--from", "{RELEASE}", "useapi-runway-mcp"]'
_WHOLE = f'["uvx", {_ARGS[1:]}'


def block(title: str) -> str:
    """The code that the pages give for a host, word for word; raises LookupError without one."""
    for page in ASKED["pages"]:
        found = re.search(
            rf"^[^\n]*\*\*{re.escape(title)}\*\*.*?^```\w+\n(.*?)^```",
            Path(page).read_text(encoding="utf-8"),
            re.MULTILINE | re.DOTALL,
        )
        if found:
            return found[1]
    raise LookupError(f"no page has lines for {title}")


def shell(title: str) -> list[str]:
    """A command line as words; the token's setting becomes all settings that the stand-in needs."""
    program = shlex.join(ASKED["command"])
    given = shlex.join(f"{name}={value}" for name, value in ASKED["env"].items())
    line = _replaced(block(title), _SHELL, program)
    return shlex.split(_replaced(line, f"USEAPI_TOKEN={_TOKEN}", given))


def toml(title: str) -> str:
    """A host's settings in TOML."""
    command, *args = ASKED["command"]
    given = ", ".join(f"{name} = {json.dumps(value)}" for name, value in ASKED["env"].items())
    text = _replaced(block(title), 'command = "uvx"', f"command = {json.dumps(command)}")
    text = _replaced(text, f"args = {_ARGS}", f"args = {json.dumps(args)}")
    return _replaced(text, f'USEAPI_TOKEN = "{_TOKEN}"', given)


def settings(title: str) -> dict[str, Any]:
    """A host's settings in JSON."""
    command, *args = ASKED["command"]
    text = block(title)
    if _WHOLE in text:
        text = text.replace(_WHOLE, json.dumps(ASKED["command"]))
    else:
        text = _replaced(text, '"command": "uvx"', f'"command": {json.dumps(command)}')
        text = _replaced(text, _ARGS, json.dumps(args))
    given = json.dumps(ASKED["env"])[1:-1]
    return json.loads(_replaced(text, f'"USEAPI_TOKEN": "{_TOKEN}"', given))


def _replaced(text: str, old: str, new: str) -> str:
    if old not in text:
        raise LookupError(f"{old!r} is not in: {text}")
    return text.replace(old, new)
