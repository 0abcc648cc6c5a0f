"""Child processes and what is said to them over pipes, one line of JSON at a time; every wait is bounded.

The server is the real program, started by `starter` through the very entry that the command calls; some starts are the
command itself, `python -m runway_mcp serve`. Nothing of the caller's settings reaches it.
"""

import contextlib
import json
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.campaign.starter import CLOCK

COMMAND = (sys.executable, "-m", "runway_mcp")
PATIENCE = 60.0
# How long a fresh interpreter may take to start, on a machine that is busy with much else.
STARTING = 60.0

_OURS = ("USEAPI_", "RUNWAY_MCP_")
_PAUSE = 0.005
_SAYS = " listening on "


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


class Starter:
    """The process that starts servers; to be used from any thread."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._turn = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  our own module
                [sys.executable, "-m", "tests.campaign.starter", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def start(self, arguments: list[str], environment: Mapping[str, str], descriptors: list[int]) -> int:
        """Starts a server on these descriptors (stdin, stdout, stderr, clock); returns its process id."""
        return self._ask({"arguments": arguments, "environment": dict(environment)}, descriptors)["pid"]

    def ended(self, pid: int) -> int | None:
        """The exit status of a server that has ended, negative for a signal; to be asked once more at most."""
        return self._ask({"ended": pid}, [])["code"]

    def close(self) -> None:
        """Ends the process, and the servers that still run."""
        self._orders.close()
        self._process.wait(PATIENCE)

    def _ask(self, order: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        with self._turn:
            socket.send_fds(self._orders, [json.dumps(order).encode()], descriptors)
            return json.loads(self._orders.recv(65536) or b'{"pid": -1, "code": 70}')


class UpstreamProcess:
    """The stand-in's process, with the one that starts servers for it."""

    def __init__(self) -> None:
        self.starter = Starter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaign.upstream_process"],
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

    def open(self, **order: Any) -> dict[str, Any]:
        """Opens a world and returns how to reach it, and its clips."""
        return self.ask({"op": "open", **order}, "url")

    def truth(self) -> list[dict[str, Any]]:
        """Every POST that arrived, with what was made of it."""
        return self.ask({"op": "truth"}, "posts")["posts"]

    def order(self, op: str, **order: Any) -> None:
        """Orders something, and returns when it is done."""
        self.ask({"op": op, **order}, "done")

    def close(self) -> None:
        """Ends both processes."""
        self.starter.close()
        self.pipe.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


class ServerProcess:
    """One server process on a data folder; `whole` starts the command itself, whose clock cannot be moved.

    `ahead` is by how many seconds its wall clock is ahead; `settings` are further variables of its environment.
    """

    def __init__(
        self,
        upstream: UpstreamProcess,
        world: Mapping[str, Any],
        data: Path,
        *,
        transport: str = "stdio",
        whole: bool = False,
        ahead: float = 0.0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        ours = {
            "USEAPI_TOKEN": world["token"],
            "USEAPI_URL": world["url"],
            "RUNWAY_MCP_DATA_DIR": str(data),
            "RUNWAY_MCP_SAVE": "never",
            "RUNWAY_MCP_POLL_SECONDS": "0.1",
        }
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_OURS)}
        environment = kept | ours | dict(settings or {})
        arguments = ["serve", "--transport", transport, *([] if transport == "stdio" else ["--port", "0"])]
        inward, to = os.pipe()
        back, outward = os.pipe()
        handle, self.said = tempfile.mkstemp(prefix="stderr-", suffix=".txt", dir=data)
        self._handled = 1
        self._ended: int | None = None
        with tempfile.TemporaryFile() as clock:
            clock.truncate(CLOCK.size)
            self._clock = mmap.mmap(clock.fileno(), CLOCK.size)
            self.move_clock(ahead)
            try:
                if whole:
                    process = subprocess.Popen(  # noqa: S603  our own program
                        [*COMMAND, *arguments], stdin=inward, stdout=outward, stderr=handle, env=environment
                    )
                    self.pid, self._poll = process.pid, process.poll
                else:
                    starter = upstream.starter
                    pid = starter.start(arguments, environment, [inward, outward, handle, clock.fileno()])
                    self.pid, self._poll = pid, lambda: starter.ended(pid)
            finally:
                for descriptor in (inward, outward, handle):
                    os.close(descriptor)
        self.pipe = Pipe(to, back)

    def open(self) -> None:
        """Shakes hands as a host of the 2025 era does."""
        client = {"name": "campaign", "version": "0"}
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        self.reply(self.begin("initialize", hello), STARTING)
        self.pipe.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def begin(self, method: str, params: dict[str, Any]) -> int:
        """Sends a request and does not wait; returns its number."""
        self._handled += 1
        self.pipe.send({"jsonrpc": "2.0", "id": self._handled, "method": method, "params": params})
        return self._handled

    def reply(self, number: int, seconds: float = PATIENCE) -> dict[str, Any]:
        """The result of a request that was sent."""
        answer = self.pipe.hear(lambda message: message.get("id") == number and "method" not in message, seconds)
        return answer.get("result", answer)

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Sends a request and returns its result."""
        return self.reply(self.begin(method, params))

    def address(self) -> str:
        """Where a server on HTTP says that it listens, without the path; raises `TimeoutError` and `Gone`."""
        until = time.monotonic() + PATIENCE
        while True:
            for line in self.stderr().splitlines():
                _, found, url = line.partition(_SAYS)
                if found:
                    return url.strip().removesuffix("/mcp").removesuffix("/sse")
            if self.has_ended():
                raise Gone
            if time.monotonic() > until:
                raise TimeoutError("the server does not say where it listens")
            time.sleep(_PAUSE)

    def stderr(self) -> str:
        """What it has written to stderr so far."""
        return Path(self.said).read_text(encoding="utf-8", errors="replace")

    def move_clock(self, seconds: float) -> None:
        """Puts its wall clock so many seconds ahead of the machine's."""
        self.ahead = seconds
        CLOCK.pack_into(self._clock, 0, seconds)

    def signal(self, number: int) -> None:
        """Sends a signal."""
        if self._ended is None:
            os.kill(self.pid, number)

    def has_ended(self) -> bool:
        """Whether the process is over."""
        if self._ended is None:
            self._ended = self._poll()
        return self._ended is not None

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit status (negative for a signal); raises `TimeoutError`."""
        until = time.monotonic() + seconds
        while not self.has_ended():
            if time.monotonic() > until:
                raise TimeoutError(f"the server did not end within {seconds:g} s")
            time.sleep(_PAUSE)
        assert self._ended is not None
        return self._ended

    def close(self) -> int:
        """Ends it as a host does, by closing its stdin, or by force; returns the exit status."""
        self.pipe.close_writing()
        try:
            return self.wait(30.0)
        except TimeoutError:
            return self.kill()
        finally:
            self.pipe.close()

    def kill(self) -> int:
        """Ends it at once; returns the exit status."""
        self.signal(signal.SIGKILL)
        try:
            return self.wait()
        finally:
            self.pipe.close()
