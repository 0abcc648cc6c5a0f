import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from runway_mcp import __version__
from runway_mcp.doctor.finding import Finding
from runway_mcp.simulator.builders import small_world
from tests.doctor.world import found, variables


async def told_of(entries: dict[str, Any], folder: Path, mode: int = 0o600) -> Finding:
    """What is told of a machine on which Cursor has these servers."""
    home = folder / "home"
    (home / ".cursor").mkdir(parents=True)
    (home / ".cursor" / "mcp.json").write_text(json.dumps({"mcpServers": entries}), encoding="utf-8")
    (home / ".cursor" / "mcp.json").chmod(mode)
    return (await found(variables(folder), small_world(), home=home))["hosts"]


def entry(**changes: Any) -> dict[str, Any]:
    """An entry that starts this program, by a command that is there."""
    args = ["--from", f"useapi-runway-mcp[media]=={__version__}", "useapi-runway-mcp"]
    return {"command": sys.executable, "args": args, "env": {"USEAPI_TOKEN": "user:1-a"}} | changes


async def test_an_entry_that_starts_this_program_is_ok(tmp_path: Path) -> None:
    finding = await told_of({"runway": entry()}, tmp_path)

    assert (finding.status, finding.message) == ("ok", "Cursor has an entry for this program")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"command": "/nowhere/uvx"}, "its command /nowhere/uvx is not there"),
        ({"args": ["--from", "useapi-runway-mcp==0.0.1", "useapi-runway-mcp"]}, "it starts version 0.0.1"),
        ({"env": {}}, "its USEAPI_TOKEN is empty"),
    ],
)
async def test_what_is_wrong_with_an_entry_is_told_with_its_host(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    finding = await told_of({"runway": entry(**changes)}, tmp_path)

    assert finding.status == "warning"
    assert f"Cursor: {words}" in finding.message
    assert "user:1-a" not in f"{finding}"


@pytest.mark.skipif(os.name == "nt", reason="files have no modes on Windows")
@pytest.mark.parametrize(
    ("token", "mode", "status"),
    [("user:1-a", 0o644, "warning"), ("user:1-a", 0o620, "warning"), ("user:1-a", 0o600, "ok"), ("${T}", 0o644, "ok")],
)
async def test_a_token_that_other_users_may_read_is_warned_of(
    token: str, mode: int, status: str, tmp_path: Path
) -> None:
    finding = await told_of({"runway": entry(env={"USEAPI_TOKEN": token})}, tmp_path, mode)

    assert finding.status == status
    file = tmp_path / "home" / ".cursor" / "mcp.json"
    told = f"Cursor: other users of this machine may read the token in {file}; `chmod 600` closes it"
    assert (told in finding.message) == (status == "warning")


async def test_all_that_is_wrong_with_an_entry_is_told(tmp_path: Path) -> None:
    finding = await told_of({"runway": entry(command="/nowhere/uvx")}, tmp_path, 0o644)

    assert "its command /nowhere/uvx is not there" in finding.message
    assert "may read the token" in finding.message


async def test_a_malformed_configuration_is_told(tmp_path: Path) -> None:
    (tmp_path / "home" / ".cursor").mkdir(parents=True)
    (tmp_path / "home" / ".cursor" / "mcp.json").write_text("{", encoding="utf-8")

    finding = (await found(variables(tmp_path), small_world(), home=tmp_path / "home"))["hosts"]

    assert finding.status == "warning"
    assert finding.message.startswith("Cursor: ")


async def test_a_host_without_an_entry_is_told_with_the_command_that_makes_one(tmp_path: Path) -> None:
    finding = await told_of({}, tmp_path)

    assert (finding.status, finding.remedy) == ("warning", "useapi-runway-mcp install HOST")
    assert finding.message == "of Cursor none has an entry for this program"
