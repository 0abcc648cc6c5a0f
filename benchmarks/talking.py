"""What a host says to a server in either era, on pipes and on a socket, and what a process has used so far."""

import contextlib
import http
import http.client
import json
import os
import subprocess
import time
import weakref
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

Era = Literal["2025-11-25", "2026-07-28"]
ERAS: tuple[Era, ...] = ("2025-11-25", "2026-07-28")

_TICKS = os.sysconf("SC_CLK_TCK")
# Servers close connections that were idle for five seconds.
_IDLE_SECONDS = 3.0
_CLIENT = {"name": "benchmark", "version": "1"}
_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": _CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}
_INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": _CLIENT}


@dataclass(frozen=True)
class Used:
    """What a process has used: CPU in user mode and in all, in seconds, and its memory at the moment, in bytes.

    `own` is that part of the memory which no other process shares.
    """

    user: float
    cpu: float
    memory: int
    own: int


def used(pid: int) -> Used:
    """What a process has used so far, by the accounts of Linux; user time is counted in hundredths of a second."""
    process = Path(f"/proc/{pid}")
    fields = (process / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
    told = (process / "smaps_rollup").read_text(encoding="ascii")
    resident, clean, dirty = (
        int(told.partition(f"{name}:")[2].split()[0]) * 1024 for name in ("Rss", "Private_Clean", "Private_Dirty")
    )
    # Of all threads: the account of the process is that of its first one alone.
    threads = [
        int((each / "schedstat").read_text(encoding="ascii").split()[0]) for each in (process / "task").iterdir()
    ]
    return Used(int(fields[11]) / _TICKS, sum(threads) / 1e9, resident, clean + dirty)


def message(era: Era, number: int, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """A request of an era."""
    told = {**params, "_meta": _META} if era == "2026-07-28" else dict(params)
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": told}


class Pipes:
    """A host on the pipes of a server."""

    def __init__(self, process: subprocess.Popen[bytes], era: Era) -> None:
        self.process, self._number = process, 0
        self._era: Era = era

    def open(self) -> None:
        """The handshake of the older era; the newer has none."""
        if self._era == "2025-11-25":
            self.ask("initialize", _INITIALIZE)
            self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a request; raises RuntimeError if there is none."""
        self._number += 1
        self._write(message(self._era, self._number, method, params))
        told = cast("IO[bytes]", self.process.stdout)
        while line := told.readline():
            answer = json.loads(line)
            if answer.get("id") == self._number:
                return answer["result"]
        raise RuntimeError("the server ended")

    def renew(self) -> None:
        """Does nothing: pipes last."""

    def _write(self, sent: Mapping[str, Any]) -> None:
        pipe = cast("IO[bytes]", self.process.stdin)
        pipe.write(json.dumps(sent).encode() + b"\n")
        pipe.flush()


class Socket:
    """A host on one connection to an HTTP server; `token` is its bearer token, None where none is asked for."""

    def __init__(self, process: subprocess.Popen[Any], port: int, era: Era, *, token: str | None = None) -> None:
        self.process, self._number = process, 0
        self._era: Era = era
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        weakref.finalize(self, self._connection.close)
        self._used = 0.0
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": era,
        } | ({"Authorization": f"Bearer {token}"} if token else {})

    def open(self) -> None:
        """The handshake of the older era, which opens a session where there are some; the newer has none."""
        if self._era == "2025-11-25":
            response, _ = self._post(message(self._era, 0, "initialize", _INITIALIZE))
            if session := response.headers["mcp-session-id"]:
                self._headers["Mcp-Session-Id"] = session
            self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a request; raises RuntimeError if there is none."""
        self._number += 1
        response, body = self._post(
            message(self._era, self._number, method, params), method, params.get("name", params.get("uri"))
        )
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"HTTP {response.status}: {body[:200]!r}")
        found = body if body.startswith(b"{") else _last_event(body)
        answer = json.loads(found)
        if "result" not in answer:
            raise RuntimeError(f"no result: {answer}")
        return answer["result"]

    def renew(self) -> None:
        """Connects anew at the next request, since servers close connections that were idle."""
        self._connection.close()

    def _post(self, sent: Mapping[str, Any], method: str = "", name: str | None = None) -> Any:
        headers = dict(self._headers)
        if self._era == "2026-07-28":
            headers |= {"Mcp-Method": method} | ({"Mcp-Name": name} if name else {})
        if time.monotonic() - self._used > _IDLE_SECONDS:
            self.renew()
        self._connection.request("POST", "/mcp", json.dumps(sent), headers)
        response = self._connection.getresponse()
        body = response.read()
        self._used = time.monotonic()
        return response, body


Host = Pipes | Socket


def _last_event(body: bytes) -> bytes:
    lines = [line for line in body.splitlines() if line.startswith(b"data:") and len(line) > len(b"data: ")]
    return lines[-1].removeprefix(b"data:")


@contextlib.contextmanager
def running(command: Sequence[str], env: Mapping[str, str]) -> Generator[subprocess.Popen[bytes]]:
    """A server for as long as the context is open."""
    with subprocess.Popen(  # noqa: S603  our own programs
        command, env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def port_of(process: subprocess.Popen[bytes]) -> int:
    """The port of an HTTP server, which it says on stderr."""
    told = cast("IO[bytes]", process.stderr)
    while line := told.readline():
        found = line.partition(b" listening on ")[2]
        if found:
            return int(found.rpartition(b":")[2].partition(b"/")[0])
    raise RuntimeError("the server ended")


def settled(pid: int, *, seconds: float = 10.0) -> Used:
    """What a process has used once it has been idle for half a second."""
    last, end = used(pid), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.5)
        now = used(pid)
        if now.cpu - last.cpu < 0.01:  # noqa: PLR2004  two hundredths of what half a second could be
            return now
        last = now
    return last
