"""What a run is judged by: what upstream has accepted, what the ledger holds, and when each end was known.

On a machine with more to do than processors, real time tells of the machine as well: for so long as the processes of a
scene were ready to run and had no processor, an end may be known later.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import anyio
import psycopg

from runway_mcp.simulator.records import Task
from runway_mcp.simulator.world import World
from runway_mcp.tasks.store.protocol import LEASE_SECONDS
from tests.store.machines.scene import POLL, Scene

LONGEST_UNFOLLOWED = LEASE_SECONDS + 12 * POLL
"""How long nobody may know of an end, in seconds: one lease, and the longest pause between two reads."""

# How long ends are looked for after each request was settled, in seconds.
_WATCHED_SECONDS = LONGEST_UNFOLLOWED + 60.0
_BETWEEN_LOOKS = 0.2


@dataclass
class Ends:
    """When the ledger first named each task, and when it first knew the task's end, looked for from `peace` on.

    Times are those of the event loop, to which the world's clock is equal.
    """

    peace: float
    named: dict[str, float] = field(default_factory=dict[str, float])
    known: dict[str, float] = field(default_factory=dict[str, float])

    def unfollowed(self, task_id: str, ended: float) -> float | None:
        """How long the end of a task was not known though the faults were over, the task named and ended.

        In seconds, a fifth more at most; 0 for an end that was known before the faults were over. None if it never was.
        """
        if task_id not in self.known:
            return None
        return max(0.0, self.known[task_id] - max(self.peace, self.named[task_id], ended))


def is_too_long(unfollowed: float, *, starved: float) -> bool:
    """Whether nobody knew of an end for longer than may be, of which so many seconds had no processor for anyone."""
    return unfollowed > LONGEST_UNFOLLOWED + starved


def waited_for_a_processor(pids: Iterable[int]) -> dict[int, float]:
    """For how long each process was ready to run so far and had no processor, in seconds, by the accounts of Linux."""
    return {pid: sum(_waited(task) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) for pid in pids}


def _waited(account: Path) -> float:
    try:
        return int(account.read_text(encoding="ascii").split()[1]) / 1e9
    except OSError:
        return 0.0


def accepted(world: World, prompts: Sequence[str]) -> list[Task]:
    """The tasks of these requests that upstream has accepted."""
    return [task for task in world.accepted if task.options["text_prompt"] in prompts]


async def watched(ends: Ends, scene: Scene, prompts: Sequence[str], settled: anyio.Event) -> None:
    """Notes the ends of all accepted tasks until each request is settled and all are known, or time is over."""
    query = "SELECT task_id, ended FROM intents WHERE task_id = ANY(%s)"
    until = inf
    async with await psycopg.AsyncConnection.connect(scene.databases.url, autocommit=True) as ledger:
        while anyio.current_time() < until:
            is_settled = settled.is_set()
            if is_settled and until == inf:
                until = anyio.current_time() + _WATCHED_SECONDS
            made = [scene.world.task_id(task) for task in accepted(scene.world, prompts)]
            rows = await (await ledger.execute(query, (made,))).fetchall()
            now = anyio.current_time()
            for task_id, ended in rows:
                ends.named.setdefault(task_id, now)
                if ended is not None:
                    ends.known.setdefault(task_id, now)
            if is_settled and len(ends.known) == len(made):
                return
            await anyio.sleep(_BETWEEN_LOOKS)


async def unowned(scene: Scene, made: Sequence[Task]) -> list[str]:
    """The tasks that no row of the ledger names."""
    ids = [scene.world.task_id(task) for task in made]
    async with await psycopg.AsyncConnection.connect(scene.databases.url, autocommit=True) as ledger:
        rows = await (await ledger.execute("SELECT task_id FROM intents WHERE task_id = ANY(%s)", (ids,))).fetchall()
    return sorted(set(ids) - {row[0] for row in rows})


async def forgotten(url: str, made: Sequence[Task]) -> list[str]:
    """The requests of tasks whose POST is not in the ledger: there is no row, or it says that no POST has left."""
    query = "SELECT reply_ref FROM intents WHERE state <> 'waiting' AND posts > 0"
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as ledger:
        rows = await (await ledger.execute(query)).fetchall()
    references = {row[0] for row in rows}
    return [str(task.options["text_prompt"]) for task in made if task.reply_ref not in references]
