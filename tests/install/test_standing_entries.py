"""What `uninstall` leaves, and says of it: entries that a person wrote, copies, inputs, modes."""

import json
import os
from pathlib import Path

import pytest

from runway_mcp.install.files import BACKUP
from runway_mcp.install.hosts import HOSTS
from runway_mcp.install.launcher import uvx_launcher
from tests.install.configurations import CONFIGURATIONS
from tests.install.machines import SECRET, UVX, Desk, bytes_of, tree

posix = pytest.mark.skipif(os.name == "nt", reason="files have no modes on Windows")
BY_HAND = {
    "cursor": '{"mcpServers": {"mine": {"command": "uvx", "args": ["useapi-runway-mcp"], "disabled": true}}}',
    "opencode": '{"mcp": {"mine": {"type": "local", "command": ["python", "-m", "runway_mcp"]}}}',
    "codex": '[mcp_servers.mine]\ncommand = "uvx"\nargs = ["useapi-runway-mcp"]\n',
    "goose": "extensions:\n  mine:\n    cmd: uvx\n    args:\n    - useapi-runway-mcp\n    type: stdio\n",
}
"""Entries that people wrote themselves."""


def mode_of(file: Path) -> int:
    return file.stat().st_mode & 0o777


@pytest.mark.parametrize("host", BY_HAND)
def test_an_entry_by_hand_that_stands_again_is_told_and_a_second_uninstall_leaves_it(host: str, desk: Desk) -> None:
    file = desk.put(host, BY_HAND[host].encode())
    desk.install(host)

    first, after_first = desk.uninstall(host), file.read_text()
    second, after_second = desk.uninstall(host), file.read_text()

    assert after_first == after_second == BY_HAND[host]
    assert "has again what stood there" in first
    assert "was left as it is" in second
    for said in (first, second):
        assert "has it no more" not in said
        assert "Its entry mine (`" in said
        assert "was not written by `install` and stays" in said


@pytest.mark.parametrize("host", BY_HAND)
def test_of_an_entry_by_hand_in_a_file_that_changed_since_only_the_command_goes_back(host: str, desk: Desk) -> None:
    file = desk.put(host, BY_HAND[host].encode())
    desk.install(host)
    changed = {"codex": "\n[other]\na = 1\n", "goose": "other: 1\n"}.get(host)
    text = file.read_text()
    file.write_text(text + changed if changed else text.replace("{", '{"other": 1, ', 1))

    said = desk.uninstall(host)

    assert UVX not in file.read_text()
    assert "useapi-runway-mcp" in file.read_text() or "runway_mcp" in file.read_text()
    assert "other" in file.read_text()
    assert "Its entry mine (`" in said


def test_the_words_of_an_entry_that_stays_are_told_without_its_token(desk: Desk) -> None:
    entry = {"command": "env", "args": [f"USEAPI_TOKEN={SECRET}", "useapi-runway-mcp"]}
    desk.put("cursor", json.dumps({"mcpServers": {"a": entry}}).encode())

    said = desk.uninstall("cursor")

    assert "Its entry a (`env USEAPI_TOKEN=" in said
    assert SECRET not in said


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("data_dir", ["kept", "lost"])
def test_what_install_wrote_is_taken_out_by_a_second_uninstall_though_a_person_put_it_back(
    host: str, data_dir: str, desk: Desk
) -> None:
    desk.environ["USEAPI_TOKEN"] = SECRET
    content = CONFIGURATIONS[host]["as documented"]
    file = desk.put(host, content)
    desk.install(host)
    installed = file.read_bytes()
    if data_dir == "kept":
        desk.uninstall(host)
        file.write_bytes(installed)
    else:
        (desk.data_dir / "installed" / f"{host}.json").unlink()

    said = desk.uninstall(host)

    assert "has it no more" in said
    assert UVX.encode() not in (bytes_of(file) or b"")


@pytest.mark.parametrize("changed", ['"disabled": true, "command"', '"cwd": "/", "command"'])
def test_without_a_record_an_entry_that_a_person_changed_stays(changed: str, desk: Desk) -> None:
    file = desk.put("cursor", b"{}")
    desk.install("cursor")
    (desk.data_dir / "installed" / "cursor.json").unlink()
    file.write_text(file.read_text().replace('"command"', changed))
    before = file.read_bytes()

    assert "was left as it is" in desk.uninstall("cursor")
    assert file.read_bytes() == before


@pytest.mark.parametrize("host", BY_HAND)
@pytest.mark.parametrize("name", ["runway", "mine"])
def test_an_entry_that_a_person_wrote_in_place_of_ours_stays(host: str, name: str, desk: Desk) -> None:
    file = desk.put(host, b"")
    desk.install(host)
    file.write_text(BY_HAND[host].replace("mine", name))

    said = desk.uninstall(host)

    assert file.read_text() == BY_HAND[host].replace("mine", name)
    assert f"Its entry {name} (`" in said


@pytest.mark.parametrize("host", HOSTS)
def test_uninstall_print_shows_what_goes_without_secrets_and_writes_nothing(host: str, desk: Desk) -> None:
    desk.environ["USEAPI_TOKEN"] = SECRET
    desk.put(host, CONFIGURATIONS[host]["as documented"])
    desk.install(host)
    before = tree(desk.home)

    said = desk.uninstall(host, print_only=True)

    assert tree(desk.home) == before
    assert any(line.startswith("  - ") and UVX in line for line in said.splitlines())
    assert SECRET not in said
    assert desk.uninstall(host).startswith(f"{HOSTS[host].title}: ")


def test_uninstall_print_tells_that_the_file_would_go_that_an_entry_would_stay_and_that_there_is_nothing(
    desk: Desk,
) -> None:
    desk.install("cursor")
    assert "The file would be removed." in desk.uninstall("cursor", print_only=True)
    desk.put("codex", BY_HAND["codex"].encode())
    desk.install("codex")
    assert "Its entry mine (`uvx useapi-runway-mcp`)" in desk.uninstall("codex", print_only=True)
    assert "Nothing to change." in desk.uninstall("zed", print_only=True)


@posix
@pytest.mark.parametrize(("mode", "shown"), [(0o644, "0644"), (0o664, "0664"), (0o640, "0640")])
@pytest.mark.parametrize("environ", [{"USEAPI_TOKEN": SECRET}, {}], ids=["a token", "none yet"])
def test_a_file_that_others_may_read_is_closed_when_a_token_goes_into_it_and_opened_again_without(
    mode: int, shown: str, environ: dict[str, str], desk: Desk
) -> None:
    file = desk.put("cursor", b'{"a": 1}')
    file.chmod(mode)
    desk.environ = environ

    printed, untouched = desk.install("cursor", print_only=True), mode_of(file)
    installed = desk.install("cursor")
    modes = [mode_of(each) for each in (file, Path(f"{file}{BACKUP}"))]
    desk.uninstall("cursor")

    assert untouched == mode
    for said in (printed, installed):
        assert f"mode {shown} becomes 0600: a token is nobody else's to read" in said
    assert modes == [0o600, 0o600]
    assert (mode_of(file), file.read_bytes()) == (mode, b'{"a": 1}')


@posix
def test_an_update_remembers_the_mode_that_was_there_first(desk: Desk) -> None:
    file = desk.put("cursor", b"{}")
    file.chmod(0o644)
    newer, desk.launchers = desk.launchers, [uvx_launcher(UVX, "useapi-runway-mcp[media]==0.0.9")]
    desk.install("cursor")
    desk.launchers = newer
    desk.install("cursor")

    desk.uninstall("cursor")

    assert mode_of(file) == 0o644


@posix
def test_a_file_with_a_token_by_hand_stays_closed_when_that_stands_again(desk: Desk) -> None:
    entry = {"command": "uvx", "args": ["useapi-runway-mcp"], "env": {"USEAPI_TOKEN": "user:1-mine"}}
    file = desk.put("cursor", json.dumps({"mcpServers": {"runway": entry}}).encode())
    file.chmod(0o644)

    desk.install("cursor")
    desk.uninstall("cursor")

    assert (mode_of(file), b"user:1-mine" in file.read_bytes()) == (0o600, True)


@posix
@pytest.mark.parametrize("host", ["vscode", "goose"])
def test_a_file_without_a_token_keeps_its_mode(host: str, desk: Desk) -> None:
    file = desk.put(host, CONFIGURATIONS[host]["as documented"])
    file.chmod(0o644)

    said = desk.install(host)

    assert (mode_of(file), "becomes" in said) == (0o644, False)


@pytest.mark.parametrize("removed_by", ["uninstall", "hand"])
def test_the_copy_goes_with_the_entry_whoever_removes_that(removed_by: str, desk: Desk) -> None:
    file = desk.put("cursor", b'{"a": 1}')
    desk.install("cursor")
    if removed_by == "hand":
        file.write_bytes(b'{"a": 2}')

    desk.uninstall("cursor")

    assert [each.name for each in file.parent.iterdir()] == ["mcp.json"]


def test_a_copy_that_is_not_what_install_left_stays_and_is_told(desk: Desk) -> None:
    file = desk.put("cursor", b'{"a": 1}')
    desk.install("cursor")
    copy = Path(f"{file}{BACKUP}")
    copy.write_bytes(b"mine")

    said = desk.uninstall("cursor")

    assert (file.read_bytes(), copy.read_bytes()) == (b'{"a": 1}', b"mine")
    assert f"{copy} is not the copy that was made last; it stays." in said


def test_an_input_of_vs_code_that_stays_is_told(desk: Desk) -> None:
    file = desk.put("vscode", b"{}")
    desk.install("vscode")
    text = file.read_text()
    start = text.index('"runway": ')
    file.write_text(text[:start] + '"b": {"env": {"T": "${input:useapi-token}"}},\n    ' + text[start:])

    said = desk.uninstall("vscode")

    assert "The input useapi-token stays there" in said


@pytest.mark.parametrize(("host", "told"), [("vscode", True), ("goose", True), ("cursor", False)])
def test_a_token_that_the_host_keeps_itself_is_told_to_stay_there(host: str, told: bool, desk: Desk) -> None:
    desk.put(host, b"")
    desk.install(host)

    assert ("stays among its secrets" in desk.uninstall(host)) == told
