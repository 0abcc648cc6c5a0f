from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from pydantic import SecretStr

from runway_mcp import __version__
from runway_mcp.doctor.environment import (
    check_extras,
    check_program,
    check_settings,
    check_token,
    read_settings,
)


def test_the_programs_line_tells_every_version() -> None:
    found = check_program(lambda name: f"{name}'s")

    assert found.status == "ok"
    for told in (__version__, "Python 3.", "mcp mcp's", "httpx httpx's"):
        assert told in found.message


def test_a_package_that_is_missing_is_named() -> None:
    def none(name: str) -> str:
        raise PackageNotFoundError(name)

    found = check_program(none)

    assert (found.status, found.message) == ("failure", "the package mcp is missing")


def test_an_extra_that_is_missing_or_broken_is_named_with_how_to_install_it() -> None:
    def load(module: str) -> object:
        if module == "PIL":
            raise ImportError
        if module == "rich":
            raise RuntimeError
        return module

    found = check_extras(load)

    assert found.status == "warning"
    assert found.message.startswith("pillow and rich cannot be imported")
    assert "pip install 'useapi-runway-mcp[media]'" in (found.remedy or "")
    assert check_extras(str).status == "ok"


def test_a_value_that_cannot_be_used_is_left_out_and_every_such_variable_is_named() -> None:
    environ = {"RUNWAY_MCP_WAIT_SECONDS": "hunter2", "RUNWAY_MCP_SAVE": "hunter2", "USEAPI_EMAIL": "a@b.example"}

    settings, refused = read_settings(environ)
    found = check_settings(environ, refused)

    assert (settings.email, settings.wait_seconds) == ("a@b.example", 45)
    assert found.status == "failure"
    assert {"RUNWAY_MCP_WAIT_SECONDS", "RUNWAY_MCP_SAVE"} <= set(found.message.split())
    assert "hunter2" not in found.message


def test_a_file_of_callers_is_read_and_what_an_issuer_needs_is_named(tmp_path: Path) -> None:
    file = tmp_path / "callers.toml"
    file.write_text('[[callers]]\nname = "ana"\n', encoding="utf-8")
    environ = {"RUNWAY_MCP_CALLERS": str(file), "RUNWAY_MCP_ISSUER": "https://issuer.example.com"}

    assert read_settings(environ)[1] == (
        "RUNWAY_MCP_ISSUER needs RUNWAY_MCP_AUDIENCE or RUNWAY_MCP_PUBLIC_URL",
        "RUNWAY_MCP_CALLERS cannot be used: the caller ana has neither token_sha256 nor subjects",
    )
    file.write_text("only_named = false\n", encoding="utf-8")
    assert read_settings(environ | {"RUNWAY_MCP_AUDIENCE": "runway"})[1] == ()


@pytest.mark.parametrize(
    ("environ", "status", "words"),
    [
        ({}, "ok", "none is set"),
        ({"USEAPI_TOKEN": "x", "HOME": "/", "RUNWAY_MCP_SAVE": " "}, "ok", "set: USEAPI_TOKEN"),
        ({"USEAPI_EMAIL": "${EMAIL}"}, "warning", "USEAPI_EMAIL still has a placeholder"),
        ({"USEAPI_TOKN": "x"}, "warning", "USEAPI_TOKN is no setting of this program; USEAPI_TOKEN is meant?"),
        ({"USEAPI_EMAIL": "{env:EMAIL}"}, "warning", "USEAPI_EMAIL still has a placeholder"),
        (
            {"RUNWAY_MCP_WAIT_SECOND": "25"},
            "warning",
            "RUNWAY_MCP_WAIT_SECOND is no setting of this program; RUNWAY_MCP_WAIT_SECONDS is meant?",
        ),
        ({"useapi_token": "x"}, "warning", "useapi_token is no setting of this program; USEAPI_TOKEN is meant?"),
        ({"USE_API_TOKEN": "x"}, "warning", "USE_API_TOKEN is no setting of this program; USEAPI_TOKEN is meant?"),
        (
            {"RUNWAYMCP_SAVE_DIR": "/x"},
            "warning",
            "RUNWAYMCP_SAVE_DIR is no setting of this program; RUNWAY_MCP_SAVE_DIR is meant?",
        ),
        (
            {"RUNWAY_SAVE_DIR": "/x", "RUNWAYML_API_SECRET": "x"},
            "warning",
            "RUNWAY_SAVE_DIR is no setting of this program; RUNWAY_MCP_SAVE_DIR is meant?",
        ),
        ({"RUNWAY_MCP_ZZZ": "x"}, "warning", "RUNWAY_MCP_ZZZ is no setting of this program"),
    ],
)
def test_settings_are_told_by_their_names(environ: dict[str, str], status: str, words: str) -> None:
    found = check_settings(environ, ())

    assert found.status == status
    assert found.message.startswith(words)


def test_a_bad_value_hides_neither_a_placeholder_nor_a_misspelled_name() -> None:
    environ = {"RUNWAY_MCP_WAIT_SECONDS": "soon", "USEAPI_EMAIL": "${EMAIL}", "RUNWAY_MCP_WAIT_SECOND": "25"}

    settings, refused = read_settings(environ)
    found = check_settings(environ, refused)

    assert (settings.email, settings.wait_seconds, found.status) == (None, 45, "failure")
    assert "RUNWAY_MCP_WAIT_SECONDS must be a whole number" in found.message
    assert "USEAPI_EMAIL still has a placeholder" in found.message
    assert "RUNWAY_MCP_WAIT_SECOND is no setting of this program" in found.message


@pytest.mark.parametrize(
    ("token", "unfilled", "status"),
    [
        ("user:1234-abc", False, "ok"),
        ("user:1234-...", False, "failure"),
        ("user:1234-<abc>", False, "failure"),
        ('"user:1234-abc"', False, "warning"),
        ("1234-abc", False, "warning"),
        ("", False, "failure"),
        ("", True, "failure"),
    ],
)
def test_a_token_is_judged_by_its_form_and_never_shown(token: str, unfilled: bool, status: str) -> None:
    found = check_token(SecretStr(token) if token else None, unfilled=unfilled)

    assert found.status == status
    assert "abc" not in f"{found.message} {found.remedy}"
