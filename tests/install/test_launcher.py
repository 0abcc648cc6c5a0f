import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runway_mcp import __version__
from runway_mcp.install.launcher import (
    RELEASE,
    Launcher,
    LauncherError,
    fetch,
    find_launchers,
    is_absent,
    is_cached,
    requirement_of,
    uvx_launcher,
)


@dataclass
class Runs:
    """The runs that a fetch asked for, and how they end."""

    ends: list[tuple[int, str]]
    asked: list[tuple[Sequence[str], Mapping[str, str], float]] = field(
        default_factory=list[tuple[Sequence[str], Mapping[str, str], float]]
    )

    def __call__(self, command: Sequence[str], more: Mapping[str, str], seconds: float) -> tuple[int, str]:
        self.asked.append((command, more, seconds))
        return self.ends[len(self.asked) - 1]


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o755)
    return path


def test_the_release_is_named_with_its_extra_and_version() -> None:
    assert f"useapi-runway-mcp[media]=={__version__}" == RELEASE
    assert uvx_launcher() == Launcher("uvx", ("--from", RELEASE, "useapi-runway-mcp"))


@pytest.mark.parametrize("place", ["somewhere/uvx", ".local/bin/uvx", ".cargo/bin/uvx"])
def test_uvx_is_named_by_its_absolute_path_wherever_it_is(place: str, tmp_path: Path) -> None:
    uvx = executable(tmp_path / place)
    environ = {"PATH": str(tmp_path / "somewhere")} if place.startswith("somewhere") else {"PATH": str(tmp_path)}
    if "UV" not in place:
        environ["UV"] = str(tmp_path / "nowhere" / "uv")

    launchers = find_launchers(environ, tmp_path, scripts=tmp_path / "none")

    assert launchers[0] == uvx_launcher(str(uvx))


def test_the_uvx_beside_the_uv_that_runs_this_is_found(tmp_path: Path) -> None:
    uvx = executable(tmp_path / "uv home" / "uvx")

    launchers = find_launchers({"PATH": "", "UV": str(uvx.with_name("uv"))}, tmp_path, scripts=tmp_path / "none")

    assert launchers[0].command == str(uvx)


def test_a_link_to_uvx_is_named_not_its_target_which_moves_with_updates(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "uvx").symlink_to(executable(tmp_path / "cellar" / "1.2" / "uvx"))

    launchers = find_launchers({"PATH": str(tmp_path / "bin")}, tmp_path, scripts=tmp_path / "none")

    assert launchers[0].command == str(tmp_path / "bin" / "uvx")


def test_without_uvx_this_program_is_started_where_it_is_installed(tmp_path: Path) -> None:
    own = executable(tmp_path / "venv" / "useapi-runway-mcp")

    assert find_launchers({}, tmp_path, scripts=own.parent) == [Launcher(str(own), ())]


def test_without_either_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="`pip install uv`, then try again"):
        find_launchers({}, tmp_path, scripts=tmp_path / "none")


@pytest.mark.parametrize(
    ("told", "place"),
    [
        (None, None),
        ("{}", None),
        ({"url": "file:///src", "dir_info": {"editable": True}}, "file:///src"),
        ({"url": "file:///x.whl", "archive_info": {}}, "file:///x.whl"),
        ({"url": "https://a.example/r", "vcs_info": {"vcs": "git", "commit_id": "ab1"}}, "git+https://a.example/r@ab1"),
    ],
)
def test_where_a_program_came_from_is_named_as_pip_and_uv_take_it(told: object, place: str | None) -> None:
    record = told if told is None or isinstance(told, str) else json.dumps(told)

    assert requirement_of(record) == (f"useapi-runway-mcp[media] @ {place}" if place else None)


@pytest.mark.parametrize(("code", "cached"), [(0, True), (1, False)])
def test_what_is_cached_is_known_without_the_network(code: int, *, cached: bool) -> None:
    runs = Runs([(code, "")])

    assert is_cached(uvx_launcher("/uvx"), runs) == cached
    assert [command for command, _, _ in runs.asked] == [
        ["/uvx", "--offline", "--from", RELEASE, "useapi-runway-mcp", "--version"]
    ]


def test_what_is_missing_is_fetched_and_compiled_for_the_first_start() -> None:
    runs = Runs([(0, "")])

    fetch(uvx_launcher("/uvx"), runs)

    command, more, _ = runs.asked[0]
    assert command == ["/uvx", "--from", RELEASE, "useapi-runway-mcp", "--version"]
    assert more["UV_COMPILE_BYTECODE"] == "1"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("error: a\n  Caused by: no route to host\n", "Caused by: no route to host"),
        ("  x No solution:\n  ╰─▶ there is no version of it.\n\n  hint: --refresh\n", "there is no version of it."),
        ("", "no reason was given"),
    ],
)
def test_a_fetch_that_fails_tells_the_cause_in_one_line(said: str, told: str) -> None:
    with pytest.raises(LauncherError) as failed:
        fetch(uvx_launcher("/uvx"), Runs([(2, said)]))

    assert str(failed.value) == f"{RELEASE} cannot be fetched: {told}"
    assert failed.value.is_absent == ("version" in told)


def test_a_program_that_is_installed_needs_no_fetching() -> None:
    assert is_cached(Launcher("/venv/bin/useapi-runway-mcp", ()), Runs([]))


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("#!/bin/sh\necho 'the reason' >&2\nexit 3\n", "the reason"),
        ("no script", "Exec format error"),
    ],
)
def test_a_real_launcher_that_fails_is_told_in_its_words(script: str, told: str, tmp_path: Path) -> None:
    uvx = executable(tmp_path / "uvx")
    uvx.write_text(script)

    with pytest.raises(LauncherError, match=told):
        fetch(uvx_launcher(str(uvx)))


def test_a_real_launcher_is_given_the_arguments_and_no_token_on_its_command_line(tmp_path: Path) -> None:
    uvx = executable(tmp_path / "uvx")
    uvx.write_text(f'#!{sys.executable}\nimport sys\nopen({str(tmp_path / "args")!r}, "w").write(repr(sys.argv[1:]))\n')

    fetch(uvx_launcher(str(uvx)))

    assert (tmp_path / "args").read_text() == repr(["--from", RELEASE, "useapi-runway-mcp", "--version"])


@pytest.mark.parametrize(
    ("code", "said", "absent"),
    [
        (1, "  x No solution found:\n  because there is no version of\n  it\n", True),
        (1, "Because a was not found in the package registry", True),
        (1, "error: failed to look up address information", False),
        (0, "Would install 1 package: there is no version of", False),
    ],
)
def test_whether_the_index_lacks_a_package_is_asked_without_fetching(code: int, said: str, *, absent: bool) -> None:
    runs = Runs([(code, said)])

    assert is_absent(uvx_launcher("/opt/uvx"), runs) == absent
    command = runs.asked[0][0]
    assert command[:4] == ["/opt/uv", "pip", "install", "--dry-run"]
    assert command[-1] == RELEASE


def test_the_uv_of_windows_has_the_ending_of_its_uvx() -> None:
    runs = Runs([(0, "")])

    is_absent(uvx_launcher("/opt/uvx.exe"), runs)

    assert runs.asked[0][0][0] == "/opt/uv.exe"
