"""The operator's guide by what it says; `scripts/deployed` follows its commands."""

import re
from pathlib import Path

import pytest

from runway_mcp import __version__
from runway_mcp.settings import Settings, variables
from scripts.bare_debian import ROOT, extras
from scripts.deployment import AFTER, BEFORE_BOOT, PAGE, REPLACED, as_followed, blocks

TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = [*blocks(TEXT)]
NGINX = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
# The table of all figures, which another test compares with the registry.
FIGURES = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")


def test_a_page_s_shell_blocks_are_read_with_their_headings() -> None:
    page = "# A\n\n## B\nx\n```sh\none\ntwo\n```\n```json\n{}\n```\n## C\n```sh\nthree\n```\n"
    assert [*blocks(page)] == [("B", "one\ntwo\n"), ("C", "three\n")]


def test_every_command_of_the_guide_is_followed() -> None:
    assert len(BLOCKS) == TEXT.count("```") // 2
    headings = [heading for heading, _ in BLOCKS]
    assert {BEFORE_BOOT, *AFTER} <= set(headings)
    assert headings[0] == BEFORE_BOOT


@pytest.mark.parametrize("words", REPLACED)
def test_what_is_not_followed_word_for_word_stands_there_once(words: str) -> None:
    assert TEXT.count(words) == 1
    assert words not in as_followed(TEXT)


def test_every_setting_and_figure_of_the_guide_is_there() -> None:
    named = set(re.findall(r"\b(?:RUNWAY_MCP|USEAPI)_[A-Z_]+\b", TEXT))
    assert named <= {variable.name for variable in variables().values()}
    figures = set(re.findall(r"`(runway_mcp_\w+)", TEXT))
    assert {figure for figure in figures if f"| `{figure}` |" not in FIGURES} == set()
    assert len(figures) > 4
    outcomes: list[str] = re.findall(r'submits_total\{outcome="(\w+)"\}', TEXT)
    (told,) = re.findall(r"^\| `runway_mcp_submits_total` .*$", FIGURES, re.MULTILINE)
    assert outcomes
    assert all(f"`{outcome}`" in told for outcome in outcomes)


def test_the_settings_of_the_guide_can_be_used(tmp_path: Path) -> None:
    (lines,) = re.findall(r"^cat > /etc/useapi-runway-mcp/env <<END\n(.*?)^END$", TEXT, re.MULTILINE | re.DOTALL)
    environ = dict(line.split("=", 1) for line in lines.splitlines())
    settings = Settings.from_environment(environ | {"RUNWAY_MCP_DATA_DIR": str(tmp_path)})
    assert settings.allowed_hosts == ("mcp.example.com",)
    assert f"server_name {settings.allowed_hosts[0]};" in NGINX


def test_the_replicas_of_the_guide_are_those_of_nginx() -> None:
    ports = re.findall(r"^\s+server 127\.0\.0\.1:(\d+) ", NGINX, re.MULTILINE)
    (enabled,) = re.findall(r"systemctl enable --now (useapi.*)$", TEXT, re.MULTILINE)
    assert enabled.split() == [f"useapi-runway-mcp@{port}" for port in ports]


def test_what_is_installed_is_this_release_with_what_a_hosted_server_needs() -> None:
    (named,) = re.findall(r'"useapi-runway-mcp\[(.*)\]==(.*)"', TEXT)
    assert {"http", "media", "metrics", "postgres"} <= set(named[0].split(",")) <= set(extras())
    assert named[1] == __version__
    assert set(re.findall(r"useapi-runway-mcp-(\d+\.\d+\.\d+)", TEXT)) == {__version__}
