import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from runway_mcp import __version__
from runway_mcp.server.tools.definitions import TOOLS
from runway_mcp.settings import Settings, variables
from scripts.bundling import manifest, project_file, stage, started_by

ROOT = Path(__file__).parent.parent
SCHEMA: dict[str, Any] = json.loads((ROOT / "tests/data/mcpb-manifest.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    folder = tmp_path / "staged"
    folder.mkdir()
    stage(folder)
    return folder


def test_the_manifest_is_valid_by_the_schema_of_0_4() -> None:
    validator: Any = jsonschema.Draft7Validator(SCHEMA, format_checker=jsonschema.FormatChecker())

    assert [error.message for error in validator.iter_errors(manifest())] == []
    assert manifest()["manifest_version"] == "0.4"
    assert manifest()["server"]["type"] == "uv"


def test_the_manifest_tells_the_version_and_the_tools_of_the_code() -> None:
    assert manifest()["version"] == __version__
    assert [tool["name"] for tool in manifest()["tools"]] == list(TOOLS)


def test_the_token_is_asked_for_as_a_secret_and_the_films_folder_as_a_folder() -> None:
    asked = manifest()["user_config"]

    assert (asked["token"]["sensitive"], asked["token"]["required"]) == (True, True)
    assert (asked["save_folder"]["type"], asked["save_folder"]["required"]) == ("directory", False)
    assert all(each["title"] and each["description"] for each in asked.values())


def test_the_bundle_holds_the_package_its_icons_and_no_more(staged: Path) -> None:
    files = {str(each.relative_to(staged).as_posix()) for each in staged.rglob("*") if each.is_file()}
    package = {each for each in files if each.startswith("runway_mcp/")}

    tracked = {str(each.relative_to(ROOT).as_posix()) for each in (ROOT / "runway_mcp").rglob("*") if each.is_file()}
    assert package == {each for each in tracked if "__pycache__" not in each}
    assert files - package == {
        "LICENSE", "manifest.json", "pyproject.toml", *(each["src"] for each in manifest()["icons"])
    }  # fmt: skip
    assert (staged / manifest()["server"]["entry_point"]).is_file()


@pytest.mark.parametrize("icon", manifest()["icons"], ids=lambda icon: icon["size"])
def test_an_icon_has_the_size_that_the_manifest_tells(icon: dict[str, str], staged: Path) -> None:
    with Image.open(staged / icon["src"]) as image:
        assert f"{image.width}x{image.height}" == icon["size"]


def test_the_bundles_project_needs_what_the_package_and_its_extra_need_on_pinned_versions() -> None:
    bundled: dict[str, Any] = tomllib.loads(project_file())
    ours: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert bundled["project"]["dependencies"] == [*ours["dependencies"], *ours["optional-dependencies"]["media"]]
    pinned = {Requirement(each).name for each in bundled["tool"]["uv"]["constraint-dependencies"]}
    assert {canonicalize_name(Requirement(each).name) for each in bundled["project"]["dependencies"]} <= pinned
    assert "://" not in project_file()


def test_a_host_starts_it_with_the_answers_and_what_was_not_answered_counts_as_unset(staged: Path) -> None:
    inherited = {"RUNWAY_MCP_DATA_DIR": str(staged)}
    started = started_by(staged, {"token": "user:1-a", "credits_per_day": "500"}, inherited)

    settings = Settings.from_environment(started.env or {})
    assert started.args == ["run", "--directory", str(staged), "useapi-runway-mcp"]
    assert settings.token is not None
    assert settings.token.get_secret_value() == "user:1-a"
    assert (settings.max_credits_per_day, settings.save_dir) == (500, None)
    assert set(started.env or {}) <= {variable.name for variable in variables().values()}
