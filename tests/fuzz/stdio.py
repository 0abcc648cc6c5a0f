"""Bad lines on the stdin of a real server; every line of its stdout is read as a host would read it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.fuzz.answers import faults_of_message, faults_of_text, id_of, read_message
from tests.fuzz.figures import Figures, memory
from tests.fuzz.messages import ENVELOPE, Case, Era
from tests.kit.processes import serve_command

PATIENCE = 40.0
EVERY = 50
LONGEST_LINE = 4_000_000

HANDSHAKE: dict[Era, tuple[dict[str, Any], ...]] = {
    "2025": (
        {
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "fuzz", "version": "0"},
            },
        },
        {"method": "notifications/initialized"},
    ),
    "2026": ({"method": "server/discover", "params": {"_meta": ENVELOPE}},),
}
VALID: dict[Era, dict[str, Any]] = {
    "2025": {"method": "tools/list"},
    "2026": {"method": "tools/list", "params": {"_meta": ENVELOPE}},
}


@dataclass
class Wire:
    """One connection: what was asked and when, and what has come back."""

    process: Process
    figures: Figures
    secrets: tuple[str, ...]
    waiting: dict[int | str, float] = field(default_factory=dict[int | str, float])
    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    told: bytearray = field(default_factory=bytearray)
    heard: anyio.Event = field(default_factory=anyio.Event)

    async def say(self, *lines: bytes) -> None:
        """Writes lines as they are."""
        assert self.process.stdin
        await self.process.stdin.send(b"".join(line + b"\n" for line in lines))

    async def ask(self, message: dict[str, Any], name: str) -> Any:
        """Sends a valid request and returns the answer to it; raises TimeoutError."""
        self.waiting[name] = anyio.current_time()
        await self.say(json.dumps({"jsonrpc": "2.0", "id": name} | message).encode())
        with anyio.fail_after(PATIENCE):
            while name not in self.answers:
                await self.heard.wait()
        return self.answers.pop(name)

    async def answered(self) -> None:
        """Waits until every request that has to be answered is; notes the ones that are not in time."""
        with anyio.move_on_after(PATIENCE):
            while self.waiting:
                await self.heard.wait()
        for name in self.waiting:
            self.figures.fault(f"no answer within {PATIENCE:.0f} s", name)
        self.waiting.clear()

    async def listen(self) -> None:
        """Reads stdout to its end and judges each line."""
        assert self.process.stdout
        stream = BufferedByteReceiveStream(self.process.stdout)
        try:
            while True:
                self._take((await stream.receive_until(b"\n", LONGEST_LINE)).decode())
                self.heard.set()
                self.heard = anyio.Event()
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.ClosedResourceError):
            if stream.buffer:
                self.figures.fault("ended stdout in the middle of a line", stream.buffer[:200])

    async def keep(self) -> None:
        """Reads stderr to its end."""
        assert self.process.stderr
        async for block in self.process.stderr:
            self.told += block

    def _take(self, line: str) -> None:
        try:
            message = read_message(line)
        except ValueError:
            self.figures.fault("a line of stdout is no JSON", line)
            return
        for fault in (*faults_of_message(message), *faults_of_text(line, self.secrets)):
            self.figures.fault(f"an answer {fault}", line)
        name = id_of(message)
        if name is None:
            return
        if (since := self.waiting.pop(name, None)) is not None:
            self.figures.slowest = max(self.figures.slowest, anyio.current_time() - since)
            self.figures.answered += isinstance(name, int)
        if isinstance(name, str):
            self.answers[name] = message


async def pestered(
    era: Era, cases: Iterable[Case], count: int, env: dict[str, str], *, secrets: tuple[str, ...]
) -> Figures:
    """One server under so many cases, with a valid request between every fifty; it has to end in order afterwards."""
    figures = Figures(f"stdio, {era}")
    begun = anyio.current_time()
    async with await anyio.open_process(serve_command("stdio"), env=env) as process:
        wire = Wire(process, figures, secrets)
        async with anyio.create_task_group() as group:
            group.start_soon(wire.listen)
            group.start_soon(wire.keep)
            try:
                await _pester(wire, era, cases, count)
            except (TimeoutError, anyio.BrokenResourceError) as error:
                figures.fault("a valid request was not answered", repr(error))
            await _end(wire)
            group.cancel_scope.cancel()
    figures.seconds = anyio.current_time() - begun
    log = wire.told.decode(errors="replace")
    for fault in faults_of_text(log, secrets):
        figures.fault(f"stderr {fault}", log[-1000:])
    return figures


async def _pester(wire: Wire, era: Era, cases: Iterable[Case], count: int) -> None:
    figures = wire.figures
    first, *rest = HANDSHAKE[era]
    await wire.ask(first, "handshake")
    figures.slowest = 0.0  # the first answer waits for the start of the process
    for message in rest:
        await wire.say(json.dumps({"jsonrpc": "2.0"} | message).encode())
    for number, case in enumerate(islice(cases, count)):
        if number == count // 5:
            figures.memory_before = memory(wire.process.pid)
        now = anyio.current_time()
        wire.waiting |= dict.fromkeys(case.awaited, now)
        figures.requests += 1
        figures.kinds[case.kind] += 1
        figures.silent += not case.awaited
        await wire.say(*case.lines)
        if number % EVERY == EVERY - 1:
            await _check(wire, era, f"valid-{number}")
    await _check(wire, era, "valid-last")
    figures.memory_after = memory(wire.process.pid)


async def _check(wire: Wire, era: Era, name: str) -> None:
    """A valid request works, and everything before it has been answered."""
    answer = await wire.ask(VALID[era], name)
    if len(answer.get("result", {}).get("tools", ())) == 0:
        wire.figures.fault("a valid request was refused", answer)
    wire.figures.valid += 1
    await wire.answered()


async def _end(wire: Wire) -> None:
    assert wire.process.stdin
    await wire.process.stdin.aclose()
    with anyio.move_on_after(PATIENCE):
        code = await wire.process.wait()
        if code:
            wire.figures.fault(f"ended with exit code {code}")
        return
    wire.figures.fault("did not end when its stdin was closed")
    wire.process.kill()
