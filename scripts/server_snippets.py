"""The one entry of this server in every form in which the pages give it: configurations, commands, links and badges.

All of it comes from `runway_mcp.install`: what people paste is what `install` would write, but for the absolute path.
No link holds a token: hosts ask for it, or have a place for it.
"""

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from runway_mcp.install.entries import new_entry
from runway_mcp.install.formats import jsonc
from runway_mcp.install.formats.by_name import FORMATS
from runway_mcp.install.formats.edits import applied
from runway_mcp.install.hosts import HOSTS, NAME, QUESTION, TOKEN, Host
from runway_mcp.install.launcher import uvx_launcher

LAUNCHER: Final = uvx_launcher()
PLACEHOLDER: Final = "user:1234-..."
BADGES: Final = Path("docs/badges")
"""Where the badges lie, from the project's folder."""

_FENCES: Final[Mapping[str, str]] = {"json": "json", "toml": "toml", "yaml": "yaml"}
_ALIKE: Final = ("claude-desktop", "cursor", "gemini", "windsurf", "lm-studio")
"""Hosts that read the same few lines."""


def shell(*words: str, token: bool = False) -> str:
    """A command line that starts the release with these arguments, with the token as a variable if it needs one."""
    package, program = LAUNCHER.args[1:]
    line = f'{LAUNCHER.command} {LAUNCHER.args[0]} "{package}" {program}'
    return " ".join([*([f"{TOKEN}={PLACEHOLDER}"] if token else []), line, *words])


def configuration_of(host: Host) -> str:
    """A whole configuration that holds the entry alone, in the host's format."""
    entry = new_entry(host, LAUNCHER, PLACEHOLDER)
    text = applied("", FORMATS[host.format].put("", (*host.servers, NAME), entry))
    if host.secret == "question":  # noqa: S105  a way, not a secret
        text = applied(text, jsonc.append(text, ("inputs",), QUESTION))
    return text


def block(host: Host) -> str:
    """The same as a block of Markdown."""
    return f"```{_FENCES[host.format]}\n{configuration_of(host).rstrip()}\n```"


def claude_code() -> str:
    """The command that registers the server in Claude Code; its name stands before `--env`, which takes every word."""
    add = f"claude mcp add --transport stdio {NAME} --env {TOKEN}={PLACEHOLDER} --"
    return f"```sh\n{add} {shell()}\n```"


def by_hand() -> str:
    """The README's entry, which most hosts read."""
    titles = [f"**{HOSTS[each].title}**" for each in _ALIKE]
    alike = f"{', '.join(titles[:-1])} or {titles[-1]}"
    return f"By hand, in {alike}:\n\n{block(HOSTS['cursor'])}"


def entries() -> str:
    """Every host's file and entry, in Markdown; what several read alike stands there once."""
    alike = "\n".join(f"- **{HOSTS[each].title}**: {_places(HOSTS[each])}" for each in _ALIKE)
    parts = [f"{alike}\n\n{block(HOSTS['cursor'])}"]
    for host in HOSTS.values():
        if host.id == "claude-code":
            parts.append(f"**{host.title}** ({_places(host)})\n\n{claude_code()}")
        elif host.id not in _ALIKE:
            parts.append(f"**{host.title}** ({_places(host)})\n\n{block(host)}")
    return "\n\n".join(parts)


def install_lines() -> str:
    """The commands that register the server, with what each does."""
    lines = {
        shell("install"): "which hosts are on this machine",
        shell("install", "cursor", "--print"): "what would be written",
        shell("install", "cursor"): "writes it; the token comes from USEAPI_TOKEN, or is asked for",
        shell("uninstall", "cursor"): "takes exactly that back",
    }
    width = max(map(len, lines))
    return "```sh\n" + "\n".join(f"{line:<{width}}  # {told}" for line, told in lines.items()) + "\n```"


def links() -> dict[str, str]:
    """The links that add the server to a host, by the host."""
    bare = _compact(new_entry(HOSTS["cursor"], LAUNCHER))
    packed = base64.b64encode(bare.encode()).decode()
    asking = {"name": NAME, "config": _compact(new_entry(HOSTS["vscode"], LAUNCHER)), "inputs": _compact([QUESTION])}
    goose: list[tuple[str, str]] = [("cmd", LAUNCHER.command), *(("arg", word) for word in LAUNCHER.args)]
    goose += [("id", NAME), ("name", "Runway"), ("description", "Extends Runway videos")]
    goose += [("env", f"{TOKEN}=Your useapi.net API token")]
    return {
        "cursor": "https://cursor.com/en/install-mcp?" + urlencode({"name": NAME, "config": packed}),
        "vscode": "https://insiders.vscode.dev/redirect/mcp/install?" + urlencode(asking, quote_via=quote),
        "lm-studio": "https://lmstudio.ai/install-mcp?" + urlencode({"name": NAME, "config": packed}),
        "goose": "https://block.github.io/goose/extension?" + urlencode(goose, quote_via=quote),
    }


def badges() -> str:
    """The links as badges, in Markdown."""
    return " ".join(
        f"[![Add to {HOSTS[host].title}]({BADGES.as_posix()}/{host}.svg)]({link})" for host, link in links().items()
    )


def badge(host: str) -> str:
    """The badge of a host as SVG, which loads nothing."""
    told = escape(f"Add to {HOSTS[host].title}")
    width = 7 * len(told) + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="28" role="img" aria-label="{told}">'
        f'<rect width="{width}" height="28" rx="6" fill="#1f2328"/>'
        f'<text x="{width // 2}" y="18.5" fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="12" '
        f'text-anchor="middle">{told}</text></svg>\n'
    )


def _places(host: Host) -> str:
    """Where a host's configuration lies: one path where it is the same everywhere."""
    shown = {system: _shown(_usual(files)) for system, files in host.files.items()}
    if len({*shown.values()}) == 1:
        return f"`{shown['linux']}`"
    names = {"linux": "Linux", "macos": "macOS", "windows": "Windows"}
    return "; ".join(f"{names[system]} `{path}`" for system, path in shown.items())


def _usual(files: tuple[str, ...]) -> str:
    """The path of a host that was not moved: without a variable of its own, and without a package's name in it."""
    own = {"{home}", "{config}", "{appdata}", "{localappdata}"}
    return next(file for file in files if "*" not in file and any(file.startswith(folder) for folder in own))


def _shown(template: str) -> str:
    for name, shown in {"{home}": "~", "{config}": "~/.config", "{appdata}": "%APPDATA%"}.items():
        template = template.replace(name, shown)
    return template.replace("/", "\\") if template.startswith("%") else template


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


FILES: Final[Mapping[Path, Callable[[], str]]] = {
    BADGES / f"{host}.svg": lambda host=host: badge(host) for host in ("cursor", "vscode", "lm-studio", "goose")
}
"""The badges' files, from the project's folder, and what makes each."""
