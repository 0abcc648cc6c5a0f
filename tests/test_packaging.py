import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from runway_mcp import __version__
from runway_mcp.settings import ContinueWith, Settings, settings_table, variables

ROOT = Path(__file__).parent.parent
SERVER: dict[str, Any] = json.loads((ROOT / "server.json").read_text(encoding="utf-8"))
SCHEMA: dict[str, Any] = json.loads((ROOT / "tests/data/server.schema.json").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGE: dict[str, Any] = SERVER["packages"][0]
PROSE = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", *(f"docs/{page.name}" for page in ROOT.glob("docs/*.md"))]


def prose(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def known_keys(schema: dict[str, Any]) -> Iterator[str]:
    """The keys that a part of the schema lists, its references and alternatives followed."""
    if "$ref" in schema:
        yield from known_keys(SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]])
    yield from schema.get("properties", {})
    for alternative in (*schema.get("allOf", ()), *schema.get("anyOf", ())):
        yield from known_keys(alternative)


def test_server_json_is_valid_by_the_registrys_schema() -> None:
    validator: Any = jsonschema.Draft7Validator(SCHEMA, format_checker=jsonschema.FormatChecker())

    assert [error.message for error in validator.iter_errors(SERVER)] == []
    assert SERVER["$schema"] == SCHEMA["$id"]


@pytest.mark.parametrize(
    ("definition", "used"),
    [
        ("ServerDetail", SERVER),
        ("Package", PACKAGE),
        ("StdioTransport", PACKAGE["transport"]),
        *(("KeyValueInput", entry) for entry in PACKAGE["environmentVariables"]),
        *(("NamedArgument", argument) for argument in PACKAGE["runtimeArguments"]),
    ],
)
def test_server_json_has_no_key_that_the_schema_does_not_know(definition: str, used: dict[str, Any]) -> None:
    assert set(used) <= set(known_keys(SCHEMA["definitions"][definition]))


_RANGE = re.compile(r"[\^~<>=*|]|\.x\b|\s-\s|^latest$")


def broken_rules(server: dict[str, Any]) -> Iterator[str]:
    """The rules of the Registry beyond its schema that a server.json breaks."""
    halves = server["name"].split("/")
    if len(halves) != 2 or not all(half[:1].isalnum() and half[-1:].isalnum() for half in halves):
        yield "name"
    for icon in (server, *server.get("icons", ())):
        address = icon.get("src", icon.get("websiteUrl", "https://a.example"))
        if not re.fullmatch(r"https://[\w.-]+(/\S*)?", address):
            yield "address"
    for each in (server, *server["packages"]):
        if _RANGE.search(each["version"]):
            yield "version"
    for package in server["packages"]:
        yield from broken_rules_of_a_package(package)
    if len(json.dumps(server.get("_meta", {}))) > 4096 or {*server.get("_meta", {})} - {PROVIDED}:
        yield "_meta"
    if "remotes" in server and any("localhost" in remote["url"] for remote in server["remotes"]):
        yield "remotes"


PROVIDED = "io.modelcontextprotocol.registry/publisher-provided"


def broken_rules_of_a_package(package: dict[str, Any]) -> Iterator[str]:
    if package["registryType"] == "pypi" and {"registryBaseUrl", "fileSha256"} & set(package):
        yield "pypi"
    if " " in package["identifier"]:
        yield "identifier"
    if package["transport"]["type"] == "stdio" and set(package["transport"]) != {"type"}:
        yield "transport"
    for argument in (*package.get("runtimeArguments", ()), *package.get("packageArguments", ())):
        name = argument.get("name", "")
        values = [argument.get("value", ""), argument.get("default", "")]
        if re.search(r"[\s<>$]", name) or any(name and value.startswith(name) for value in values):
            yield "argument"


def test_server_json_keeps_the_rules_that_only_the_registry_checks() -> None:
    assert [*broken_rules(SERVER)] == []
    assert [package["registryType"] for package in SERVER["packages"]] == ["pypi"]
    assert all(url.startswith("https://") for url in re.findall(r"\w+://\S+", json.dumps(SERVER)))


BREAKING: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": "a/b/c"}),
    ("name", {"name": "io.github.a/-b"}),
    ("version", {"version": "latest"}),
    ("version", {"version": "^1.2.0"}),
    ("version", {"packages": [PACKAGE | {"version": "1.x"}]}),
    ("address", {"websiteUrl": "http://a.example"}),
    ("address", {"icons": [{"src": "icon.png"}]}),
    ("pypi", {"packages": [PACKAGE | {"registryBaseUrl": "https://a.example"}]}),
    ("identifier", {"packages": [PACKAGE | {"identifier": "a b"}]}),
    ("transport", {"packages": [PACKAGE | {"transport": {"type": "stdio", "url": "https://a.example"}}]}),
    ("argument", {"packages": [PACKAGE | {"runtimeArguments": [{"name": "--with <x>"}]}]}),
    ("argument", {"packages": [PACKAGE | {"runtimeArguments": [{"name": "--with", "value": "--with=x"}]}]}),
    ("_meta", {"_meta": {"mine": {}}}),
    ("remotes", {"remotes": [{"type": "sse", "url": "https://localhost/sse"}]}),
]


@pytest.mark.parametrize(("rule", "change"), BREAKING)
def test_a_server_json_that_the_registry_would_refuse_is_found(rule: str, change: dict[str, Any]) -> None:
    assert [*broken_rules(SERVER | change)] == [rule]


def test_the_registrys_entry_brings_the_extra_and_leaves_the_name_and_version_to_the_host() -> None:
    assert PACKAGE["runtimeHint"] == "uvx"
    assert [(each["name"], each["value"]) for each in PACKAGE["runtimeArguments"]] == [
        ("--with", f"{PACKAGE['identifier']}[media]=={PACKAGE['version']}")
    ]
    assert "media" in PROJECT["project"]["optional-dependencies"]
    assert "packageArguments" not in PACKAGE


def test_all_places_tell_the_same_name_and_version() -> None:
    assert SERVER["version"] == PACKAGE["version"] == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert (ROOT / PROJECT["tool"]["hatch"]["version"]["path"]) == ROOT / "runway_mcp/__init__.py"
    assert PACKAGE["identifier"] == PROJECT["project"]["name"] == "useapi-runway-mcp"
    assert PROJECT["project"]["scripts"] == {"useapi-runway-mcp": "runway_mcp.cli:main"}
    assert f"## [{__version__}]" in prose("CHANGELOG.md")


def test_server_json_lists_the_settings_as_the_code_declares_them() -> None:
    entries = {entry["name"]: entry for entry in PACKAGE["environmentVariables"]}

    assert list(entries) == [variable.name for variable in variables().values()]
    for field, variable in variables().items():
        entry = entries[variable.name]
        assert entry["description"] == variable.meaning
        assert entry["isSecret"] == variable.secret
        assert entry["isRequired"] == (field == "token")
        if "default" in entry:
            assert Settings.from_environment({variable.name: entry["default"]}) == Settings.from_environment({})


def test_server_json_offers_each_model_that_the_setting_takes() -> None:
    entry = next(each for each in PACKAGE["environmentVariables"] if each["name"] == "RUNWAY_MCP_CONTINUE_WITH")

    assert tuple(entry["choices"]) == get_args(ContinueWith)


def test_the_readme_proves_to_the_registry_whose_package_it_is() -> None:
    assert PROJECT["project"]["readme"] == "README.md"
    assert f"<!-- mcp-name: {SERVER['name']} -->" in prose("README.md").splitlines()


def test_the_page_of_settings_has_the_table_of_settings() -> None:
    assert settings_table() in prose("docs/settings.md")


@pytest.mark.parametrize("page", PROSE)
def test_no_page_sends_anyone_to_the_strangers_program_of_a_similar_name(page: str) -> None:
    assert not re.search(r"(uvx|pip install|uv add|--from|command\W+)\s*[\"']?runway-mcp\b", prose(page))


def test_the_constraints_name_no_address_and_fit_what_the_project_asks_for() -> None:
    lines = [line for line in prose("constraints.txt").splitlines() if line]
    assert not any("://" in line or "@" in line for line in lines)

    pinned = {line.partition("==")[0]: line.partition("==")[2].partition(" ")[0] for line in lines}
    extras = [entry for extra in PROJECT["project"]["optional-dependencies"].values() for entry in extra]
    for text in (*PROJECT["project"]["dependencies"], *extras):
        needed = Requirement(text)
        assert needed.specifier.contains(pinned[canonicalize_name(needed.name)]), f"run scripts/constraints: {text}"


def declared() -> dict[str, Requirement]:
    """The packages that the program itself needs, its extras included, by name."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    lines = [*PROJECT["project"]["dependencies"], *(line for extra in extras for line in extra)]
    return {canonicalize_name(each.name): each for each in map(Requirement, lines)}


def test_every_package_that_is_imported_is_declared() -> None:
    packages = {name: {*map(canonicalize_name, found)} for name, found in packages_distributions().items()}
    imported = {
        name.split(".")[0]
        for file in (ROOT / "runway_mcp").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    foreign = imported - sys.stdlib_module_names - {"runway_mcp"}

    assert {name: packages[name] for name in foreign if not packages[name] & declared().keys()} == {}
    assert len(foreign) > 5


def test_every_declared_package_has_a_bound_above() -> None:
    bounds = {name: {spec.operator for spec in each.specifier} for name, each in declared().items()}

    assert {name for name, operators in bounds.items() if not operators & {"<", "<=", "=="}} == set()
