"""The stand-in's tasks behind a counter: its records, timelines and bodies, without its web application.

The stand-in searches all its tasks for each request, which is right for hundreds of tasks and too slow for hundreds of
thousands of reads. Here a task is found by its id, and a body that says the same as before is not made again.
"""

import json
from collections import defaultdict
from dataclasses import dataclass

import anyio
import httpx

from runway_mcp.runway.models import Task
from runway_mcp.runway.wire import parse_task
from runway_mcp.simulator import records
from runway_mcp.simulator.api.shapes import read_body
from runway_mcp.simulator.media.films import Film
from runway_mcp.simulator.records import KINDS, Account, long_id
from runway_mcp.simulator.timeline import Script, index_at, timeline
from runway_mcp.simulator.world import World

ORIGIN = "http://upstream.test"
URL = f"{ORIGIN}/v1/runwayml"
EPOCH = 1_800_000_000.0
"""The Unix time at which the event loop's clock shows 0."""

QUEUED_SHARE = 0.1
"""The part of its time that a task queues, as in the stand-in."""

RATIOS: dict[str, tuple[float | None, ...]] = {
    "even": tuple((half + 1) // 2 / 100 for half in range(200)),
    "coarse": tuple(step / 20 for step in range(20)),
    "stalling": tuple(min((half + 1) // 2 / 100, 0.5) for half in range(200)),
    "null": (None,),
}
"""What progressRatio shows in equal parts of the time a task runs: rising evenly, rounded to hundredths; rising evenly,
cut off to twentieths; the first again, but never above a half; and nothing."""


def wall_clock() -> float:
    """Unix seconds that pass as the event loop's do."""
    return EPOCH + anyio.current_time()


@dataclass(eq=False)
class Made:
    """A task of the stand-in under the id that upstream gives it, and its body as it was last made."""

    task_id: str
    record: records.Task
    moment: int = -1
    body: bytes = b""


class Desk(httpx.AsyncBaseTransport):
    """Answers reads of tasks, each way taking `trip` seconds; `arrivals` has the times of all reads by account.

    While `is_down` nothing is answered.
    """

    def __init__(self, *, trip: float) -> None:
        self.arrivals: defaultdict[str, list[float]] = defaultdict(list)
        self.is_down = False
        self._trip = trip
        self._world = World(clock=anyio.current_time, wall=wall_clock)
        self._made: dict[str, Made] = {}
        self._of_account: defaultdict[str, list[Made]] = defaultdict(list)

    @property
    def reads(self) -> int:
        """How many reads have arrived."""
        return sum(map(len, self.arrivals.values()))

    def make(self, account: str, seconds: float, *, age: float = 0.0, ratios: str = "even") -> Made:
        """A task that was submitted `age` seconds ago and takes so many from then on; the newest of its account."""
        self._world.accounts.setdefault(account, Account(account))
        created = anyio.current_time() - age
        record = records.Task(
            uuid=self._world.new_uuid(),
            email=account,
            kind=KINDS["gen3a"],
            name="Gen-3 Alpha 358000001, the camera rises over the dunes",
            created=created,
            script=Script(ratios=RATIOS[ratios]),
            options={"seconds": 5, "text_prompt": "the camera rises over the dunes", "seed": 358000001},
        )
        record.ready = record.starts = created + QUEUED_SHARE * seconds
        record.ends = created + seconds
        record.moments = timeline(
            record.script,
            created=created,
            ready=record.ready,
            starts=record.starts,
            ends=record.ends,
            waiting="PENDING",
        )
        film = records.Asset(record.uuid, account, "film.mp4", created, film=Film(0, 5), duration=5.0, task=record)
        record.artifacts.append(film)
        made = Made(long_id(self._world.user_id, account, "task", record.uuid), record)
        self._made[made.task_id] = made
        self._of_account[account].append(made)
        return made

    def tell(self, made: Made) -> Task:
        """The task as upstream tells it at this moment, without a read."""
        return parse_task(json.loads(self._body(made)))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answers `GET /tasks/` and `GET /tasks/{taskId}`."""
        await anyio.sleep(self._trip)
        task_id, query = request.url.path.rpartition("/")[2], request.url.params
        account = self._made[task_id].record.email if task_id else query["email"]
        self.arrivals[account].append(anyio.current_time())
        if self.is_down:
            await anyio.sleep_forever()
        if task_id:
            body = self._body(self._made[task_id])
        else:
            body = self._page(account, int(query["offset"]), int(query["limit"]))
        await anyio.sleep(self._trip)
        return httpx.Response(200, content=body, request=request)

    def _page(self, account: str, offset: int, limit: int) -> bytes:
        newest_first = self._of_account[account][::-1]
        return b"[" + b",".join(self._body(made) for made in newest_first[offset : offset + limit]) + b"]"

    def _body(self, made: Made) -> bytes:
        moment = index_at(made.record.moments, anyio.current_time())
        # The body of a task that queues tells how long that will take, so it says something else each time.
        if moment != made.moment or moment == 0:
            made.moment = moment
            made.body = json.dumps(read_body(self._world, ORIGIN, made.record)).encode()
        return made.body
