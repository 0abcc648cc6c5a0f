import json
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from runway_mcp.install.entries import find_entry, new_entry
from runway_mcp.install.files import BACKUP, read
from runway_mcp.install.formats import jsonc
from runway_mcp.install.hosts import HOSTS, QUESTION
from runway_mcp.install.launcher import uvx_launcher
from tests.install.configurations import CONFIGURATIONS
from tests.install.machines import SECRET, UVX, Desk, bytes_of, tree

CASES = [
    pytest.param(host, content, id=f"{host}: {name}")
    for host, contents in CONFIGURATIONS.items()
    for name, content in contents.items()
]


def parsed(host: str, content: bytes) -> Any:
    """What a configuration holds, by another parser than ours where there is one for it."""
    text = content.decode("utf-8-sig")
    match HOSTS[host].format:
        case "toml":
            return tomllib.loads(text)
        case "yaml":
            loader: Any = YAML(typ="safe", pure=True)
            return loader.load(text) or {}
        case _:
            return jsonc.parse(text) if "/" in text or ",\n" in text or not text.strip() else json.loads(text)


def test_every_host_has_ten_configurations() -> None:
    assert {host: len(contents) for host, contents in CONFIGURATIONS.items()} == dict.fromkeys(HOSTS, 10)


@pytest.mark.parametrize(("host", "content"), CASES)
def test_uninstall_gives_back_the_bytes_and_folders_that_were_there(
    host: str, content: bytes | None, desk: Desk
) -> None:
    desk.home.mkdir()
    file = desk.put(host, content)
    before = tree(desk.home)

    desk.install(host)
    installed = bytes_of(file)
    desk.uninstall(host)

    assert installed != content
    assert {path: held for path, held in tree(desk.home).items() if path != "data"} == before


@pytest.mark.parametrize(("host", "content"), CASES)
def test_the_host_reads_the_entry_and_all_that_it_read_before(host: str, content: bytes | None, desk: Desk) -> None:
    file = desk.put(host, content)
    desk.environ["USEAPI_TOKEN"] = SECRET

    desk.install(host)

    expected = parsed(host, content or b"")
    servers: Any = expected
    for key in HOSTS[host].servers:
        servers = servers.setdefault(key, {})
    servers["runway"] = new_entry(HOSTS[host], uvx_launcher(UVX), SECRET)
    if host == "vscode":
        expected["inputs"] = [*expected.get("inputs", []), QUESTION]
    assert parsed(host, file.read_bytes()) == expected
    assert file.read_bytes().startswith(b"\xef\xbb\xbf") == bool(content and content.startswith(b"\xef\xbb\xbf"))


@pytest.mark.parametrize(("host", "content"), CASES)
def test_every_line_that_was_there_is_there_still_and_lines_end_alike(
    host: str, content: bytes | None, desk: Desk
) -> None:
    file = desk.put(host, content)

    desk.install(host)

    after = file.read_bytes()
    kept = iter(after)
    # The braces of an empty mapping in YAML have to give way to its first pair.
    assert all(byte in kept for byte in (content or b"").replace(b": {} #", b": #")), "a byte went, or moved"
    if content and b"\r\n" in content:
        assert after.count(b"\n") == after.count(b"\r\n")


@pytest.mark.parametrize(("host", "content"), CASES)
def test_a_second_install_changes_nothing_and_fetches_nothing(host: str, content: bytes | None, desk: Desk) -> None:
    file = desk.put(host, content)
    desk.install(host)
    before, written = tree(desk.home), file.stat().st_mtime_ns
    del desk.fetched[:]

    said = desk.install(host)

    assert "Nothing to change." in said
    assert (tree(desk.home), file.stat().st_mtime_ns, desk.fetched) == (before, written, [])


@pytest.mark.parametrize(("host", "content"), CASES)
def test_print_shows_the_entry_and_writes_nothing(host: str, content: bytes | None, desk: Desk) -> None:
    desk.home.mkdir()
    desk.put(host, content)
    before = tree(desk.home)

    said = desk.install(host, print_only=True)

    assert UVX in said
    assert "useapi-runway-mcp[media]==" in said
    assert (tree(desk.home), desk.fetched) == (before, [])


@pytest.mark.parametrize(("host", "content"), CASES)
def test_without_its_record_an_entry_is_taken_out_and_every_other_setting_stays(
    host: str, content: bytes | None, desk: Desk
) -> None:
    file = desk.put(host, content)
    desk.install(host)
    for record in (desk.data_dir / "installed").iterdir():
        record.unlink()

    desk.uninstall(host)

    assert find_entry(HOSTS[host], read(file)) is None
    assert emptied(parsed(host, file.read_bytes())) == emptied(parsed(host, content or b""))


def emptied(value: Any) -> Any:
    """A configuration without the keys that hold nothing: whether they were there, only the record knows."""
    if not isinstance(value, dict):
        return value
    held: dict[str, Any] = {key: emptied(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return {key: each for key, each in held.items() if each not in ({}, [], None)}


def test_a_configuration_of_megabytes_as_claude_code_keeps_is_no_matter_of_minutes(desk: Desk) -> None:
    history = [{"display": "x" * 80, "at": at} for at in range(40)]
    content = json.dumps({"projects": {f"/p{at}": {"history": history} for at in range(600)}}, indent=2).encode()
    file = desk.put("claude-code", content)
    begun = time.process_time()

    desk.install("claude-code")
    desk.uninstall("claude-code")

    assert time.process_time() - begun < 20
    assert file.read_bytes() == content


def test_the_copy_of_what_was_there_stands_beside_it_with_its_mode(desk: Desk) -> None:
    content = CONFIGURATIONS["vscode"]["as documented"]
    file = desk.put("vscode", content)
    file.chmod(0o640)

    said = desk.install("vscode")

    copy = Path(f"{file}{BACKUP}")
    assert str(copy) in said
    assert copy.read_bytes() == content
    assert [path.stat().st_mode & 0o777 for path in (file, copy)] == [0o640, 0o640]
