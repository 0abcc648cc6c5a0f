"""The real server on an upstream that means harm, in turn with one on a fair upstream: what others wait for its reads.

What counts is the longest turn of the event loop in processor time, since on a busy machine every answer may be late.
"""

import os
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
import httpx

from benchmarks.hostile import ASSET_ID, FAIR, KINDS, TASK_ID
from benchmarks.served import Figures, Promise, ask, limited_server, local_client, status, turns_file
from benchmarks.turns import turns
from tests.kit.processes import HttpServerProcess, running

_MOST_MEMORY: Final = 200.0
LONGEST_TURN: Final = 0.15
"""How long a turn of the loop may take, in seconds of processor time."""

_ROUNDS: Final = 5
_READERS: Final = 2
_CALLS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("get_task", {"taskId": TASK_ID}),
    ("list_assets", {}),
    ("list_assets", {"query": "beach"}),
    ("extend_video", {"assetId": ASSET_ID, "dry_run": True}),
    ("extend_video", {"assetId": "the dunes at night, last part", "dry_run": True}),
)


@dataclass
class Beside:
    """A server on one upstream: pings beside calls that read from it, those calls, and the loop's turns meanwhile."""

    served: HttpServerProcess
    folder: Path
    pings: Figures = field(default_factory=Figures)
    calls: Figures = field(default_factory=Figures)
    turns: list[float] = field(default_factory=list[float])

    async def round(self, client: httpx.AsyncClient) -> None:
        """All calls at once from each reader, and pings until the last is answered."""

        async def read() -> None:
            for name, arguments in _CALLS:
                await ask(client, self.served.mcp, self.calls, "tools/call", name=name, arguments=arguments)

        async def ping() -> None:
            while not over.is_set():
                await ask(client, self.served.mcp, self.pings, "ping")
                await anyio.sleep(0.01)

        over, began = anyio.Event(), time.monotonic()
        async with anyio.create_task_group() as pings:
            pings.start_soon(ping)
            async with anyio.create_task_group() as readers:
                for _ in range(_READERS):
                    readers.start_soon(read)
            over.set()
        self.turns += turns(turns_file(self.folder), began, time.monotonic())

    def forget(self) -> None:
        """Drops what was measured so far."""
        self.pings, self.calls, self.turns = Figures(), Figures(), []

    @property
    def longest_turn(self) -> float:
        """The longest turn of the loop, in seconds of processor time."""
        return max(self.turns, default=0.0)


@contextmanager
def beside(kind: str) -> Generator[Beside]:
    """A server on such an upstream."""
    with (
        TemporaryDirectory() as folder,
        running([sys.executable, "-m", "benchmarks.hostile", kind], os.environ) as upstream,
    ):
        port = upstream.process.stdout.readline() if upstream.process.stdout else ""
        url = f"http://127.0.0.1:{int(port)}/v1/runwayml"
        with limited_server(url, Path(folder)) as served:
            yield Beside(served, Path(folder))


async def in_turn(hostile: Beside, fair: Beside) -> None:
    """Rounds of calls to both servers, one after the other."""
    async with local_client(timeout=120) as client:
        for number in range(_ROUNDS + 1):
            await fair.round(client)
            await hostile.round(client)
            if number == 0:
                # The first calls of a process open the ledger and build models, which is nobody's answer.
                fair.forget()
                hostile.forget()


def promises_of_harm() -> Iterator[Promise]:
    """What must hold on every upstream that means harm."""
    for kind in KINDS:
        if kind == FAIR:
            continue
        with beside(kind) as hostile, beside(FAIR) as fair:
            anyio.run(in_turn, hostile, fair)
            peak = status(hostile.served, "VmHWM")
        failed = hostile.calls.failed + hostile.pings.failed + fair.calls.failed + fair.pings.failed
        yield Promise(
            f"Upstream sends {kind}: memory under {_MOST_MEMORY:.0f} MiB, no turn of the loop takes "
            f"{1000 * LONGEST_TURN:.0f} ms of processor time",
            f"{peak:.0f} MiB; longest turn {1000 * hostile.longest_turn:.0f} ms, beside a fair upstream "
            f"{1000 * fair.longest_turn:.0f} ms; {_waits(hostile, fair)}; {len(failed)} failed {failed[:2] or ''}",
            peak < _MOST_MEMORY and hostile.longest_turn <= LONGEST_TURN and not failed,
        )


def _waits(hostile: Beside, fair: Beside) -> str:
    """The waits of pings, beside both."""
    ours, theirs = sorted(hostile.pings.waits), sorted(fair.pings.waits)
    middle, usual = ours[len(ours) // 2], theirs[len(theirs) // 2]
    return (
        f"pings waited {1000 * middle:.0f} ms in the middle of {len(ours):,} and {1000 * ours[-1]:.0f} ms at most, "
        f"beside the fair one {1000 * usual:.0f} and {1000 * theirs[-1]:.0f} ms: "
        f"{1000 * (ours[-1] - theirs[-1]):+.0f} ms"
    )
