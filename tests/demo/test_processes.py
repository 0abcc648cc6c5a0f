"""How the demo ends when one of its two processes does not do its part, or when it is stopped."""

import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runway_mcp.demo import run_demo

# asyncio hears of a process's end in a thread, which a loop that closes at once no longer listens to.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")]

GREETING = """
import sys, time
role = sys.argv[1]
if role == "simulate":
    print('{"url": "http://127.0.0.1:9", "token": "t"}', flush=True)
"""
LIVES_ON = "\nsys.stdin.read() if role == 'serve' else time.sleep(60)\n"

FULL = Path("/dev/full")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What a test leaves is collected under the filter above, and not in the midst of another test."""
    yield
    gc.collect()


FAILURES = [
    (
        "import sys; sys.exit('no port left')",
        "the stand-in ended before it listened (exit 1): no port left",
    ),
    ("print('hello')", "the stand-in did not say where it listens"),
    ("print('x' * 10_000)", "the stand-in did not say where it listens"),
    (
        GREETING + "\nif role == 'serve': sys.exit('no such setting')" + LIVES_ON,
        "the server gave up: Connection closed: no such setting",
    ),
    (
        GREETING + "\nif role == 'simulate': sys.exit(3)" + LIVES_ON,
        "the stand-in ended (exit 3)",
    ),
]


@pytest.mark.parametrize(("script", "line"), FAILURES)
def test_a_process_that_fails_ends_the_demo_with_one_line(
    script: str, line: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_demo(5, tmp_path, 1, program=(sys.executable, "-c", script)) == 1
    assert capfd.readouterr().err == f"useapi-runway-mcp demo: {line}\n"


def test_a_program_that_is_not_there_ends_the_demo_with_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_demo(5, tmp_path, 1, program=(str(tmp_path / "gone"),)) == 1
    assert (
        capfd.readouterr().err == "useapi-runway-mcp demo: the stand-in cannot be started: No such file or directory\n"
    )


def test_a_demo_that_takes_too_long_says_what_it_was_doing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_demo(5, tmp_path, 1, program=(sys.executable, "-c", GREETING + LIVES_ON), limit=8) == 1
    assert capfd.readouterr().err == "useapi-runway-mcp demo: gave up after 8 s while connecting to the MCP server\n"


def test_a_process_that_refuses_to_end_is_killed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as lines:
        lines.settimeout(30)
        call = f"\nimport socket; line = socket.create_connection(('127.0.0.1', {lines.getsockname()[1]}))\n"
        deaf = "\nimport signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + call + GREETING + LIVES_ON
        assert run_demo(5, tmp_path, 1, program=(sys.executable, "-c", deaf), limit=8) == 1
        line, _ = lines.accept()
    with line:
        line.settimeout(30)
        assert line.recv(1) == b""


def test_a_folder_that_cannot_be_written_to_stops_the_demo_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    assert run_demo(5, file, 1, program=("never started",)) == 1
    assert capfd.readouterr().err.startswith(f"useapi-runway-mcp demo: cannot write to {file}: ")


def started_without_a_program(stdout: int, folder: Path) -> tuple[int, bytes]:
    """The exit code and the stderr of a demo with this file descriptor for its output."""
    demo = "import os, sys; from runway_mcp.demo import run_demo; code = run_demo(5, program=('never started',));"
    demo += "os.dup2(os.open(os.devnull, os.O_WRONLY), 1); sys.exit(code)"  # what is left in the buffer goes nowhere
    ended = subprocess.run(  # noqa: S603  our own program
        [sys.executable, "-c", demo], cwd=folder, stdout=stdout, stderr=subprocess.PIPE, timeout=60, check=False
    )
    return ended.returncode, ended.stderr


def test_an_output_that_was_closed_ends_the_demo_with_one_line(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as output:  # noqa: PTH123  a pipe has no path
        told = started_without_a_program(output.fileno(), tmp_path)
    assert told == (1, b"useapi-runway-mcp demo: the output was closed\n")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
def test_an_output_that_is_full_ends_the_demo_with_one_line(tmp_path: Path) -> None:
    with FULL.open("wb") as output:
        told = started_without_a_program(output.fileno(), tmp_path)
    assert told == (1, b"useapi-runway-mcp demo: the system refused: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_demo_takes_its_processes_with_it(number: signal.Signals, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as lines:
        lines.settimeout(60)
        call = f"\nimport socket; line = socket.create_connection(('127.0.0.1', {lines.getsockname()[1]}))\n"
        program = (sys.executable, "-c", GREETING + call + LIVES_ON)
        demo = f"import sys; from runway_mcp.demo import run_demo; sys.exit(run_demo(5, None, 1, program={program!r}))"
        command = [sys.executable, "-c", demo]
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as process:  # noqa: S603  ours alone
            alive = [lines.accept()[0] for _ in ("the stand-in", "the server")]
            process.send_signal(number)
            _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert told.startswith(b"useapi-runway-mcp demo: stopped")
    for line in alive:
        with line:
            line.settimeout(0)
            assert line.recv(1) == b"", "a process outlived the demo"
