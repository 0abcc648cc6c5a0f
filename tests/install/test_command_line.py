import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from runway_mcp.install.launcher import RELEASE
from tests.install.machines import SECRET
from tests.kit.processes import PROGRAM, environment


def machine(folder: Path, *, script: str = "", **ours: str) -> dict[str, str]:
    """The environment of a machine with a home folder of its own and a `uvx` that runs a script."""
    uvx = folder / "bin" / "uvx"
    uvx.parent.mkdir(exist_ok=True)
    uvx.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    uvx.chmod(0o700)
    path = f"{uvx.parent}{os.pathsep}{os.environ['PATH']}"
    return environment(HOME=str(folder), PATH=path, RUNWAY_MCP_DATA_DIR=str(folder / "data"), **ours)


def run(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  our own program
        [*PROGRAM, *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_host_is_registered_and_taken_back_from_the_command_line(tmp_path: Path) -> None:
    env = machine(tmp_path, USEAPI_TOKEN=SECRET)
    file = tmp_path / ".cursor" / "mcp.json"

    printed = run("install", "cursor", "--print", env=env)
    untouched = not file.parent.exists()
    installed = run("install", "cursor", env=env)
    text = file.read_text()
    listed = run("install", env=env)
    removed = run("uninstall", "cursor", env=env)

    for ended in (printed, installed, listed, removed):
        assert (ended.returncode, ended.stderr, SECRET in ended.stdout) == (0, "", False)
    assert untouched
    assert f'"command": "{tmp_path}/bin/uvx"' in text
    assert f'"args": ["--from", "{RELEASE}", "useapi-runway-mcp"]' in text
    assert f'"USEAPI_TOKEN": "{SECRET}"' in text
    assert f'+     "runway": {{\n  +       "command": "{tmp_path}/bin/uvx"' in installed.stdout
    assert "cursor  Cursor  " in listed.stdout
    assert not file.parent.exists()


@pytest.mark.parametrize(
    ("content", "script", "told"),
    [
        ("{", "", "was left as it is: it is not valid JSON, at line 1, column 2"),
        ("{}", "echo 'no network' >&2; exit 1", "cannot be fetched: no network. Nothing was written"),
    ],
)
def test_what_stops_an_install_is_one_line_and_exit_code_1(
    content: str, script: str, told: str, tmp_path: Path
) -> None:
    file = tmp_path / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_text(content)

    ended = run("install", "cursor", env=machine(tmp_path, script=script))

    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.endswith(f"{told}\n")
    assert file.read_text() == content


def test_uninstall_of_what_is_malformed_is_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / ".claude.json").write_text("[")

    ended = run("uninstall", "claude-code", env=machine(tmp_path))

    assert ended.returncode == 1
    assert "was left as it is" in ended.stderr


def test_a_bad_setting_stops_an_install_with_exit_code_2(tmp_path: Path) -> None:
    ended = run("install", env=machine(tmp_path, RUNWAY_MCP_WAIT_SECONDS="soon"))

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "RUNWAY_MCP_WAIT_SECONDS must be" in ended.stderr


def test_at_a_terminal_the_token_is_asked_for_and_not_shown(tmp_path: Path) -> None:
    terminal, other_end = pty.openpty()
    env = machine(tmp_path)
    with subprocess.Popen(  # noqa: S603  our own program
        [*PROGRAM, "install", "cursor"],
        env=env,
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        start_new_session=True,
    ) as program:
        os.close(other_end)
        said = b""
        while b"later): " not in said:
            said += os.read(terminal, 4096)
        os.write(terminal, f"{SECRET}\n".encode())
        try:
            while more := os.read(terminal, 4096):
                said += more
        except OSError:  # Linux tells so that the other end was closed
            pass
        assert program.wait(30) == 0
    os.close(terminal)

    assert SECRET.encode() not in said
    assert SECRET in (tmp_path / ".cursor" / "mcp.json").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_process_of_an_install_has_the_token_on_its_command_line(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    env = machine(tmp_path, script=f"cat /proc/[0-9]*/cmdline >> {seen} 2>/dev/null", USEAPI_TOKEN=SECRET)

    assert run("install", "cursor", env=env).returncode == 0
    assert b"useapi-runway-mcp" in seen.read_bytes()
    assert SECRET.encode() not in seen.read_bytes()
