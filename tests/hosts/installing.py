"""What `install` writes, read by the real hosts of the command line: `scripts/hosts --installed [--cache DIR]`.

The release is a wheel of this checkout, from a folder. The host's own `mcp list` then starts the entry, without a
network; after `uninstall` nothing of it is left.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runway_mcp.install.hosts import HOSTS, Machine, configuration
from runway_mcp.install.launcher import RELEASE
from tests.hosts.clients import CLIENTS
from tests.hosts.driving import LAUNCHER, QUIET
from tests.hosts.environments import installed, node_home
from tests.kit.processes import ROOT, environment

SECONDS = 120
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_TOKEN = "user:1234-of-a-test"


@dataclass(frozen=True)
class Lister:
    """A host of the command line: its client, its program in that one's folder, and the sign of a server that runs.

    `before` is its configuration beforehand. Codex lists servers without starting them.
    """

    client: str
    program: Callable[[Path], Sequence[str]]
    sign: str
    before: str


def _native(pattern: str) -> Callable[[Path], Sequence[str]]:
    def program(modules: Path) -> Sequence[str]:
        return [str(next(path for path in sorted(modules.glob(pattern)) if os.access(path, os.X_OK)))]

    return program


def _script(path: str) -> Callable[[Path], Sequence[str]]:
    return lambda modules: [str(node_home() / "bin" / "node"), str(modules / path)]


LISTERS: Mapping[str, Lister] = {
    "claude-code": Lister(
        "claude-code", _native("@anthropic-ai/claude-code-*/claude"), "✔ connected", '{\n  "numStartups": 1\n}'
    ),
    "codex": Lister(
        "codex", _script("@openai/codex/bin/codex.js"), "enabled", '# mine\nmodel = "x"  # y\n\n[mcp_servers]\n'
    ),
    "gemini": Lister("gemini-cli", _script(".bin/gemini"), "- connected", '{\n  // mine\n  "theme": "GitHub"\n}\n'),
    "opencode": Lister(
        "opencode", _native("opencode-*-x64*/bin/opencode"), "✓ runway connected", '{\n  // mine\n  "mcp": {},\n}\n'
    ),
}


def run_installed(names: Collection[str], cache: Path, work: Path) -> list[str]:
    """One line for each host whose client is named: how it went. One that begins with FAILED says what did not."""
    wheels = built_wheels(work)
    lines: list[str] = []
    for host, lister in LISTERS.items():
        if lister.client not in names:
            continue
        client = next(client for client in CLIENTS if client.name == lister.client)
        folder = work / host
        folder.mkdir()
        try:
            modules = installed(client, cache).folder / "node_modules"
            lines.append(f"{host} {client.version}: {_listed(host, lister, modules, folder, wheels)}")
        except (RuntimeError, OSError, LookupError) as error:
            lines.append(f"FAILED  {host} {client.version}: {error}")
    return lines


def built_wheels(work: Path) -> Path:
    """A folder with a wheel of this checkout, for `UV_FIND_LINKS`."""
    wheels = work / "wheels"
    _ran(["uv", "build", "--quiet", "--wheel", "--out-dir", str(wheels)], environment(), ROOT)
    return wheels


def uv_cache() -> str:
    """The cache of uv, which programs with a home of their own would not find."""
    return os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")


def _listed(host: str, lister: Lister, modules: Path, folder: Path, wheels: Path) -> str:
    home = folder / "home"
    env = _environment(home, wheels)
    file = configuration(HOSTS[host], Machine("linux", home, {}))
    file.parent.mkdir(parents=True)
    file.write_text(lister.before, encoding="utf-8")
    if host == "gemini":
        trusted = home / ".gemini" / "trustedFolders.json"
        trusted.write_text(json.dumps({str(folder): "TRUST_FOLDER"}), encoding="utf-8")

    _ran([str(LAUNCHER), "install", host], env | {"USEAPI_TOKEN": _TOKEN}, folder)
    text = file.read_text(encoding="utf-8")
    if RELEASE not in text or not re.search(r'"/[^"]*uvx"', text) or _TOKEN not in text:
        raise LookupError(f"the entry lacks the release, an absolute path or the token: {text}")
    said = _ran([*lister.program(modules), "mcp", "list"], env | QUIET | {"UV_OFFLINE": "1"}, folder)
    told = next((line for line in said.splitlines() if "runway" in line and lister.sign in line.lower()), None)
    if told is None:
        raise LookupError(f"not connected: {said}")
    _ran([str(LAUNCHER), "uninstall", host], env, folder)
    left = file.read_text(encoding="utf-8")
    if "useapi" in left:
        raise LookupError(f"uninstall left: {left}")
    after = "the same bytes" if left == lister.before else f"{' '.join(left.split())[:80]} as the host wrote it"
    return f"{' '.join(told.split())[:160]}; afterwards {after}"


def _environment(home: Path, wheels: Path) -> dict[str, str]:
    ours = {"HOME": str(home), "UV_FIND_LINKS": str(wheels), "UV_CACHE_DIR": uv_cache()}
    return {
        **{name: value for name, value in environment().items() if not name.startswith(("XDG_", "CODEX_", "CLAUDE_"))},
        **ours,
        "RUNWAY_MCP_DATA_DIR": str(home / "data"),
    }


def _ran(command: Sequence[str], env: Mapping[str, str], folder: Path) -> str:
    found = shutil.which(command[0]) or command[0]
    ended = subprocess.run(  # noqa: S603 - our own program, and the hosts' own commands
        [found, *command[1:]],
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    said = _COLOURS.sub("", ended.stdout + ended.stderr)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]} ended with {ended.returncode}: {said}")
    return said
