"""The hosts in whose configurations the server can be registered, one record each."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from runway_mcp.install.formats.edits import FormatName

System = Literal["linux", "macos", "windows"]
Secret = Literal["entry", "question", "keyring"]
"""How a host takes the token: in the entry, by a question that it asks and keeps, or from its keyring."""

PASSED: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
"""Variables, in capitals or not, without which the network may be out of reach of what a host starts."""

NAME: Final = "runway"
"""The name of the server in a host."""

OTHER_NAME: Final = "useapi-runway"
"""Its name where another program has the first one."""

TOKEN: Final = "USEAPI_TOKEN"  # noqa: S105  the name of a variable
QUESTION: Final = {
    "type": "promptString",
    "id": "useapi-token",
    "description": "useapi.net API token",
    "password": True,
}
"""VS Code's question for the token, which it asks once and keeps among its secrets."""

_VARIABLE: Final = re.compile(r"\{(\w+)\}")
_FOLDERS: Final = frozenset({"home", "config", "appdata", "localappdata"})


@dataclass(frozen=True)
class Machine:
    """What decides where configurations lie: the system, the home folder, the environment."""

    system: System
    home: Path
    environ: Mapping[str, str]

    @classmethod
    def here(cls, environ: Mapping[str, str]) -> "Machine":
        """This machine, with the variables of an environment."""
        systems: dict[str, System] = {"darwin": "macos", "win32": "windows"}
        return cls(systems.get(sys.platform, "linux"), Path.home(), environ)


@dataclass(frozen=True)
class Shape:
    """How an entry spells a server: its keys, and what stands before and after them.

    Without `args` the command and its arguments are one list; without `env` there are no variables in the entry.
    """

    command: str = "command"
    args: str | None = "args"
    env: str | None = "env"
    before: Mapping[str, object] = field(default_factory=dict[str, object])
    after: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class Host:
    """A host: where its configuration lies on each system, in which format, and how servers stand in it.

    Of `files` the first counts that exists, else the first whose folder does, else the first. In them `{home}`,
    `{config}`, `{appdata}` and `{localappdata}` are folders; another name is a variable of the host's own, which
    decides alone if it is set. `*` stands for any name. `servers` is the path of keys to the servers. A host is found
    by its file, and by `commands` and `folders`, which are the file's folder if there are none. `inherits` says that
    what it starts has the variables of the shell: it is started there, or reads them, and passes all of them on.
    """

    id: str
    title: str
    files: Mapping[System, tuple[str, ...]]
    servers: tuple[str, ...] = ("mcpServers",)
    format: "FormatName" = "json"
    shape: Shape = Shape()
    secret: Secret = "entry"  # noqa: S105  a way, not a secret
    commands: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    inherits: bool = False
    next: str = "restart it"


def _everywhere(*files: str) -> dict[System, tuple[str, ...]]:
    return {"linux": files, "macos": files, "windows": files}


_MINUTES: Final = 120
"""Seconds that a start may take where a host asks: packages may have left the cache since they were fetched."""

_ALL: Final = (
    Host(
        "claude-desktop",
        "Claude Desktop",
        {
            "linux": ("{config}/Claude/claude_desktop_config.json",),
            "macos": ("{home}/Library/Application Support/Claude/claude_desktop_config.json",),
            # The packaged app, which is today's installer, sees its own copy of the roaming folder alone.
            "windows": (
                "{localappdata}/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json",
                "{appdata}/Claude/claude_desktop_config.json",
            ),
        },
        next="quit and start Claude Desktop",
    ),
    Host(
        "claude-code",
        "Claude Code",
        _everywhere("{CLAUDE_CONFIG_DIR}/.claude.json", "{home}/.claude.json"),
        shape=Shape(before={"type": "stdio"}),
        commands=("claude",),
        inherits=True,
        folders=("{CLAUDE_CONFIG_DIR}", "{home}/.claude"),
        next="start a new session; `claude mcp list` shows it",
    ),
    Host(
        "cursor",
        "Cursor",
        _everywhere("{home}/.cursor/mcp.json"),
        next="switch it on in Cursor Settings, MCP",
    ),
    Host(
        "vscode",
        "VS Code",
        {
            "linux": ("{config}/Code/User/mcp.json",),
            "macos": ("{home}/Library/Application Support/Code/User/mcp.json",),
            "windows": ("{appdata}/Code/User/mcp.json",),
        },
        servers=("servers",),
        shape=Shape(before={"type": "stdio"}),
        secret="question",  # noqa: S106  a way, not a secret
        commands=("code",),
        inherits=True,
        next="start it with `MCP: List Servers`; VS Code then asks for the token once and keeps it",
    ),
    Host(
        "windsurf",
        "Windsurf",
        _everywhere("{home}/.codeium/windsurf/mcp_config.json"),
        next="press refresh in Windsurf's list of MCP servers",
    ),
    Host(
        "zed",
        "Zed",
        {
            "linux": ("{config}/zed/settings.json",),
            "macos": ("{home}/.config/zed/settings.json",),
            "windows": ("{appdata}/Zed/settings.json",),
        },
        servers=("context_servers",),
        commands=("zed",),
        inherits=True,
        next="see Agent Settings for its green dot",
    ),
    Host(
        "codex",
        "Codex CLI",
        _everywhere("{CODEX_HOME}/config.toml", "{home}/.codex/config.toml"),
        servers=("mcp_servers",),
        format="toml",
        shape=Shape(after={"startup_timeout_sec": _MINUTES}),
        commands=("codex",),
        next="start a new session; `codex mcp list` shows it",
    ),
    Host(
        "gemini",
        "Gemini CLI",
        _everywhere("{home}/.gemini/settings.json"),
        # Its default for calls; `gemini mcp list` alone would give a server five seconds to start.
        shape=Shape(after={"timeout": 600_000}),
        commands=("gemini",),
        inherits=True,
        next="start a new session in a trusted folder; `gemini mcp list` shows it",
    ),
    Host(
        "goose",
        "Goose",
        {
            "linux": ("{config}/goose/config.yaml",),
            "macos": ("{home}/.config/goose/config.yaml",),
            "windows": ("{appdata}/Block/goose/config/config.yaml",),
        },
        servers=("extensions",),
        format="yaml",
        shape=Shape(
            "cmd",
            env=None,
            before={"name": NAME, "description": "Extends Runway videos", "type": "stdio", "enabled": True},
            after={"env_keys": [TOKEN], "timeout": 300},
        ),
        secret="keyring",  # noqa: S106  a way, not a secret
        commands=("goose",),
        inherits=True,
        next=f"give Goose the {TOKEN}: in its settings of the extension, which keep it in the keyring, or a variable",
    ),
    Host(
        "lm-studio",
        "LM Studio",
        _everywhere("{home}/.lmstudio/mcp.json", "{home}/.cache/lm-studio/mcp.json"),
        commands=("lms",),
        next="switch it on in LM Studio's Program tab",
    ),
    Host(
        "opencode",
        "opencode",
        _everywhere(
            "{config}/opencode/opencode.json", "{config}/opencode/opencode.jsonc", "{config}/opencode/config.json"
        ),
        servers=("mcp",),
        shape=Shape(args=None, env="environment", before={"type": "local"}, after={"timeout": _MINUTES * 1000}),
        commands=("opencode",),
        inherits=True,
        next="start a new session; `opencode mcp list` shows it",
    ),
)

HOSTS: Final[Mapping[str, Host]] = {host.id: host for host in _ALL}
"""All hosts, by what `install` calls them."""


def host_id(given: str) -> str | None:
    """The id of a host that a person names by id or title, in any case, with or without blanks and hyphens."""
    names = {_plain(name): host.id for host in _ALL for name in (host.id, host.title)}
    return names.get(_plain(given))


def passed(host: Host, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of the network that are set here, and that the host would not pass on to what it starts."""
    if host.inherits or host.shape.env is None:
        return {}
    names = [spelled for name in PASSED for spelled in (name, name.lower())]
    return {name: environ[name] for name in names if environ.get(name, "").strip()}


def configuration(host: Host, machine: Machine) -> Path:
    """The file of a host's configuration, which need not exist."""
    files = [file for template in host.files[machine.system] for file in _paths(template, machine)]
    own = [template for template in host.files[machine.system] if _is_own(template)]
    decided = next((path for template in own for path in _paths(template, machine)), None)
    there = [file for file in files if _exists(file)] or [file for file in files if os.path.isdir(file.parent)]  # noqa: PTH112  as in `_exists`
    return decided or (there or files)[0]


def is_found(host: Host, machine: Machine) -> bool:
    """Whether there are signs of a host: its configuration, its folder, or its command in the PATH."""
    file = configuration(host, machine)
    folders = [path for template in host.folders for path in _paths(template, machine)] or [file.parent]
    path = machine.environ.get("PATH", "")
    return (
        _exists(file)
        or any(os.path.isdir(folder) for folder in folders)  # noqa: PTH112  as in `_exists`
        or any(shutil.which(command, path=path) for command in host.commands)
    )


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _exists(file: Path) -> bool:
    """Whether there is a file; False where one may not look, for which `Path.exists` raises."""
    return os.path.exists(file)  # noqa: PTH110  see above


def _is_own(template: str) -> bool:
    """Whether a template names a variable of the host's own."""
    return bool(set(_VARIABLE.findall(template)) - _FOLDERS)


def _paths(template: str, machine: Machine) -> Iterator[Path]:
    """The paths that a template means on a machine: none if it names an unset variable, several with `*`."""
    names: list[str] = _VARIABLE.findall(template)
    values = {name: _folder(name, machine) for name in names}
    if not all(values.values()):
        return
    text = _VARIABLE.sub(lambda found: values[found[1]].replace("\\", "/"), template)
    before, star, after = text.partition("*")
    if not star:
        yield Path(text)
        return
    parent, _, stem = before.rpartition("/")
    yield from (Path(f"{found.as_posix()}{after}") for found in sorted(Path(parent).glob(f"{stem}*")))


def _folder(name: str, machine: Machine) -> str:
    """The folder that a name in a template stands for, empty if its variable is not set."""
    home = machine.home.as_posix()
    match name:
        case "home":
            return home
        case "config":
            return _variable("XDG_CONFIG_HOME", machine) or f"{home}/.config"
        case "appdata":
            return _variable("APPDATA", machine) or f"{home}/AppData/Roaming"
        case "localappdata":
            return _variable("LOCALAPPDATA", machine) or f"{home}/AppData/Local"
        case _:
            return _variable(name, machine)


def _variable(name: str, machine: Machine) -> str:
    return machine.environ.get(name, "").strip()
