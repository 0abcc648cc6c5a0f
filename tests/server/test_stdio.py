import json
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import TextContent

from tests.server.toy import STEPS

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "tests.server.toy", "stdio"]
OPENING: list[dict[str, Any]] = [
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "count", "arguments": {}}},
]
HANG: dict[str, Any] = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "hang", "arguments": {}}}


@contextmanager
def hanging_toy() -> Generator[subprocess.Popen[str]]:
    """A toy in a process of its own, after a first answer and in a call that never returns."""
    with subprocess.Popen(  # noqa: S603 - our own program
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        say(process, *OPENING, HANG)
        assert process.stderr
        assert any(line == "hanging\n" for line in process.stderr)
        try:
            yield process
        finally:
            process.kill()


def say(process: subprocess.Popen[str], *messages: dict[str, Any]) -> None:
    assert process.stdin
    process.stdin.writelines(json.dumps(message) + "\n" for message in messages)
    process.stdin.flush()


def close_stdin(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.close()


def stop_reading(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    process.stdout.close()
    say(process, OPENING[2] | {"id": 4})


def terminate(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)


def interrupt(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_stdio_speaks_both_eras_and_passes_progress_on(mode: Literal["legacy", "auto"]) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    with anyio.fail_after(60):
        async with Client(StdioServerParameters(command=COMMAND[0], args=COMMAND[1:]), mode=mode) as client:
            result = await client.call_tool("count", {}, progress_callback=on_progress)

            assert client.session.protocol_version == {"legacy": "2025-11-25", "auto": "2026-07-28"}[mode]
    assert result.content == [TextContent(type="text", text="1")]
    assert heard == [(step, STEPS, f"step {step}") for step in range(1, STEPS + 1)]


@pytest.mark.parametrize("end", [close_stdin, stop_reading, terminate, interrupt])
def test_every_end_is_soon_and_in_order(end: Callable[[subprocess.Popen[str]], None]) -> None:
    with hanging_toy() as process:
        end(process)
        code = process.wait(timeout=30)
        assert process.stderr
        told = process.stderr.read().splitlines()

    assert code == 0
    assert [line for line in told if line in {"let go", "closed"}] == ["let go", "closed"]
    assert not any("Traceback" in line for line in told)


def test_only_messages_reach_stdout_whatever_a_tool_prints() -> None:
    with hanging_toy() as process:
        terminate(process)
        wire, told = process.communicate(timeout=30)

    answers = [json.loads(line) for line in wire.splitlines()]
    assert {answer["jsonrpc"] for answer in answers} == {"2.0"}
    assert [answer["id"] for answer in answers] == [1, 2, 3]
    assert "noise" not in wire
    assert "\r" not in wire
    assert "let go" in told


@pytest.mark.parametrize("asked", [OPENING[:2], []])
def test_a_file_as_stdin_ends_the_server_in_order_where_it_ends(tmp_path: Path, asked: list[dict[str, Any]]) -> None:
    """A file can be read at once and for ever, so an event loop cannot wait for it."""
    (tmp_path / "asked").write_text("".join(json.dumps(message) + "\n" for message in asked), encoding="utf-8")
    with (tmp_path / "asked").open("rb") as file:
        done = subprocess.run(COMMAND, stdin=file, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own program

    assert "closed" in done.stderr.splitlines()


def test_without_any_stdin_a_server_ends_in_order() -> None:
    done = subprocess.run(COMMAND, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own program

    assert "closed" in done.stderr.splitlines()
    assert not done.stdout


def test_messages_are_read_whole_however_they_arrive() -> None:
    asked = [OPENING[0] | {"id": f"{number} {'é' * size}"} for number, size in ((7, 1), (8, 300_000))]
    wire = "".join(f"{json.dumps(each, ensure_ascii=False)}\r\n" for each in asked).encode()
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - our own program
        assert process.stdin
        assert process.stdout
        # Within a letter, and within a message.
        cut = wire.index("é".encode()) + 1
        for piece in (wire[:cut], wire[cut:90_001], wire[90_001:]):
            process.stdin.write(piece)
            process.stdin.flush()
        told = [json.loads(process.stdout.readline())["id"] for _ in asked]
        process.stdin.close()

        assert process.wait(timeout=60) == 0
    assert told == [each["id"] for each in asked]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_another_thread_takes_wakes_a_sleeping_server(number: signal.Signals) -> None:
    program = """
import signal, sys, threading, time, anyio
from runway_mcp.server.transport.signals import stop_signals

def take(main, number):
    # Its sleep begins before the signal, and nothing but the signal could end it. A kernel may hide where it sleeps.
    for _ in range(200):
        if "poll" in open(f"/proc/self/task/{main}/wchan").read():
            break
        time.sleep(0.01)
    signal.pthread_kill(threading.get_ident(), number)

async def sleep():
    stopped = anyio.Event()
    with stop_signals(stopped.set):
        threading.Thread(target=take, args=(threading.main_thread().native_id, int(sys.argv[1]))).start()
        await stopped.wait()
    print("stopped")

anyio.run(sleep)
"""
    command = [sys.executable, "-c", program, str(int(number))]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own
    assert told.stdout == "stopped\n"


def test_a_second_signal_does_not_wait_for_the_order() -> None:
    program = """
import signal, sys, time
from runway_mcp.server.transport.signals import stop_signals
with stop_signals(lambda: print("asked", flush=True)):
    print("ready", flush=True)
    while True:
        time.sleep(60)
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == -signal.SIGTERM
