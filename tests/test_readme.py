import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from runway_mcp.runway.errors import RunwayError
from scripts.readme_tables import PARTS, README, SERVER, links, rewritten

TEXT = README.read_text(encoding="utf-8")
DOCS = README.parent / "docs"
PAGES = [README, *sorted(DOCS.glob("*.md"))]
PARTS_OF_PAGES = [(page, name) for page, parts in PARTS.items() for name in parts]
CODE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def by_name(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", PARTS, ids=by_name)
def test_the_generated_parts_are_those_of_the_code(page: Path) -> None:
    assert rewritten(page, read(page)) == read(page), "run: uv run python -m scripts.readme_tables"


@pytest.mark.parametrize(("page", "name"), PARTS_OF_PAGES)
def test_a_part_without_its_marks_is_missed(page: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"the marks of {name} are missing"):
        rewritten(page, read(page).replace(f"<!-- {name}:end -->", ""))


def test_the_readme_is_for_the_first_ten_minutes() -> None:
    assert len(TEXT.splitlines()) <= 130


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
    blocks = CODE.findall(TEXT + read(DOCS / "install.md"))
    assert len(blocks) > 8
    for language, block in blocks:
        if language in {"json", "toml", "yaml"}:
            assert "uvx" in block
            assert '["--from", "useapi-runway-mcp[media]", "useapi-runway-mcp"]' in block
        if language == "json":
            json.loads(block)


@pytest.mark.parametrize(
    "page", [README, *(DOCS / f"{name}.md" for name in ("install", "settings", "http"))], ids=by_name
)
def test_no_command_names_the_stranger_who_owns_the_short_name(page: Path) -> None:
    assert not re.search(r"(?<![\w-])runway-mcp\b", read(page))


def test_the_registrys_mark_of_ownership_stands_on_its_own_line() -> None:
    assert "\n<!-- mcp-name: io.github.useapi-runway-mcp/useapi-runway-mcp -->\n" in TEXT


def test_every_way_in_which_the_api_can_fail_is_in_the_table_of_what_to_do() -> None:
    table = re.findall(r"^\| (`.*?) \|", read(DOCS / "troubleshooting.md"), re.MULTILINE)
    told = set(re.findall(r"`(\w+)`", "\n".join(table)))
    assert {error.kind for error in RunwayError.__subclasses__()} <= told


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", read(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_file_and_heading_that_a_page_points_to_is_there(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", read(page)):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_every_page_can_be_reached_from_the_readme() -> None:
    assert {page.name for page in PAGES[1:]} <= set(re.findall(r"\]\(docs/([\w.-]+)", TEXT))
