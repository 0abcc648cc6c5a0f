"""What is no ordinary file where a configuration belongs: told in one line, in bounded time, and left alone."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runway_mcp.install.command import InstallError
from runway_mcp.install.host_status import standings
from tests.install.machines import Desk

pytestmark = pytest.mark.skipif(os.name == "nt", reason="files of POSIX")
NOBODY = 65_534


def a_loop(file: Path) -> None:
    file.symlink_to(file.with_name("other"))
    file.with_name("other").symlink_to(file)


def a_folder(file: Path) -> None:
    file.mkdir()


def a_pipe(file: Path) -> None:
    os.mkfifo(file)


def a_link_to_a_pipe(file: Path) -> None:
    os.mkfifo(file.with_name("pipe"))
    file.symlink_to(file.with_name("pipe"))


def a_device(file: Path) -> None:
    file.symlink_to("/dev/zero")


ODD = [
    (a_loop, "it cannot be read: "),
    (a_folder, "it is a folder"),
    (a_pipe, "it is no ordinary file"),
    (a_link_to_a_pipe, "it is no ordinary file"),
    (a_device, "it is no ordinary file"),
]


@pytest.mark.parametrize("command", ["install", "print", "uninstall"])
@pytest.mark.parametrize(("put", "told"), ODD, ids=[put.__name__ for put, _ in ODD])
def test_what_is_no_file_is_told_in_one_line_and_left_alone(
    command: str, put: Callable[[Path], None], told: str, desk: Desk
) -> None:
    file = desk.put("cursor", b"")
    file.unlink()
    put(file)
    before = sorted(path.name for path in desk.home.rglob("*"))

    with pytest.raises(InstallError) as refused:
        desk.uninstall("cursor") if command == "uninstall" else desk.install("cursor", print_only=command == "print")

    assert str(refused.value).startswith(f"{file} was left as it is: {told}")
    assert "\n" not in str(refused.value)
    assert sorted(path.name for path in desk.home.rglob("*")) == before
    assert desk.fetched == []


@pytest.mark.parametrize(("put", "told"), ODD, ids=[put.__name__ for put, _ in ODD])
def test_what_is_no_file_is_told_among_the_hosts(put: Callable[[Path], None], told: str, desk: Desk) -> None:
    file = desk.put("cursor", b"")
    file.unlink()
    put(file)

    assert f"{file}  {told}" in desk.hosts()


@contextmanager
def as_nobody() -> Generator[None]:
    """As a user who may reach into nothing of ours; root may read everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("command", ["install", "uninstall"])
@pytest.mark.parametrize("closed", ["the file", "its folder"])
def test_a_configuration_that_may_not_be_read_is_told_in_one_line(command: str, closed: str, desk: Desk) -> None:
    file = desk.put("cursor", b"{}")
    shut = file if closed == "the file" else file.parent
    shut.chmod(0)
    try:
        with as_nobody(), pytest.raises(InstallError) as refused:
            desk.install("cursor") if command == "install" else desk.uninstall("cursor")
        with as_nobody():
            assert isinstance(standings(desk.machine), list)
    finally:
        shut.chmod(0o700)

    assert str(refused.value) == f"{file} was left as it is: it cannot be read: Permission denied"
    assert (file.read_bytes(), desk.fetched) == (b"{}", [])


@pytest.mark.parametrize("host", ["codex", "claude-code"])
def test_a_folder_whose_name_no_system_takes_is_told_in_one_line(host: str, desk: Desk) -> None:
    desk.environ = {"CODEX_HOME": "/" + "x" * 300, "CLAUDE_CONFIG_DIR": "/" + "x" * 300}

    with pytest.raises(InstallError, match="it cannot be read: File name too long"):
        desk.install(host)


def test_a_folder_in_which_nothing_can_be_made_is_told_in_one_line(desk: Desk) -> None:
    desk.home.mkdir()
    (desk.home / ".cursor").write_bytes(b"a file")

    with pytest.raises(InstallError, match="was left as it is: it cannot be read: Not a directory"):
        desk.install("cursor")


@pytest.mark.parametrize(
    ("error", "code", "told"), [(EOFError, 1, "not answered"), (KeyboardInterrupt, 130, "interrupted")]
)
def test_a_question_that_is_not_answered_leaves_everything_as_it_is(
    error: type[BaseException], code: int, told: str, desk: Desk
) -> None:
    file = desk.put("cursor", b"{}")

    def unanswered(_question: str) -> str:
        raise error

    desk.ask = unanswered
    with pytest.raises(InstallError, match=told) as refused:
        desk.install("cursor")

    assert refused.value.code == code
    assert (file.read_bytes(), desk.fetched) == (b"{}", [])
