import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runway_mcp.install.answers import ways_to_ask
from runway_mcp.install.launcher import RELEASE
from tests.install.machines import SECRET
from tests.kit.processes import PROGRAM, environment

Answer = Callable[[subprocess.Popen[bytes], int], None]
"""What a person does at a question, given the program and its terminal."""

pytestmark = pytest.mark.slow


def machine(folder: Path, *, script: str = "", **ours: str) -> dict[str, str]:
    """The environment of a machine with a home folder of its own and a `uvx` that runs a script."""
    uvx = folder / "bin" / "uvx"
    uvx.parent.mkdir(exist_ok=True)
    uvx.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    uvx.chmod(0o700)
    path = f"{uvx.parent}{os.pathsep}{os.environ['PATH']}"
    return environment(HOME=str(folder), PATH=path, RUNWAY_MCP_DATA_DIR=str(folder / "data"), **ours)


def run(*arguments: str, env: dict[str, str], told: str | None = None) -> subprocess.CompletedProcess[str]:
    """The program, run to its end with this text on a pipe as its stdin, or without any."""
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if told is None else {"input": told}
    return subprocess.run(  # noqa: S603  our own program
        [*PROGRAM, *arguments],
        env=env,
        **given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_host_is_registered_and_taken_back_from_the_command_line(tmp_path: Path) -> None:
    env = machine(tmp_path, USEAPI_TOKEN=SECRET)
    file = tmp_path / ".cursor" / "mcp.json"

    printed = run("install", "cursor", "--print", env=env)
    untouched = not file.parent.exists()
    installed = run("install", "cursor", env=env)
    text = file.read_text()
    listed = run("install", env=env)
    removed = run("uninstall", "cursor", env=env)

    for ended in (printed, installed, listed, removed):
        assert (ended.returncode, ended.stderr, SECRET in ended.stdout) == (0, "", False)
    assert untouched
    assert f'"command": "{tmp_path}/bin/uvx"' in text
    assert f'"args": ["--from", "{RELEASE}", "useapi-runway-mcp"]' in text
    assert f'"USEAPI_TOKEN": "{SECRET}"' in text
    assert f'+     "runway": {{\n  +       "command": "{tmp_path}/bin/uvx"' in installed.stdout
    assert "cursor  Cursor  " in listed.stdout
    assert not file.parent.exists()


@pytest.mark.parametrize(
    ("content", "script", "told"),
    [
        ("{", "", "was left as it is: it is not valid JSON, at line 1, column 2"),
        ("{}", "echo 'no network' >&2; exit 1", "cannot be fetched: no network. Nothing was written"),
    ],
)
def test_what_stops_an_install_is_one_line_and_exit_code_1(
    content: str, script: str, told: str, tmp_path: Path
) -> None:
    file = tmp_path / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_text(content)

    ended = run("install", "cursor", env=machine(tmp_path, script=script))

    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.endswith(f"{told}\n")
    assert file.read_text() == content


def test_uninstall_of_what_is_malformed_is_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / ".claude.json").write_text("[")

    ended = run("uninstall", "claude-code", env=machine(tmp_path))

    assert ended.returncode == 1
    assert "was left as it is" in ended.stderr


def test_a_bad_setting_stops_an_install_with_exit_code_2(tmp_path: Path) -> None:
    ended = run("install", env=machine(tmp_path, RUNWAY_MCP_WAIT_SECONDS="soon"))

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "RUNWAY_MCP_WAIT_SECONDS must be" in ended.stderr


def at_terminal(env: dict[str, str], answer: Answer) -> tuple[int, bytes]:
    """The exit code of `install cursor` at a terminal, and all that it shows; `answer` is called at its question."""
    terminal, other_end = pty.openpty()
    with subprocess.Popen(  # noqa: S603  our own program
        [*PROGRAM, "install", "cursor"],
        env=env,
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        start_new_session=True,
    ) as program:
        os.close(other_end)
        said = b""
        while b"later): " not in said:
            said += os.read(terminal, 4096)
        answer(program, terminal)
        try:
            while more := os.read(terminal, 4096):
                said += more
        except OSError:  # Linux tells so that the other end was closed
            pass
        code = program.wait(30)
    os.close(terminal)
    return code, said


def typed(keys: bytes) -> Answer:
    def answer(_: subprocess.Popen[bytes], terminal: int) -> None:
        os.write(terminal, keys)

    return answer


def interrupted(program: subprocess.Popen[bytes], _: int) -> None:
    program.send_signal(signal.SIGINT)


def test_at_a_terminal_the_token_is_asked_for_and_not_shown(tmp_path: Path) -> None:
    code, said = at_terminal(machine(tmp_path), typed(f"{SECRET}\n".encode()))

    assert code == 0
    assert SECRET.encode() not in said
    assert SECRET in (tmp_path / ".cursor" / "mcp.json").read_text()


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        (typed(b"\x04"), 1, b"the question for the token was not answered"),
        (interrupted, 130, b"interrupted"),
    ],
    ids=["Ctrl-D", "Ctrl-C"],
)
def test_a_question_that_is_left_is_one_line_and_writes_nothing(
    answer: Answer, code: int, told: bytes, tmp_path: Path
) -> None:
    ended, said = at_terminal(machine(tmp_path), answer)

    last = said.rstrip().splitlines()[-1]
    assert ended == code
    assert last.startswith(b"useapi-runway-mcp: ")
    assert last.endswith(b"was left as it is: " + told)
    assert b"Traceback" not in said
    assert not (tmp_path / ".cursor").exists()


@pytest.mark.parametrize("name", ["Claude Desktop", "CLAUDE-DESKTOP", "claude_desktop", "claudedesktop"])
def test_a_host_is_known_in_any_case_with_blanks_or_hyphens(name: str, tmp_path: Path) -> None:
    for given in ([name], name.split()):
        ended = run("install", *given, "--print", env=machine(tmp_path))

        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith("Claude Desktop: ")


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_host_that_nobody_knows_is_one_line_with_those_that_are_known(command: str, tmp_path: Path) -> None:
    ended = run(command, "emacs", env=machine(tmp_path))

    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "HOST must be one of claude-desktop, claude-code, cursor," in ended.stderr
    assert ended.stderr.endswith("not 'emacs'\n")


@pytest.mark.parametrize("told", [f"{SECRET}\n", SECRET, f"'{SECRET}'\r\nmore\n"])
def test_a_token_on_stdin_is_taken_from_a_pipe(told: str, tmp_path: Path) -> None:
    ended = run("install", "cursor", env=machine(tmp_path), told=told)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert SECRET not in ended.stdout
    assert f'"USEAPI_TOKEN": "{SECRET}"' in (tmp_path / ".cursor" / "mcp.json").read_text()


@pytest.mark.parametrize("told", ["\ufffd\n", "<token>\n", "${USEAPI_TOKEN}\n"])
def test_what_can_be_no_token_on_stdin_is_one_line_and_writes_nothing(told: str, tmp_path: Path) -> None:
    ended = run("install", "cursor", env=machine(tmp_path), told=told)

    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert "was left as it is: the token " in ended.stderr
    assert not (tmp_path / ".cursor").exists()


def test_a_closed_stdin_is_no_token(tmp_path: Path) -> None:
    ended = subprocess.run(  # noqa: S603  our own program
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *PROGRAM, "install", "cursor"],
        env=machine(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "put your token into USEAPI_TOKEN" in ended.stdout


def test_a_pipe_on_which_nothing_comes_is_left_after_a_while() -> None:
    reading, writing = os.pipe()
    said: list[str] = []
    with open(reading, encoding="utf-8") as stream, open(writing, "w", encoding="utf-8"):  # noqa: PTH123  descriptors
        asked, piped = ways_to_ask(stream, said.append)
        assert asked is None
        assert piped

        assert piped(0.01) == ""

    assert said == ["No token came on stdin within 0 s; going on without it."]


def test_uninstall_print_writes_nothing(tmp_path: Path) -> None:
    env = machine(tmp_path, USEAPI_TOKEN=SECRET)
    run("install", "cursor", env=env)
    before = (tmp_path / ".cursor" / "mcp.json").read_bytes()

    ended = run("uninstall", "Cursor", "--print", env=env)

    assert (ended.returncode, ended.stderr, SECRET in ended.stdout) == (0, "", False)
    assert "The file would be removed." in ended.stdout
    assert (tmp_path / ".cursor" / "mcp.json").read_bytes() == before


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_process_of_an_install_has_the_token_on_its_command_line(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    env = machine(tmp_path, script=f"cat /proc/[0-9]*/cmdline >> {seen} 2>/dev/null", USEAPI_TOKEN=SECRET)

    assert run("install", "cursor", env=env).returncode == 0
    assert b"useapi-runway-mcp" in seen.read_bytes()
    assert SECRET.encode() not in seen.read_bytes()
