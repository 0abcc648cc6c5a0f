"""Every command of the README and of the pages for users is run: here, in CI, or by the real host that it is for."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from scripts.server_snippets import shell
from tests.kit.processes import PROGRAM, ROOT, http_server_process, server_environment
from tests.kit.stand_in import open_stand_in

PAGES = ["README.md", *(f"docs/{name}.md" for name in ("install", "settings", "http", "troubleshooting", "tools"))]
LAUNCHED = shell()
BY_CI = ["pip install uv", "uv run useapi-runway-mcp demo", "uv run pytest"]


def commands() -> list[str]:
    """The commands of all pages, each once, without comments."""
    blocks = [
        block
        for page in PAGES
        for block in re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    ]
    lines = [re.sub(r"\s+# .*", "", line) for block in blocks for line in block.splitlines()]
    return list(dict.fromkeys(part for line in lines if line for part in line.split(" && ")))


def launched(command: str) -> tuple[dict[str, str], list[str]]:
    """The variables and the arguments of a command that launches this program."""
    before, _, after = command.partition(LAUNCHED)
    return dict(each.split("=", 1) for each in shlex.split(before)), shlex.split(after)


def launcher_that_has_all(folder: Path) -> Path:
    """The folder of a `uvx` that has every package at hand, so that nothing is fetched."""
    uvx = folder / "bin" / "uvx"
    uvx.parent.mkdir()
    uvx.write_text("#!/bin/sh\n", encoding="utf-8")
    uvx.chmod(0o700)
    return uvx.parent


STARTED = [command for command in commands() if LAUNCHED in command and "mcp add" not in command]


def test_every_command_of_the_pages_is_run_somewhere() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    by_host = [command for command in commands() if command.startswith("claude mcp add ")]

    assert set(commands()) == {*STARTED, *BY_CI, *by_host}
    assert len(STARTED) >= 2
    assert "useapi-runway-mcp demo" in ci
    assert "uv run pytest" in ci
    assert "pip install --quiet --quiet uv" in ci
    assert 'shell("Claude Code")' in (ROOT / "tests/hosts/drivers/with_claude_code.py").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("command", [each for each in STARTED if " serve " not in each])
def test_a_command_ends_well(command: str, tmp_path: Path) -> None:
    variables, arguments = launched(command)
    with open_stand_in(pace=1) as upstream:
        here = {"HOME": str(tmp_path), "PATH": f"{launcher_that_has_all(tmp_path)}{os.pathsep}{os.environ['PATH']}"}
        env = server_environment(upstream.url, tmp_path, **variables | {"USEAPI_TOKEN": upstream.token} | here)
        ended = subprocess.run(  # noqa: S603 - our own program
            [*PROGRAM, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
        )

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("command", [each for each in STARTED if " serve " in each])
def test_a_server_listens(command: str, tmp_path: Path) -> None:
    variables, arguments = launched(command)
    port = arguments.index("--port") + 1
    arguments[port] = "0"

    env = server_environment("http://127.0.0.1:9/v1", tmp_path, **variables)
    with http_server_process([*PROGRAM, *arguments], env) as served:
        assert served.mcp.startswith("http://127.0.0.1:")
