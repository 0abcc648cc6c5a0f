import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from runway_mcp.install.command import InstallError
from runway_mcp.install.files import read, write
from runway_mcp.install.formats.edits import ConfigurationError
from runway_mcp.install.hosts import HOSTS
from runway_mcp.install.launcher import Launcher, uvx_launcher
from tests.install.configurations import CONFIGURATIONS
from tests.install.machines import UVX, Desk, bytes_of, tree

MALFORMED = [
    ("cursor", b'{"mcpServers": {', "not valid JSON, at line 1, column 17"),
    ("cursor", b'{\n  "mcpServers": {}\n}\n}', "not valid JSON, at line 4, column 1"),
    ("cursor", b'{"a": 1 "b": 2}', "not valid JSON, at line 1, column 9"),
    ("cursor", b'{"a": 01}', "not valid JSON, at line 1, column 8"),
    ("cursor", b'{"a": "x\ny"}', "not valid JSON, at line 1, column 7"),
    ("cursor", b"{'a': 1}", "not valid JSON, at line 1, column 2"),
    ("cursor", b'{"a": [NaN]}', "not valid JSON, at line 1, column 8"),
    ("cursor", b"{a: 1}", "not valid JSON, at line 1, column 2"),
    ("cursor", b"[" * 100_000, "nested too deeply"),
    ("cursor", b"[]", "does not hold a JSON object"),
    ("cursor", b'{"mcpServers": ["a"]}', "mcpServers does not hold servers by their names"),
    ("vscode", b'{"inputs": {"a": 1}}', "inputs is not a list"),
    ("zed", b"{} /* never closed", "not valid JSON, at line 1, column 4"),
    ("codex", b"[mcp_servers.a\n", "not valid TOML: "),
    ("codex", b'mcp_servers = "none"\n', "mcp_servers does not hold servers by their names"),
    ("codex", b"a = 1\na = 2\n", "not valid TOML: "),
    ("goose", b"extensions:\n  a: [\n", "not valid YAML, at line 3"),
    ("goose", b"a: 1\n---\nb: 2\n", "not valid YAML"),
    ("goose", b"a: 1\na: 2\n", "not valid YAML, at line 2"),
    ("goose", b"- a\n", "does not hold a mapping"),
    ("goose", b"extensions: [a]\n", "extensions does not hold servers by their names"),
    ("cursor", '{"mcpServers": {}}'.encode("utf-16"), "not text in UTF-8"),
]


@pytest.mark.parametrize(("host", "content", "told"), MALFORMED)
def test_what_is_malformed_is_left_alone_and_told_in_one_line(host: str, content: bytes, told: str, desk: Desk) -> None:
    file = desk.put(host, content)
    before = tree(desk.home)

    with pytest.raises(InstallError) as refused:
        desk.install(host)

    assert str(refused.value).startswith(f"{file} was left as it is: ")
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert (tree(desk.home), desk.fetched) == (before, [])


@pytest.mark.parametrize("content", [b"{", b'{"mcpServers": ["a"]}', b"\xff"])
def test_uninstall_leaves_what_is_malformed_alone(content: bytes, desk: Desk) -> None:
    file = desk.put("cursor", content)

    with pytest.raises(InstallError, match="was left as it is"):
        desk.uninstall("cursor")

    assert file.read_bytes() == content


@contextmanager
def read_only(file: Path) -> Generator[None]:
    file.chmod(0o444)
    yield


HOLDER = """
import fcntl, sys
with open(sys.argv[1], "rb+") as held:
    fcntl.lockf(held, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def locked_by_another_process(file: Path) -> Generator[None]:
    with subprocess.Popen(  # noqa: S603  Python itself
        [sys.executable, "-c", HOLDER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline() == b"held\n"
        yield
        holder.stdin.close()
        holder.wait(10)


@contextmanager
def flocked(file: Path) -> Generator[None]:
    with file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("locked", [read_only, locked_by_another_process, flocked])
@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_what_is_locked_is_left_alone(
    command: str, locked: Callable[[Path], AbstractContextManager[None]], desk: Desk
) -> None:
    file = desk.put("cursor", CONFIGURATIONS["cursor"]["as documented"])
    if command == "uninstall":
        desk.install("cursor")
        del desk.fetched[:]
    before = tree(desk.home)

    with locked(file), pytest.raises(InstallError, match="was left as it is: it is locked"):
        desk.install("cursor") if command == "install" else desk.uninstall("cursor")

    assert (tree(desk.home), desk.fetched) == (before, [])


def test_a_configuration_that_another_program_changes_meanwhile_is_left_alone(desk: Desk) -> None:
    file = desk.put("cursor", b"{}")

    def write_theirs() -> None:
        file.write_bytes(b'{"theirs": 1}')

    desk.at_fetch = write_theirs

    with pytest.raises(InstallError, match="it was changed by another program at this moment; try again"):
        desk.install("cursor")

    assert file.read_bytes() == b'{"theirs": 1}'
    assert not (desk.data_dir / "installed").exists()


def test_an_update_that_could_not_be_written_leaves_the_earlier_install_to_be_taken_back(desk: Desk) -> None:
    content = CONFIGURATIONS["cursor"]["as documented"]
    file = desk.put("cursor", content)
    desk.install("cursor")
    installed = file.read_bytes()
    desk.launchers = [uvx_launcher("/other/uvx")]

    def write_theirs() -> None:
        file.write_bytes(installed + b"\n")

    desk.at_fetch = write_theirs
    with pytest.raises(InstallError, match="it was changed by another program"):
        desk.install("cursor")
    file.write_bytes(installed)
    desk.uninstall("cursor")

    assert file.read_bytes() == content


def test_what_is_too_large_for_a_configuration_is_not_read(desk: Desk) -> None:
    file = desk.put("cursor", b"{}")
    with file.open("r+b") as out:
        out.truncate(64 * 1024 * 1024 + 1)

    with pytest.raises(InstallError, match="it is too large for a configuration"):
        desk.install("cursor")


def test_a_write_that_fails_leaves_no_file_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    content = read(tmp_path / "there.json")
    (tmp_path / "there.json").mkdir()

    with pytest.raises(ConfigurationError):
        write(content, "{}")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "there.json"]


def test_a_package_that_cannot_be_had_leaves_the_configuration_alone(desk: Desk) -> None:
    content = CONFIGURATIONS["cursor"]["as documented"]
    file = desk.put("cursor", content)
    desk.unavailable = {desk.launchers[0].args[1]}
    before = tree(desk.home)

    with pytest.raises(InstallError, match=r"cannot be fetched: no network\. Nothing was written"):
        desk.install("cursor")

    assert bytes_of(file) == content
    assert tree(desk.home) == before


def test_without_a_network_only_the_first_source_is_tried_and_what_is_cached_serves(desk: Desk) -> None:
    desk.launchers.append(uvx_launcher(UVX, "useapi-runway-mcp[media] @ file:///src"))
    desk.unavailable = {launcher.args[1] for launcher in desk.launchers}

    with pytest.raises(InstallError, match=r"==.* cannot be fetched: no network"):
        desk.install("cursor")
    assert desk.fetched == desk.launchers[:1]

    desk.cached = {desk.launchers[1].args[1]}
    desk.install("cursor")
    assert desk.fetched == desk.launchers[:1]
    assert b"file:///src" in desk.file("cursor").read_bytes()


def test_what_the_index_lacks_is_taken_from_where_this_program_came_from(desk: Desk) -> None:
    desk.launchers.append(uvx_launcher(UVX, "useapi-runway-mcp[media] @ file:///src"))
    desk.unavailable, desk.is_absent = {desk.launchers[0].args[1]}, True

    desk.install("cursor")
    again = desk.install("cursor")

    assert b'"useapi-runway-mcp[media] @ file:///src"' in desk.file("cursor").read_bytes()
    assert [launcher.args[1] for launcher in desk.fetched] == [launcher.args[1] for launcher in desk.launchers]
    assert "Nothing to change." in again


def test_the_packages_are_there_before_the_entry_is(desk: Desk) -> None:
    seen: list[bytes | None] = []
    file = desk.put("cursor", b"{}")
    desk.at_fetch = lambda: seen.append(file.read_bytes())

    desk.install("cursor")

    assert seen == [b"{}"]


def test_a_data_folder_that_cannot_be_written_leaves_the_configuration_alone(desk: Desk) -> None:
    file = desk.put("cursor", b"{}")
    desk.data_dir.write_bytes(b"a file")

    with pytest.raises(InstallError, match=r"was left as it is: .*data cannot be written"):
        desk.install("cursor")

    assert file.read_bytes() == b"{}"


@pytest.mark.parametrize("host", HOSTS)
def test_no_other_program_s_server_is_touched(host: str, desk: Desk) -> None:
    theirs = {"runway": {"command": "npx", "args": ["-y", "@runwayml/mcp"]}}
    desk.put(host, None).parent.mkdir(parents=True)
    desk.install(host)
    mine = desk.file(host).read_text()
    desk.file(host).write_text(mine.replace("useapi-runway-mcp", "runwayml"))
    theirs = desk.file(host).read_bytes()

    desk.install(host)

    assert b"useapi-runway" in desk.file(host).read_bytes()
    desk.uninstall(host)
    assert desk.file(host).read_bytes() == theirs


def test_two_servers_of_other_programs_under_both_names_are_left_alone(desk: Desk) -> None:
    content = b'{"mcpServers": {"runway": {"command": "a"}, "useapi-runway": {"command": "b"}}}'
    file = desk.put("cursor", content)

    with pytest.raises(InstallError, match="start other programs; rename one of them"):
        desk.install("cursor")

    assert file.read_bytes() == content


def test_links_stay_links_and_their_target_is_changed(desk: Desk) -> None:
    target = desk.home / "dotfiles" / "mcp.json"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"{}")
    file = desk.put("cursor", None)
    file.parent.mkdir(parents=True)
    file.symlink_to(target)

    desk.install("cursor")
    installed = target.read_bytes()
    desk.uninstall("cursor")

    assert file.is_symlink()
    assert b"useapi-runway-mcp" in installed
    assert target.read_bytes() == b"{}"


def test_a_new_configuration_is_the_owner_s_alone(desk: Desk) -> None:
    desk.install("cursor")

    records = [*(desk.data_dir / "installed").iterdir()]
    assert {os.stat(path).st_mode & 0o777 for path in (desk.file("cursor"), *records)} == {0o600}  # noqa: PTH116


def test_this_program_itself_is_started_where_there_is_no_uvx(desk: Desk) -> None:
    desk.launchers = [Launcher("/opt/venv/bin/useapi-runway-mcp", ())]

    said = desk.install("cursor")

    assert "Fetching" not in said
    assert '"command": "/opt/venv/bin/useapi-runway-mcp"' in desk.file("cursor").read_text()
