import sys
from pathlib import Path

import pytest

from runway_mcp import __version__
from runway_mcp.install.command import standings, surroundings
from runway_mcp.install.hosts import HOSTS, Machine, configuration, is_found
from tests.install.machines import SECRET, Desk

LIBRARY = "Library/Application Support"
PATHS = {
    "claude-desktop": (
        ".config/Claude/claude_desktop_config.json",
        f"{LIBRARY}/Claude/claude_desktop_config.json",
        "AppData/Roaming/Claude/claude_desktop_config.json",
    ),
    "claude-code": (".claude.json",) * 3,
    "cursor": (".cursor/mcp.json",) * 3,
    "vscode": (".config/Code/User/mcp.json", f"{LIBRARY}/Code/User/mcp.json", "AppData/Roaming/Code/User/mcp.json"),
    "windsurf": (".codeium/windsurf/mcp_config.json",) * 3,
    "zed": (".config/zed/settings.json", ".config/zed/settings.json", "AppData/Roaming/Zed/settings.json"),
    "codex": (".codex/config.toml",) * 3,
    "gemini": (".gemini/settings.json",) * 3,
    "goose": (
        ".config/goose/config.yaml",
        ".config/goose/config.yaml",
        "AppData/Roaming/Block/goose/config/config.yaml",
    ),
    "lm-studio": (".lmstudio/mcp.json",) * 3,
    "opencode": (".config/opencode/opencode.json",) * 3,
}
"""Where each host keeps its configuration in the home folder, on Linux, macOS and Windows."""

PACKAGED = "AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json"
MOVED: list[tuple[str, str, dict[str, str], list[str], str]] = [
    ("claude-desktop", "windows", {}, [str(Path(PACKAGED).parent)], PACKAGED),
    ("claude-desktop", "windows", {"APPDATA": "{home}/R"}, [], "R/Claude/claude_desktop_config.json"),
    ("claude-desktop", "linux", {"XDG_CONFIG_HOME": "{home}/c"}, [], "c/Claude/claude_desktop_config.json"),
    ("claude-code", "linux", {"CLAUDE_CONFIG_DIR": "{home}/cc"}, [".claude"], "cc/.claude.json"),
    ("codex", "macos", {"CODEX_HOME": "{home}/cx"}, [".codex"], "cx/config.toml"),
    ("codex", "macos", {"CODEX_HOME": " "}, [".codex"], ".codex/config.toml"),
    ("lm-studio", "linux", {}, [".cache/lm-studio"], ".cache/lm-studio/mcp.json"),
    ("lm-studio", "linux", {}, [".cache/lm-studio", ".lmstudio"], ".lmstudio/mcp.json"),
]


@pytest.mark.parametrize("system", ["linux", "macos", "windows"])
@pytest.mark.parametrize("host", HOSTS)
def test_each_host_s_configuration_lies_where_its_documentation_says(host: str, system: str, tmp_path: Path) -> None:
    column = ("linux", "macos", "windows").index(system)

    found = configuration(HOSTS[host], Machine(("linux", "macos", "windows")[column], tmp_path, {}))

    assert found == tmp_path / PATHS[host][column]


@pytest.mark.parametrize(("host", "system", "environ", "folders", "expected"), MOVED)
def test_a_configuration_that_was_moved_is_found(
    host: str, system: str, environ: dict[str, str], folders: list[str], expected: str, tmp_path: Path
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    column = ("linux", "macos", "windows").index(system)
    set_ = {name: value.format(home=tmp_path) for name, value in environ.items()}

    found = configuration(HOSTS[host], Machine(("linux", "macos", "windows")[column], tmp_path, set_))

    assert found == tmp_path / expected


@pytest.mark.parametrize("name", ["opencode.jsonc", "config.json"])
def test_the_file_that_is_there_counts_before_the_usual_one(name: str, desk: Desk) -> None:
    folder = desk.home / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / name).write_text("{}")

    assert desk.file("opencode").name == name


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_is_found_by_its_configuration(host: str, desk: Desk) -> None:
    assert not is_found(HOSTS[host], desk.machine)
    desk.put(host, b"")
    assert is_found(HOSTS[host], desk.machine)


def test_a_host_is_found_by_its_command(desk: Desk) -> None:
    command = desk.home / "bin" / "codex"
    command.parent.mkdir(parents=True)
    command.touch(0o755)
    desk.environ["PATH"] = str(command.parent)

    assert [name for name, host in HOSTS.items() if is_found(host, desk.machine)] == ["codex"]


def test_without_a_host_those_of_the_machine_are_listed_with_their_standing(desk: Desk) -> None:
    uvx = desk.home / "bin" / "uvx"
    uvx.parent.mkdir(parents=True)
    uvx.touch(0o755)
    desk.launchers = [type(desk.launchers[0])(str(uvx), desk.launchers[0].args)]
    desk.environ["USEAPI_TOKEN"] = SECRET
    desk.install("cursor")
    desk.put("gemini", b"{")
    desk.put("codex", b'[mcp_servers.r]\ncommand = "gone"\nargs = ["useapi-runway-mcp==0.0.1"]\n')
    desk.put("zed", b"{}")
    old = f'{{"mcpServers": {{"r": {{"command": "{uvx}", "args": ["useapi-runway-mcp==0.0.1"]}}}}}}'
    desk.put("windsurf", old.encode())
    desk.put("lm-studio", old.replace("==0.0.1", "").encode())

    lines = {line.split()[0]: line for line in desk.hosts().splitlines()}

    assert [*lines][:-1] == ["cursor", "windsurf", "zed", "codex", "gemini", "lm-studio"]
    assert lines["cursor"].endswith(f"{desk.file('cursor')}  runway {__version__}")
    assert lines["zed"].endswith("settings.json  not installed")
    assert lines["gemini"].endswith("settings.json  it is not valid JSON, at line 1, column 2")
    assert "r 0.0.1: its command gone is not there" in lines["codex"]
    assert f"r 0.0.1: it starts version 0.0.1, this is {__version__}" in lines["windsurf"]
    assert lines["lm-studio"].endswith("r (no version named): its USEAPI_TOKEN is empty")


def test_a_machine_without_hosts_is_told_which_names_there_are(desk: Desk) -> None:
    assert desk.hosts().endswith(", ".join(HOSTS))


def test_a_standing_tells_what_a_check_of_the_set_up_needs(desk: Desk) -> None:
    desk.install("goose")

    standing = standings(desk.machine)[0]

    assert (standing.host.id, standing.file, standing.name) == ("goose", desk.file("goose"), "runway")
    assert (standing.version, standing.command) == (__version__, desk.launchers[0].command)


def test_this_machine_is_the_one_it_runs_on(tmp_path: Path) -> None:
    around = surroundings(tmp_path, print, None)

    assert around.machine.home == Path.home()
    assert around.machine.system == {"linux": "linux", "darwin": "macos", "win32": "windows"}[sys.platform]
