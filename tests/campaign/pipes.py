"""Child processes and what is said to them over pipes, one line of JSON at a time; every wait is bounded.

The server is the real program. It is started by forking this process, which has imported it already, and by calling
the very entry that the command calls; that takes a hundredth of the time of a fresh interpreter, so that kills can be
many. One start in ten is the command itself, `python -m runway_mcp serve --transport stdio`.
"""

import contextlib
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runway_mcp.cli import main
from runway_mcp.settings import variables

COMMAND = (sys.executable, "-m", "runway_mcp", "serve", "--transport", "stdio")
PATIENCE = 20.0


class Gone(Exception):  # noqa: N818  an end, expected or not
    """The process at the other end has closed its pipe."""


class Pipe:
    """Lines of JSON from and to a process."""

    def __init__(self, to: int, back: int) -> None:
        self._to = to
        self._back = back
        self._begun = b""

    def send(self, *messages: dict[str, Any]) -> None:
        """Says something; raises `Gone`."""
        try:
            for message in messages:
                os.write(self._to, json.dumps(message).encode() + b"\n")
        except OSError:
            raise Gone from None

    def hear(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = PATIENCE) -> dict[str, Any]:
        """The first message of that kind; raises `Gone`, or `TimeoutError` after so many seconds."""
        until = time.monotonic() + seconds
        while True:
            line, mark, rest = self._begun.partition(b"\n")
            if mark:
                self._begun = rest
                message = json.loads(line)
                if wanted(message):
                    return message
                continue
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._back], [], [], left)[0]:
                raise TimeoutError(f"nothing was heard for {seconds:g} s")
            block = os.read(self._back, 65536)
            if not block:
                raise Gone
            self._begun += block

    def close_writing(self) -> None:
        """Ends what the process reads."""
        if self._to >= 0:
            with contextlib.suppress(OSError):
                os.close(self._to)
            self._to = -1

    def close(self) -> None:
        """Lets both ends go."""
        self.close_writing()
        if self._back >= 0:
            os.close(self._back)
            self._back = -1


class StandIn:
    """The stand-in's process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaign.standin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin
        assert self._process.stdout
        self.pipe = Pipe(os.dup(self._process.stdin.fileno()), os.dup(self._process.stdout.fileno()))
        self._process.stdin.close()

    def ask(self, order: dict[str, Any], answer: str) -> dict[str, Any]:
        """Orders something and returns the message that has `answer` in it."""
        self.pipe.send(order)
        return self.pipe.hear(lambda message: answer in message)

    def close(self) -> None:
        """Ends the process."""
        self.pipe.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


class ServerProcess:
    """One server process on a data folder; `whole` starts the command itself instead of a fork."""

    def __init__(self, url: str, token: str, data: Path, *, whole: bool) -> None:
        self._replies = 1
        ours = {
            "USEAPI_TOKEN": token,
            "USEAPI_URL": url,
            "RUNWAY_MCP_DATA_DIR": str(data),
            "RUNWAY_MCP_POLL_SECONDS": "0.1",
        }
        names = {variable.name for variable in variables().values()}
        environment = {name: value for name, value in os.environ.items() if name not in names} | ours
        inward, to = os.pipe()
        back, outward = os.pipe()
        errors = os.open(data / "stderr.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        start = _start_whole if whole else _fork
        try:
            self.pid = start(environment, inward, outward, errors)
        finally:
            for descriptor in (inward, outward, errors):
                os.close(descriptor)
        self.pipe = Pipe(to, back)
        self._ended: int | None = None

    def open(self) -> None:
        """Shakes hands as a host of the 2025 era does."""
        client = {"name": "campaign", "version": "0"}
        self.request("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})
        self.pipe.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def begin(self, method: str, params: dict[str, Any]) -> int:
        """Sends a request and does not wait; returns its number."""
        self._replies += 1
        self.pipe.send({"jsonrpc": "2.0", "id": self._replies, "method": method, "params": params})
        return self._replies

    def reply(self, number: int, seconds: float = PATIENCE) -> dict[str, Any]:
        """The result of a request that was sent."""
        answer = self.pipe.hear(lambda message: message.get("id") == number and "method" not in message, seconds)
        return answer.get("result", answer)

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Sends a request and returns its result."""
        return self.reply(self.begin(method, params))

    def signal(self, number: int) -> None:
        """Sends a signal."""
        if self._ended is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit status (negative for a signal); raises `TimeoutError`."""
        until = time.monotonic() + seconds
        while self._ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._ended = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > until:
                raise TimeoutError(f"the server did not end within {seconds:g} s")
            else:
                time.sleep(0.002)
        return self._ended

    def close(self) -> int:
        """Ends it as a host does, by closing its stdin, or by force; returns the exit status."""
        self.pipe.close_writing()
        try:
            return self.wait(10.0)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            return self.wait()
        finally:
            self.pipe.close()


def _start_whole(environment: dict[str, str], inward: int, outward: int, errors: int) -> int:
    process = subprocess.Popen(  # noqa: S603  our own program
        COMMAND, stdin=inward, stdout=outward, stderr=errors, env=environment
    )
    process.returncode = 0  # it is waited for by its id
    return process.pid


def _fork(environment: dict[str, str], inward: int, outward: int, errors: int) -> int:
    for name in ("app", "stdio"):
        importlib.import_module(f"runway_mcp.server.{name}")  # so that the child finds them imported
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        for number, descriptor in enumerate((inward, outward, errors)):
            os.dup2(descriptor, number)
        os.closerange(3, 256)
        os.environ.clear()
        os.environ.update(environment)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        code = main(["serve", "--transport", "stdio"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
