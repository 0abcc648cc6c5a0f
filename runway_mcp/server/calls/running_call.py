"""One tool call in progress: what it may reach, its deadline, and its wait for a task."""

from dataclasses import dataclass

import anyio
from mcp_types import CallToolResult, InputRequiredResult

from runway_mcp.runway.models import Task
from runway_mcp.server.calls.consent import Person
from runway_mcp.server.context import ServerContext
from runway_mcp.server.contract.next_steps import Asked
from runway_mcp.server.progress import Progress
from runway_mcp.server.protocol_tasks import TaskState
from runway_mcp.server.reads import with_known_end

Answer = CallToolResult | TaskState | InputRequiredResult
"""What a call returns: a result, a protocol task, or a question to the user."""

# After so many seconds of failed reads of a task, the result says so.
_SILENCE = 10.0

_SILENT = (
    "Runway's answers have failed for {silence:.0f} s, so this is how the task stood before; it goes on there, and it "
    "is still being followed."
)


_REMEMBERED = "Runway cannot be read at the moment, so this is what this server remembers, without a link."


@dataclass
class Call:
    """One tool call: what it may reach, when it arrived, what it asked, and how far its spending went.

    Times are the event loop's, waits are seconds. `takes_tasks` tells that the host follows protocol tasks itself;
    `shows_player` that it shows the player, which does;
    `default_wait` holds if the call names no wait; `note` is added to the summary of its result, whatever that is.
    `lasts` says that the same call has the same result for a minute, unless something is remarked.
    """

    context: ServerContext
    person: Person
    progress: Progress
    arrived: float
    asked: Asked
    takes_tasks: bool
    shows_player: bool
    default_wait: float
    longest_wait: int
    note: str | None = None
    spending: bool = False
    accepted: Task | None = None
    lasts: bool = False

    def remark(self, sentence: str) -> None:
        """Adds a sentence to the summary of the result."""
        self.note = f"{self.note} {sentence}" if self.note else sentence

    def deadline(self, wanted: int | None) -> float:
        """When the call must return for a wait of `wanted` seconds (None: the default); remarks a wait that was cut."""
        most, granted = self.context.settings.wait_seconds, self.longest_wait
        if wanted is None:
            return self.arrived + self.default_wait
        if wanted > granted:
            why = "this server's limit" if granted >= most else "since this host ended longer calls"
            asked = self.asked.arguments.get("wait_seconds")
            self.remark(f"wait_seconds was cut from {asked} to {granted}, {why}.")
        return self.arrived + min(wanted, granted)


def remark_remembered(call: Call, task: Task) -> None:
    """Remarks that a film which the ledger tells of has no link."""
    if task.artifacts:
        call.remark(_REMEMBERED)


async def waited(call: Call, task: Task, deadline: float) -> Task:
    """The task at its end, or as last read at the deadline; remarks that upstream has failed for long.

    An end that the ledger alone knows by then is told as well.
    """
    watcher, task_id = call.context.service.watcher, task.task_id
    if task.is_terminal:
        return task
    if deadline > anyio.current_time():
        watcher.follow(task)
        with call.context.waits.waiting():
            async for state in watcher.changes(task_id, deadline):
                task = state
                with anyio.move_on_after(deadline - anyio.current_time()):
                    if not task.is_terminal:
                        await call.progress.task(task)
    end = await with_known_end(call.context.service, task)
    if end is not task:
        remark_remembered(call, end)
        return end
    followed = watcher.followed(task_id)
    if followed is not None and followed.silence is not None and followed.silence >= _SILENCE:
        call.remark(_SILENT.format(silence=followed.silence))
    return task
