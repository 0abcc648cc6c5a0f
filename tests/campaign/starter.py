"""Starts servers: a process that has imported the program, and forks itself for each server that is asked for.

A fork takes a hundredth of the time of a fresh interpreter, so that kills can be many. Before it imports the program,
this process puts a clock of its own in the place of `time.time`: each server reads there how far its wall clock is
moved, so that a campaign can let hours pass, or move the clock of one process alone, without any part of the program
knowing. Each order is one message on a Unix socket. A server that still runs when this process ends is killed.
"""
# ruff: noqa: PLC0415 - the clock stands before the program is imported

import gc
import importlib
import json
import mmap
import os
import signal
import socket
import struct
import sys
import time
from types import FrameType
from typing import Any

CLOCK = struct.Struct("d")
"""How a clock is written into its file: the seconds by which it is ahead."""

_PROGRAM = ("cli", "server.app", *(f"server.transport.{name}" for name in ("http", "serving", "security", "stdio")))
_LONGEST = 1_000_000


class Wall:
    """The wall clock of this process: the machine's, moved by what stands in a file that the campaign writes."""

    def __init__(self) -> None:
        self._true = time.time
        self._moved: mmap.mmap | None = None

    def __call__(self) -> float:
        """The Unix time that the process believes."""
        return self._true() + (CLOCK.unpack_from(self._moved)[0] if self._moved else 0.0)

    def follow(self, descriptor: int) -> None:
        """Reads the movement from a file from now on."""
        self._moved = mmap.mmap(descriptor, CLOCK.size, prot=mmap.PROT_READ)


def main() -> None:
    """Serves orders from the socket whose descriptor is the first argument."""
    wall = Wall()
    time.time = wall
    for name in _PROGRAM:
        importlib.import_module(f"runway_mcp.{name}")
    gc.freeze()
    running: set[int] = set()
    signal.signal(signal.SIGTERM, _end)
    try:
        with socket.socket(fileno=int(sys.argv[1])) as orders:
            while message := (received := socket.recv_fds(orders, _LONGEST, 4))[0]:
                orders.send(json.dumps(_obey(json.loads(message), received[1], wall, running)).encode())
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)


def _end(_: int, __: FrameType | None) -> None:
    sys.exit(0)


def _obey(order: dict[str, Any], descriptors: list[int], wall: Wall, running: set[int]) -> dict[str, Any]:
    if "ended" in order:
        pid, status = os.waitpid(order["ended"], os.WNOHANG)
        running.discard(pid)
        return {"code": os.waitstatus_to_exitcode(status) if pid else None}
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _become(order["arguments"], order["environment"], descriptors, wall)
    for descriptor in descriptors:
        os.close(descriptor)
    running.add(pid)
    return {"pid": pid}


def _become(arguments: list[str], environment: dict[str, str], descriptors: list[int], wall: Wall) -> None:
    """Makes this process a server: its standard streams and its clock are the given descriptors."""
    code = 70
    try:
        from runway_mcp.cli import main as program

        wall.follow(descriptors[3])
        for number, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, number)
        os.closerange(3, 256)
        os.environ.clear()
        os.environ.update(environment)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        code = program(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
