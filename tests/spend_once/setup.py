"""One upstream, one data folder and servers on both that come and go, in virtual time.

Tests look at what tools answer, at what upstream accepted, and at the columns of the ledger that the contract names.
"""

import json
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx

from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.records import Account, Asset
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient
from tests.kit.clock import EPOCH
from tests.kit.server import open_client
from tests.kit.upstream import Upstream, fault

PROMPT = "the camera rises over the dunes"
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

TWIN = "Nothing new was made or charged: this is the film of "
"""What the summary of a film begins with that an earlier submit of the same request made."""

RUNNING = ("PENDING", "THROTTLED", "RUNNING")
POST = {"method": "POST", "path_prefix": "/gen3"}


Spoil = Callable[[Any], Any]
"""What is done to the body of an answer on its way."""


class Recorded(Upstream):
    """Carries requests to a world, keeps the bodies of the submits, accepted or not, and spoils answers to reads.

    `spoils` are by the beginning of the path that they are for.
    """

    def __init__(self, world: World, sent: list[dict[str, Any]], spoils: dict[str, Spoil]) -> None:
        super().__init__(world)
        self._sent = sent
        self._spoils = spoils

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self._sent.append(json.loads(await request.aread()))
        response = await super().handle_async_request(request)
        for prefix, spoil in self._spoils.items():
            if request.method == "GET" and prefix in request.url.path:
                body = json.dumps(spoil(json.loads(await response.aread()))).encode()
                return httpx.Response(response.status_code, content=body, headers={"content-type": "application/json"})
        return response


class Setup:
    """Upstream with one Gen-3 Alpha clip, and the folder of one user.

    `clock_ahead` is how far the user's machine is ahead of upstream, in seconds; `sent` are the bodies of all submits,
    `spoils` what happens to answers of reads on their way.
    """

    def __init__(self, folder: Path, mode: str = "auto", *, pace: float = 20.0, **account: Any) -> None:
        self.folder = folder
        self.mode = mode
        self.clock_ahead = 0.0
        self.sent: list[dict[str, Any]] = []
        self.spoils: dict[str, Spoil] = {}
        self._leapt = 0.0
        self.world = small_world(clock=self._clock, wall=self.upstream_time, pace=pace, **account)

    def _clock(self) -> float:
        return anyio.current_time() + self._leapt

    def upstream_time(self) -> float:
        """Unix seconds at upstream."""
        return EPOCH + self._clock()

    def machine_time(self) -> float:
        """Unix seconds on the user's machine."""
        return self.upstream_time() + self.clock_ahead

    def leap(self, seconds: float) -> None:
        """Lets time pass everywhere at once, as for a machine that sleeps."""
        self._leapt += seconds

    @asynccontextmanager
    async def server(self, **fields: Any) -> AsyncGenerator[ToolClient]:
        """A client at a new server process on this folder; `fields` are the server's settings."""
        transport = Recorded(self.world, self.sent, self.spoils)
        async with open_client(
            self.world, self.folder, self.mode, transport=transport, now=self.machine_time, **fields
        ) as client:
            yield client

    @asynccontextmanager
    async def visits(self, *, restarted: bool) -> AsyncGenerator[Callable[[], Awaitable[ToolClient]]]:
        """Gives the client that each visit of the host finds: the same one, or one at a restarted server."""
        async with AsyncExitStack() as stack:
            client: ToolClient | None = None

            async def visit() -> ToolClient:
                nonlocal client
                if client is None or restarted:
                    await stack.aclose()
                    client = await stack.enter_async_context(self.server())
                return client

            yield visit

    @property
    def clip(self) -> Asset:
        """The clip that is there from the start."""
        return self.world.assets[0]

    @property
    def account(self) -> Account:
        """The only account."""
        return next(iter(self.world.accounts.values()))

    @property
    def posts(self) -> int:
        """How many submits reached the network."""
        return len(self.sent)

    @property
    def charged(self) -> int:
        """How many submits upstream accepted."""
        return len(self.world.accepted)

    def task_id(self, number: int = 0) -> str:
        """The id of a task that upstream accepted, counted from the first."""
        return self.world.task_id(self.world.accepted[number])

    def film_id(self, number: int = 0) -> str:
        """The assetId of the film of such a task."""
        return self.world.asset_id(self.world.accepted[number].artifacts[0])

    def forget_source(self) -> None:
        """Deletes the clip and the task that made it."""
        self.clip.deleted = True
        maker = self.clip.task
        assert maker is not None
        maker.hidden = True

    def cut_off(self, **rule: Any) -> None:
        """Fails every request to upstream from now on, or those that the rule's fields name."""
        fault(self.world, **{"kind": "reset", "times": None, **rule})

    def blind(self) -> None:
        """Fails every read of tasks and of the scheduler from now on."""
        self.cut_off(method="GET", path_prefix="/tasks")
        self.cut_off(method="GET", path_prefix="/scheduler")

    def connect(self) -> None:
        """Takes all faults back."""
        self.world.faults.clear()

    def at_next_post(self, action: Callable[[], object], **rule: Any) -> None:
        """Runs an action when the next submit arrives, before it is handled; `rule` is the fault that it meets then."""

        async def act() -> None:
            action()

        fault(self.world, **POST, kind="delay", hold=act)
        if rule:
            fault(self.world, **POST, **rule)

    def rows(self) -> list[sqlite3.Row]:
        """The ledger's intents, oldest first, with the columns that the contract names."""
        with closing(sqlite3.connect(self.folder / "ledger.sqlite3", timeout=0)) as ledger:
            ledger.row_factory = sqlite3.Row
            columns = "id, state, created, lease, task_id, callback_token"
            return ledger.execute(f"SELECT {columns} FROM intents ORDER BY created").fetchall()  # noqa: S608  constant

    def states(self) -> list[str]:
        """The states of the ledger's intents, oldest first."""
        return [str(row["state"]) for row in self.rows()]

    def alter(self, statement: str, *values: object) -> None:
        """Writes to the ledger what another process would have left there."""
        with closing(sqlite3.connect(self.folder / "ledger.sqlite3", isolation_level=None, timeout=0)) as ledger:
            ledger.execute(statement, values)

    async def opens(self, url: str) -> bool:
        """Whether a signed link leads to a file."""
        async with httpx.AsyncClient(transport=Upstream(self.world)) as http:
            return (await http.get(url)).is_success

    async def die_while_posting(self, *, arrives: bool, **arguments: Any) -> None:
        """Plays a process that makes a call and is killed while its POST is out; upstream has it only if it arrives."""
        out = anyio.Event()

        async def hold() -> None:
            self.cut_off(method="GET")
            out.set()
            await anyio.sleep_forever()

        fault(self.world, **POST, kind="delay_after" if arrives else "delay", hold=hold)
        async with self.server() as client, anyio.create_task_group() as group:
            group.start_soon(partial(client.extend, self.clip, **arguments))
            await out.wait()
            group.cancel_scope.cancel()
        self.connect()
        newest = self.rows()[-1]["id"]
        self.alter("UPDATE intents SET state = 'posting', task_id = NULL WHERE id = ?", newest)

    async def until(self, reached: Callable[[], bool], *, within: float) -> bool:
        """Lets time pass until something holds; False if it does not within so many seconds."""
        with anyio.move_on_after(within):
            while not reached():  # noqa: ASYNC110  the ledger's file tells nobody when it changes
                await anyio.sleep(1)
        return reached()

    async def check_film_again(self, data: dict[str, Any], number: int = 0) -> None:
        """Fails unless the data tell an earlier film as the contract says, with a link that works now."""
        assert "error" not in data
        assert (data["status"], data["taskId"]) == ("SUCCEEDED", self.task_id(number))
        assert data["twin"] is True
        assert data["credits"]["cost"] == 0
        assert data["summary"].startswith(TWIN)
        assert data["video"]["assetId"] == self.film_id(number)
        assert await self.opens(data["video"]["url"])
        assert data["next_step"]["tool"] == "extend_video"
        asked = data["next_step"]["arguments"]
        assert (asked["assetId"], asked["dry_run"]) == (self.film_id(number), True)


async def together(*calls: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Makes calls at once and returns their results in order."""
    results: list[Any] = [None] * len(calls)

    async def run(place: int, call: Callable[[], Awaitable[Any]]) -> None:
        results[place] = await call()

    async with anyio.create_task_group() as group:
        for place, call in enumerate(calls):
            group.start_soon(run, place, call)
    return results
