import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from runway_mcp import __version__
from runway_mcp.install.entries import new_entry
from runway_mcp.install.formats.by_name import FORMATS
from runway_mcp.install.hosts import HOSTS, QUESTION
from runway_mcp.runway.errors import RunwayError
from scripts.readme_tables import PARTS, README, REGISTRY, rewritten, with_settings
from scripts.server_snippets import BADGES, FILES, LAUNCHER, PLACEHOLDER, configuration_of, links

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


def test_the_badges_are_those_of_the_code() -> None:
    found = {path.relative_to(README.parent): read(path) for path in (README.parent / BADGES).iterdir()}

    assert found == {path: made() for path, made in FILES.items()}, "run: uv run python -m scripts.readme_tables"


def test_server_json_is_as_the_settings_write_it() -> None:
    assert with_settings(read(REGISTRY)) == read(REGISTRY), "run: uv run python -m scripts.readme_tables"


def server_in(link: str) -> dict[str, Any]:
    """The server that a link adds, with its name and the questions that the host asks."""
    query = parse_qs(urlsplit(link).query)
    if "config" not in query:
        return {"name": query["id"][0], "command": query["cmd"][0], "args": query["arg"], "env": query["env"]}
    config = query["config"][0]
    server = json.loads(config if config.startswith("{") else base64.b64decode(config))
    return (
        {"name": query["name"][0]} | server | ({"inputs": json.loads(query["inputs"][0])} if "inputs" in query else {})
    )


def test_every_link_of_the_readme_starts_this_release_and_holds_no_token() -> None:
    found: list[str] = re.findall(r"\]\((https://\S+(?:install|extension)\S*)\)", TEXT)
    servers = {host: server_in(link) for host, link in links().items()}
    start: dict[str, Any] = {"name": "runway", "command": "uvx", "args": [*LAUNCHER.args]}

    assert set(links().values()) <= set(found)
    assert LAUNCHER.args[1] == f"useapi-runway-mcp[media]=={__version__}"
    assert servers == {
        "cursor": start | {"env": {"USEAPI_TOKEN": ""}},
        "lm-studio": start | {"env": {"USEAPI_TOKEN": ""}},
        "vscode": start | {"type": "stdio", "env": {"USEAPI_TOKEN": "${input:useapi-token}"}, "inputs": [QUESTION]},
        "goose": start | {"env": ["USEAPI_TOKEN=Your useapi.net API token"]},
    }


def test_every_host_s_entry_stands_on_a_page_and_is_what_install_writes() -> None:
    blocks = {block for _, block in CODE.findall(TEXT + read(DOCS / "install.md"))}

    for host in HOSTS.values():
        if host.id in {"claude-code", "gemini"}:  # by its own command; without the seconds that it has anyway
            continue
        text = configuration_of(host)
        assert text in blocks
        tree: Any = FORMATS[host.format].parse(text)
        for key in host.servers:
            tree = tree[key]
        assert tree == {"runway": new_entry(host, LAUNCHER, PLACEHOLDER)}


def test_every_command_and_entry_of_the_pages_names_the_version() -> None:
    for page in PAGES:
        for language, block in CODE.findall(read(page)):
            named = re.findall(r"useapi-runway-mcp\[media\](==[\w.]+)?", block)
            assert set(named) <= {f"=={__version__}"}, (page.name, block)
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
