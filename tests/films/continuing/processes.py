"""Processes that continue films over one stand-in and one data folder, each as a server has it."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import httpx

from runway_mcp.films.continuing.continuations import Continuations, Continued, note_change, open_continuations
from runway_mcp.films.continuing.dependencies import Dependencies, JoinParts
from runway_mcp.films.continuing.standing import FilmStanding
from runway_mcp.films.opening import open_films
from runway_mcp.media.errors import require_media
from runway_mcp.media.files.folder import Free, disk_free
from runway_mcp.media.join.joining import join_films
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.simulator.builders import add_video, small_world
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import TOKEN, World
from runway_mcp.tasks.catalogue import CREATE_MODELS
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.policy import FREE, SpendPolicy
from runway_mcp.tasks.service import TaskService, open_tasks
from runway_mcp.tasks.spend.continuation import Continuation, make_continuation
from runway_mcp.tasks.store.protocol import LedgerError, Store
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.kit.films import SmallFilms
from tests.kit.samples import extension

LIMIT = 100.0
"""For so long a test waits at most, in seconds."""

LAPSED = 100.0
"""After so many seconds the lease of a process that was killed has ended."""


class HaltingStore(SqliteStore):
    """A ledger in whose process a step may stand still before it is written down, or after."""

    def __init__(self, path: Path, clock: Callable[[], float], halts: "Halt | None" = None) -> None:
        super().__init__(path, clock)
        self._halts = halts

    async def end_step(self, intent_id: str, claim: str, name: str, made: Mapping[str, Any]) -> Intent | None:
        if self._halts is not None:
            await self._halts.at(f"before {name}")
        told = await super().end_step(intent_id, claim, name, made)
        if self._halts is not None:
            await self._halts.at(f"after {name}")
        return told

    async def keep_waiting(self, intent_id: str, claim: str, *, seconds: float) -> bool:
        if self._halts is not None and self._halts.is_killed and self._halts.reached.is_set():
            return True
        return await super().keep_waiting(intent_id, claim, seconds=seconds)


@dataclass
class Halt:
    """Where a process stands still until it is killed, and so ends no lease; or only stopped."""

    where: str
    is_killed: bool = True
    reached: anyio.Event = field(default_factory=anyio.Event)

    async def at(self, where: str) -> None:
        """Stands still here if it is the place."""
        if where == self.where:
            self.reached.set()
            await anyio.sleep_forever()


class HaltingTransport(httpx.AsyncBaseTransport):
    """A network on which a process stands still before a request of a kind leaves, or after it was answered."""

    def __init__(self, halt: Halt | None) -> None:
        self._halt = halt
        self._network = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        kind = "create" if request.url.path.endswith("/create") else request.url.path.rstrip("/").rpartition("/")[2]
        if self._halt is not None:
            await self._halt.at(f"before {request.method} {kind}")
        answer = await self._network.handle_async_request(request)
        if self._halt is not None:
            content = await answer.aread()
            await self._halt.at(f"after {request.method} {kind}")
            # What was read whole cannot be read as a stream a second time.
            return httpx.Response(answer.status_code, headers=answer.headers, content=content)
        return answer

    async def aclose(self) -> None:
        await self._network.aclose()


@dataclass(frozen=True)
class Process:
    """One process: its task service and its films under way; `clip` is the assetId of what it continues by default."""

    service: TaskService
    continuations: Continuations
    tools: Dependencies
    folder: Path
    clip: str

    async def submit(
        self,
        *,
        source: str | None = None,
        film: Intent | None = None,
        model: str = "gen4.5",
        wait: float = LIMIT,
        policy: SpendPolicy = FREE,
        **fields: Any,
    ) -> Continued:
        """Continues its clip, or the clip or film that is named; `fields` are the request's."""
        asset_id = film.film_id if film else source or self.clip
        asked = extension(**{"asset_id": asset_id, "text_prompt": "the camera rises", **fields})
        plan = await make_continuation(self.service.client, asked, CREATE_MODELS[model], film=film)
        deadline = anyio.current_time() + wait
        return await self.continuations.submit(
            self.service.submissions, plan, caller="", deadline=deadline, policy=policy
        )

    async def followed(self, intent: Intent) -> list[FilmStanding]:
        """How the film stood, from now to its end or failure."""
        deadline = anyio.current_time() + LIMIT
        return [standing async for _, standing in self.continuations.changes(self.service, intent, deadline)]

    async def done(self, intent: Intent) -> Intent:
        """The intent once its film is joined; fails if that does not come about."""
        last = (await self.followed(intent))[-1]
        standing = await self.tools.store.find("id", intent.id)
        assert standing is not None
        assert last.status == "SUCCEEDED", (last, self.continuations.failure_of(standing), standing)
        return standing

    async def film(self, intent: Intent) -> Intent:
        """As `done`, of a film that another process has begun, by its id."""
        found = await self.continuations.find(self.service, intent.film_id)
        assert found is not None
        return await self.done(found)


def clip_world(**fields: Any) -> World:
    """A world with one clip of Gen-4 whose tasks take a third of a second, and whose films decode."""
    given: dict[str, Any] = {"pace": 0.3, "films": SmallFilms(), "clips": 0, **fields}
    world = small_world(**given)
    world.switches = replace(world.switches, created_size="tiny")
    add_video(world, model="gen4", prompt="a beach at dusk", seconds=5, width=64, height=36, age=9000.0)
    return world


@asynccontextmanager
async def process(folder: Path, world: World, **given: Any) -> AsyncGenerator[Process]:
    """A process over a world of this one; `given` as for `process_over`. It ends as if it were killed."""
    with anyio.fail_after(2 * LIMIT):
        async with running(world) as url, process_over(folder, url, world.asset_id(world.assets[0]), **given) as opened:
            yield opened


@asynccontextmanager
async def process_over(
    folder: Path,
    url: str,
    clip: str,
    *,
    later: float | Callable[[], float] = 0.0,
    halt: Halt | None = None,
    saves: bool = True,
    free: Free = disk_free,
    join: JoinParts = join_films,
    require: Callable[[], None] = require_media,
    shared: Store | None = None,
    uploads: bool = False,
) -> AsyncGenerator[Process]:
    """A process over a stand-in, whose clock is `later` by seconds that may change; `shared` is its ledger."""

    def clock() -> float:
        return time.time() + (later() if callable(later) else later)

    data_dir = folder / "data"
    data_dir.mkdir(exist_ok=True, parents=True)
    opened: list[Continuations] = []

    async def on_change(task: Task, intent: Intent | LedgerError | None) -> None:
        for each in opened:
            await note_change(each, task, intent)

    async with (
        open_films(url=url, data_dir=data_dir) as films,
        RunwayClient(url=url, token=TOKEN, transport=HaltingTransport(halt)) as client,
    ):
        with HaltingStore(data_dir / "ledger.sqlite3", clock, halt) as own:
            store = shared or own
            saved = folder / "films" if saves else None
            decoding = replace(films, require=require)
            tools = Dependencies(client, store, decoding, data_dir, saved, free=free, join=join, uploads=uploads)
            async with (
                open_continuations(tools) as continuations,
                open_tasks(client, store=store, poll_seconds=0.05, on_change=on_change) as service,
            ):
                opened.append(continuations)
                continuations.background.start_soon(continuations.resume, service.submissions)
                yield Process(service, continuations, tools, folder, clip)


async def unnamed(server: Process, model: str) -> Continuation:
    """The plan of one call that names no model, at a server that is set to continue with this one."""
    asked = extension(asset_id=server.clip, text_prompt="the camera rises")
    return replace(await make_continuation(server.service.client, asked, CREATE_MODELS[model]), is_auto=True)
