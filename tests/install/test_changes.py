import json
from typing import Any

import pytest

from runway_mcp.install.formats import jsonc
from runway_mcp.install.launcher import uvx_launcher
from tests.install.configurations import CONFIGURATIONS
from tests.install.machines import SECRET, UVX, Desk, bytes_of

OLDER = uvx_launcher(UVX, "useapi-runway-mcp[media]==0.0.9")
BY_HAND = {
    "cursor": """{
  "mcpServers": {
    "my videos": {
      "command": "uvx", // found in the PATH
      "args": ["useapi-runway-mcp"],
      "env": { "USEAPI_TOKEN": "user:1-old", "RUNWAY_MCP_CONFIRM": "always" },
      "disabled": false
    }
  }
}
""",
    "opencode": '{"mcp": {"runway": {"type": "local", "command": ["python", "-m", "runway_mcp"], "enabled": false}}}',
    "codex": '[mcp_servers.runway]\ncommand = "uvx"\nargs = [\n  "useapi-runway-mcp", # old\n]\ntool_timeout_sec = 90\n'
    '\n[mcp_servers.runway.env]\nUSEAPI_TOKEN = "user:1-old"\n',
    "goose": "extensions:\n  runway:\n    cmd: uvx\n    args:\n    - useapi-runway-mcp\n"
    "    timeout: 90 # mine\n    type: stdio\n",
}
"""Entries that people wrote themselves."""


@pytest.mark.parametrize("host", BY_HAND)
def test_of_an_entry_by_hand_only_the_command_changes_until_uninstall(host: str, desk: Desk) -> None:
    file = desk.put(host, BY_HAND[host].encode())

    said = desk.install(host)
    changed = file.read_text()
    desk.uninstall(host)

    assert UVX in changed
    assert "useapi-runway-mcp[media]==" in changed
    for kept in ("user:1-old", "always", "disabled", "enabled", "tool_timeout_sec = 90", "timeout: 90 # mine"):
        assert (kept in changed) == (kept in BY_HAND[host])
    assert any(line.startswith("  - ") for line in said.splitlines())
    assert file.read_text() == BY_HAND[host]


@pytest.mark.parametrize("host", ["cursor", "codex"])
@pytest.mark.parametrize("given", [SECRET, f'"{SECRET}"'], ids=["plain", "in quotation marks"])
def test_neither_the_token_that_stood_there_nor_the_new_one_is_shown(host: str, given: str, desk: Desk) -> None:
    desk.put(host, BY_HAND[host].replace("user:1-old", "user:1-OLDVALUE").encode())
    desk.environ = {**desk.environ, "USEAPI_TOKEN": given}

    said = desk.install(host)

    assert "(your token)" in said
    for part in ("OLDVALUE", SECRET, SECRET.partition(":")[2]):
        assert part not in said


@pytest.mark.parametrize("host", CONFIGURATIONS)
def test_after_an_update_uninstall_still_gives_back_what_was_there_first(host: str, desk: Desk) -> None:
    content = CONFIGURATIONS[host]["as documented"]
    file = desk.put(host, content)
    newer, desk.launchers = desk.launchers, [OLDER]
    desk.install(host)
    desk.launchers = newer

    desk.install(host)
    updated = file.read_bytes()
    desk.uninstall(host)

    assert b"0.0.9" not in updated
    assert bytes_of(file) == content


@pytest.mark.parametrize("is_updated", [False, True])
def test_what_was_added_since_stays_and_what_was_made_for_the_entry_goes(desk: Desk, *, is_updated: bool) -> None:
    file = desk.put("vscode", b'{\n  "mine": 1\n}\n')
    newer, desk.launchers = desk.launchers, [OLDER]
    desk.install("vscode")
    file.write_text(file.read_text().replace('"mine": 1', '"mine": 1, // more\n  "added": [2]'))
    if is_updated:
        desk.launchers = newer
        desk.install("vscode")

    desk.uninstall("vscode")

    assert file.read_text() == '{\n  "mine": 1, // more\n  "added": [2]\n}\n'


def test_a_question_that_another_server_uses_stays(desk: Desk) -> None:
    file = desk.put("vscode", b"{}")
    desk.install("vscode")
    text = file.read_text()
    start = text.index('"runway": ')
    file.write_text(text[:start] + '"b": {"env": {"T": "${input:useapi-token}"}},\n    ' + text[start:])

    desk.uninstall("vscode")

    left = jsonc.parse(file.read_text())
    assert left["servers"] == {"b": {"env": {"T": "${input:useapi-token}"}}}
    assert [each["id"] for each in left["inputs"]] == ["useapi-token"]


def test_servers_that_a_person_added_behind_and_before_ours_stay_as_they_are(desk: Desk) -> None:
    file = desk.put("codex", b'model = "x"\n')
    desk.install("codex")
    file.write_text('[mcp_servers.a]\ncommand = "a"\n\n' + file.read_text() + '\n[mcp_servers.b]\ncommand = "b" # b\n')

    desk.uninstall("codex")

    assert "runway" not in file.read_text()
    assert file.read_text().startswith('[mcp_servers.a]\ncommand = "a"\n\nmodel = "x"\n')
    assert file.read_text().endswith('\n[mcp_servers.b]\ncommand = "b" # b\n')


def test_a_file_of_ours_goes_again_when_only_the_host_rewrote_it(desk: Desk) -> None:
    desk.install("cursor")
    file = desk.file("cursor")
    file.write_text(json.dumps(json.loads(file.read_text())))

    said = desk.uninstall("cursor")

    assert "was removed again" in said
    assert not file.exists()


@pytest.mark.parametrize("broken", ["{", "[]", '{"undo": 1}', '{"undo": [[{"x": 1}]]}', "null"])
def test_a_record_that_cannot_be_read_counts_as_none(broken: str, desk: Desk) -> None:
    file = desk.put("cursor", b'{\n  "mcpServers": {\n    "a": {}\n  }\n}\n')
    before = file.read_bytes()
    desk.install("cursor")
    (desk.data_dir / "installed" / "cursor.json").write_text(broken)

    desk.uninstall("cursor")

    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"", b'{"mcpServers": {"a": {"command": "x"}}}'])
def test_where_nothing_was_installed_nothing_is_taken_back(content: bytes | None, desk: Desk) -> None:
    file = desk.put("cursor", content)

    assert "has nothing of this program" in desk.uninstall("cursor")
    assert bytes_of(file) == content


def test_a_configuration_is_taken_back_where_it_was_written_though_the_host_moved(desk: Desk) -> None:
    file = desk.put("codex", b'model = "x"\n')
    desk.install("codex")
    desk.environ["CODEX_HOME"] = str(desk.home / "other")

    desk.uninstall("codex")

    assert file.read_bytes() == b'model = "x"\n'


TOKENS: list[tuple[str, dict[str, str], str | None, str | None]] = [
    ("cursor", {"USEAPI_TOKEN": SECRET}, None, SECRET),
    ("cursor", {"USEAPI_TOKEN": f" {SECRET}\n"}, "user:2-other", SECRET),
    ("cursor", {}, SECRET, SECRET),
    ("cursor", {}, "", ""),
    ("cursor", {}, None, ""),
    ("vscode", {"USEAPI_TOKEN": SECRET}, SECRET, "${input:useapi-token}"),
    ("goose", {"USEAPI_TOKEN": SECRET}, SECRET, None),
]


@pytest.mark.parametrize(("host", "environ", "answer", "written"), TOKENS)
def test_the_token_is_where_the_host_keeps_secrets_and_nobody_sees_it(
    host: str, environ: dict[str, str], answer: str | None, written: str | None, desk: Desk
) -> None:
    desk.environ, desk.answer = environ, answer

    said = desk.install(host)

    text = desk.file(host).read_text()
    assert (SECRET in text) == (written == SECRET)
    if written is not None:
        assert f'"USEAPI_TOKEN": "{written}"' in text
    assert SECRET not in said
    assert ("put your token into USEAPI_TOKEN" in said) == (written == "")
    assert len(desk.asked) == (host == "cursor" and not environ and answer is not None)
    assert not any(SECRET in path.read_text() for path in (desk.data_dir / "installed").iterdir())


@pytest.mark.parametrize(
    ("there", "given", "then"),
    [
        ("", SECRET, SECRET),
        ("user:1-old", SECRET, SECRET),
        ("user:1-old", "", "user:1-old"),
        ("${env:RUNWAY}", SECRET, "${env:RUNWAY}"),
    ],
)
def test_a_token_is_replaced_by_a_newer_one_but_a_reference_is_not(
    there: str, given: str, then: str, desk: Desk
) -> None:
    entry = {"command": "uvx", "args": ["useapi-runway-mcp"], "env": {"USEAPI_TOKEN": there}}
    desk.put("cursor", json.dumps({"mcpServers": {"runway": entry}}).encode())
    desk.environ["USEAPI_TOKEN"] = given

    desk.install("cursor")

    written: dict[str, Any] = json.loads(desk.file("cursor").read_text())["mcpServers"]["runway"]
    assert written["env"] == {"USEAPI_TOKEN": then}


def test_a_token_that_the_host_passes_on_is_neither_asked_for_nor_written(desk: Desk) -> None:
    entry = '[mcp_servers.runway]\ncommand = "uvx"\nargs = ["useapi-runway-mcp"]\nenv_vars = ["USEAPI_TOKEN"]\n'
    desk.put("codex", entry.encode())
    desk.environ["USEAPI_TOKEN"] = desk.answer = SECRET

    said = desk.install("codex")

    assert "put your token into" not in said
    assert SECRET not in desk.file("codex").read_text()
    assert desk.asked == []
