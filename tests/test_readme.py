import base64
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from runway_mcp.runway.errors import RunwayError
from scripts.readme_tables import PARTS, README, SERVER, links, rewritten

TEXT = README.read_text(encoding="utf-8")
CODE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def test_the_generated_parts_are_those_of_the_code() -> None:
    assert rewritten(TEXT) == TEXT, "run: uv run python -m scripts.readme_tables"


@pytest.mark.parametrize("name", PARTS)
def test_a_part_without_its_marks_is_missed(name: str) -> None:
    with pytest.raises(ValueError, match=f"the marks of {name} are missing"):
        rewritten(TEXT.replace(f"<!-- {name}:end -->", ""))


def servers() -> list[dict[str, Any]]:
    """The server object in each one-click link."""
    found: list[str] = re.findall(r"\((https://[^)]+)\)", links())
    configs = [parse_qs(urlsplit(link).query)["config"][0] for link in found]
    return [json.loads(config if config.startswith("{") else base64.b64decode(config)) for config in configs]


def test_the_links_start_this_program_and_hold_no_token() -> None:
    assert len(servers()) == 3
    for server in servers():
        token = server.pop("env")["USEAPI_TOKEN"]
        assert server == SERVER
        assert token in {"", "${input:useapi-token}"}


def test_every_configuration_of_a_host_starts_this_program() -> None:
    for language, block in CODE.findall(TEXT):
        if language in {"json", "toml", "yaml"}:
            assert "uvx" in block
            assert '["--from", "useapi-runway-mcp[media]", "useapi-runway-mcp"]' in block
        if language == "json":
            json.loads(block)


def test_no_command_names_the_stranger_who_owns_the_short_name() -> None:
    assert not re.search(r"(?<![\w-])runway-mcp\b", TEXT)


def test_the_registrys_mark_of_ownership_stands_on_its_own_line() -> None:
    assert "\n<!-- mcp-name: io.github.useapi-runway-mcp/useapi-runway-mcp -->\n" in TEXT


def test_every_way_in_which_the_api_can_fail_is_in_the_table_of_what_to_do() -> None:
    told = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE))))
    assert {error.kind for error in RunwayError.__subclasses__()} <= told


def test_every_file_that_the_readme_points_to_is_there() -> None:
    files: list[str] = re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT)
    assert {"docs/demo.svg", "docs/strip.png", "docs/architecture.md"} <= set(files)
    assert [file for file in files if not (README.parent / file).exists()] == []
