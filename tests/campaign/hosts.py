"""Hosts: real clients of the SDK, of either era, which call, give up, hang up, come back, and follow next steps."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import anyio
from anyio.abc import TaskGroup
from mcp.client.client import Client
from mcp.client.extension import ClaimContext, ResultClaim
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    ElicitRequestParams,
    ElicitResult,
    TextResourceContents,
)

from runway_mcp.simulator.world import World
from tests.campaign.facts import Asked, part
from tests.campaign.processes import CampaignLoop, Fuse
from tests.campaign.scenario import Act, HostPlan, Request
from tests.campaign.servers import Life, Server, describe
from tests.campaign.spelling import spelled
from tests.campaign.worlds import source_of
from tests.kit.protocol_tasks import TakesTasks, TaskHandle, TaskState, ask

# What a host waits for beyond the wait of its call before it calls that a fault, in seconds.
_PATIENCE = 240.0
# What a host that follows tasks of the protocol waits for.
_LONG_PATIENCE = 7200.0
# How long a host tries to connect.
_CONNECTING = 300.0
_STALE = 1000.0
# While every host is away for longer than this, the servers are shut down, as a host does that is not in use. What a
# server does at leisure costs virtual time nothing, but the campaign much.
_AWAY = 10_000.0
_GOING = 1800.0


@dataclass
class RunContext:
    """What hosts share: the world, the servers, what they asked, and the results by request.

    `unclear` are the next steps that hosts took without learning whether they were charged.
    """

    world: World
    servers: list[Server]
    rng: Random
    log: Callable[[str], None]
    limit: float
    confirms: bool
    asked: list[Asked] = field(default_factory=list[Asked])
    results: dict[Request, list[dict[str, Any]]] = field(default_factory=dict[Request, list[dict[str, Any]]])
    unclear: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    present: int = 0
    away: int = 0

    async def pause(self, seconds: float) -> None:
        """Lets a host be away for so long."""
        if seconds <= _AWAY:
            await anyio.sleep(seconds)
            return
        await anyio.sleep(_GOING)
        self.away += 1
        self.leave()
        await anyio.sleep(seconds - _GOING)
        self.away -= 1
        self.come()

    def come(self) -> None:
        """A host is here."""
        self.present += 1
        for server in self.servers:
            server.wake()

    def leave(self) -> None:
        """A host is away, or done; with the last one here the servers go until somebody comes back."""
        self.present -= 1
        if self.present == 0 and self.away:
            self.log("all hosts are away")
            for server in self.servers:
                server.rest()


class FollowsTasks(TakesTasks):
    """Follows a task of the protocol to its end, also to one without a result."""

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=TaskHandle, resolve=_followed)]


async def _followed(handle: TaskHandle, context: ClaimContext) -> CallToolResult:
    told: TaskHandle = handle
    while told.status == "working":
        await anyio.sleep(told.poll_interval_ms / 1000)
        try:
            told = await ask(context.session, "tasks/get", handle.task_id)
        except MCPError as error:  # upstream is away: the next poll may tell
            if error.code == CONNECTION_CLOSED:
                raise
    if isinstance(told, TaskState) and told.result:
        return told.result
    end = {"summary": told.status_message, "taskId": handle.task_id, "status": told.status.upper()}
    return CallToolResult(content=[], structured_content=end)


class Connection:
    """A client on a wire to one life of a server, open until `leave`."""

    def __init__(self, life: Life, client: Client) -> None:
        self.life = life
        self.client = client
        self.dropped = False
        self._ready = anyio.Event()
        self._left = anyio.Event()
        self._scope = anyio.CancelScope()

    async def run(self) -> None:
        """Connects, and keeps the connection until it is left or refuses."""
        try:
            with self._scope:
                async with self.client:
                    self._ready.set()
                    await self._left.wait()
        except Exception:  # noqa: BLE001  a connection breaks with its process; what that means, its calls say
            self.dropped = True
        finally:
            self.dropped = True
            self._ready.set()

    async def is_open(self) -> bool:
        """Whether the connection came about."""
        with anyio.move_on_after(_CONNECTING):
            await self._ready.wait()
        return self._ready.is_set() and not self.dropped

    def leave(self) -> None:
        """Hangs up."""
        self.dropped = True
        self._left.set()
        self._scope.cancel()


@dataclass(frozen=True)
class Leaving:
    """How a host gives up a call: when, in seconds or in steps of the event loop, and whether by hanging up."""

    seconds: float | None = None
    steps: int | None = None
    drops: bool = False


class Host:
    """One host under way."""

    def __init__(self, name: str, plan: HostPlan, context: RunContext, *, last: bool = False) -> None:
        self.name = name
        self._plan = plan
        self._context = context
        self._last = last
        self._connections: dict[str, Connection] = {}
        self._open: list[Asked] = []
        self._background: TaskGroup | None = None

    async def play(self) -> None:
        """Makes its moves, one after the other."""
        async with anyio.create_task_group() as self._background:
            for act in self._plan.acts:
                await self._context.pause(act.pause)
                async with anyio.create_task_group() as calls:
                    for copy in range(act.copies):
                        calls.start_soon(self._act, act, copy)
            for connection in self._connections.values():
                connection.leave()

    async def repeat(self, server: Server, steps: Sequence[dict[str, Any]]) -> None:
        """Makes calls as results named them, one after the other; to be asked while the host plays nothing."""
        async with anyio.create_task_group() as self._background:
            for step in steps:
                await self._call(server, step["tool"], step["arguments"], Leaving())
            for connection in self._connections.values():
                connection.leave()

    async def tasks(self, server: Server) -> list[str]:
        """The tasks that `runway://tasks` lists; to be asked while the host plays nothing."""
        async with anyio.create_task_group() as self._background:
            connection = await self._connected(await server.reached())
            if connection is None:
                return []
            with anyio.move_on_after(_PATIENCE):
                read = await connection.client.read_resource("runway://tasks")
                text = cast("TextResourceContents", read.contents[0]).text
                connection.leave()
                return [task["taskId"] for task in json.loads(text)["tasks"] if "taskId" in task]
            connection.leave()
        return []

    async def _act(self, act: Act, copy: int) -> None:
        context = self._context
        server = context.servers[(act.server + copy) % len(context.servers)]
        earlier = context.results.setdefault(act.request, [])
        arguments = spelled(self._context.world, act, earlier)
        leaving = Leaving(act.give_up, act.give_up_steps, act.leaving == "drop")
        if not act.dry:
            arguments = await self._confirmed(act, arguments, server)
        content = await self._call(server, "extend_video", arguments, leaving, act.request)
        for _ in range(2 if act.confirming == "next step" else act.follow):
            step = (content or {}).get("next_step")
            if step is None:
                return
            content = await self._call(server, step["tool"], step["arguments"], Leaving())
            if (content is None or part(content, "error").get("charged") == "unknown") and step not in context.unclear:
                context.unclear.append(step)

    async def _confirmed(self, act: Act, arguments: dict[str, Any], server: Server) -> dict[str, Any]:
        """The arguments with the confirmation that the act wants, valid or not."""
        other = arguments | {"seed": self._context.rng.randrange(1000, 9000)}
        match act.confirming:
            case "quote" | "stale":
                quote = await self._quote(server, arguments)
                await anyio.sleep(_STALE if act.confirming == "stale" else self._context.rng.uniform(0, 20))
            case "other":
                quote = await self._quote(server, other)
            case "used":
                quote = await self._quote(server, other)
                if quote is not None:
                    await self._call(server, "extend_video", other | {"confirm": quote}, Leaving())
            case "invented":
                quote = "yes"
            case _:
                return arguments
        return arguments if quote is None else arguments | {"confirm": quote}

    async def _quote(self, server: Server, arguments: dict[str, Any]) -> str | None:
        content = await self._call(server, "extend_video", arguments | {"dry_run": True}, Leaving())
        return part(content, "quote").get("id")

    async def _call(
        self, server: Server, tool: str, arguments: dict[str, Any], leaving: Leaving, request: Request | None = None
    ) -> dict[str, Any] | None:
        """Makes a call and notes how it ends; returns the structured content, if there is any."""
        context, connection = self._context, await self._connected(await server.reached())
        if connection is None:
            return None
        asked = self._noted(connection.life, tool, arguments)
        self._open.append(asked)
        try:
            await self._made(connection, asked, leaving)
        finally:
            self._open.remove(asked)
        told = asked.content or {}
        error = part(told, "error")
        context.log(
            f"{self.name}: call {asked.number} {asked.end} {told.get('status')} {told.get('taskId', '')[-8:]} "
            f"{error.get('kind', '')} {error.get('charged', '')} {asked.trouble}"
        )
        if request is not None and asked.content is not None:
            context.results[request].append(asked.content)
        return asked.content

    def _noted(self, life: Life, tool: str, arguments: dict[str, Any]) -> Asked:
        context, plan = self._context, self._plan
        asks = plan.person != "none" and context.confirms
        asked = Asked(
            number=len(context.asked),
            host=self.name,
            process=life.process.name,
            tool=tool,
            arguments=arguments,
            source=source_of(context.world, arguments),
            limit=context.limit,
            began=anyio.current_time(),
            asking=asks,
            patient=plan.takes_tasks,
            trouble="its person takes time" if asks and plan.mode == "auto" else "",
            last=self._last,
        )
        context.asked.append(asked)
        context.log(f"{self.name}: call {asked.number} asks {asked.process} for {tool} {arguments}")
        return asked

    async def _made(self, connection: Connection, asked: Asked, leaving: Leaving) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CampaignLoop)
        patience = _LONG_PATIENCE if asked.patient else _PATIENCE + max(asked.wait or 0.0, asked.limit)
        with anyio.CancelScope() as scope:

            def give_up() -> None:
                asked.end = "gave up" if asked.end == "open" else asked.end
                connection.leave() if leaving.drops else scope.cancel()

            fuse = Fuse(leaving.steps, give_up) if leaving.steps else None
            timers = [loop.call_later(patience, scope.cancel)]
            if leaving.seconds is not None:
                timers.append(loop.call_later(leaving.seconds, give_up))
            if fuse is not None:
                loop.fuses.append(fuse)
            try:
                result = await self._result(connection.client, asked)
            except Exception as error:  # noqa: BLE001  every way to fail is told apart below
                _failed(asked, connection, error)
            else:
                _answered(asked, result.structured_content, is_error=result.is_error)
            finally:
                for timer in timers:
                    timer.cancel()
                if fuse is not None:
                    loop.fuses.remove(fuse)
        if asked.end != "open":
            asked.ended = anyio.current_time()

    async def _result(self, client: Client, asked: Asked) -> CallToolResult:
        """The result of a call. Where nothing but a result can come, it is not checked against the tool's schema.

        The tests of the tools do that with each result; here it would take a quarter of all the time.
        """
        if self._plan.takes_tasks or self._plan.person != "none":
            return await client.call_tool(asked.tool, asked.arguments)
        request = CallToolRequest(params=CallToolRequestParams(name=asked.tool, arguments=asked.arguments))
        return await client.session.send_request(request, CallToolResult)

    async def _connected(self, life: Life) -> Connection | None:
        """The connection to a life of a server, a fresh one if there is none; None if none comes about."""
        assert self._background
        connection = self._connections.get(life.process.name)
        if connection is None or connection.dropped:
            extra: dict[str, Any] = {"extensions": [FollowsTasks()]} if self._plan.takes_tasks else {}
            if self._plan.person != "none":
                extra["elicitation_callback"] = self._answer
            connection = Connection(life, Client(life.wire(), mode=self._plan.mode, cache=None, **extra))
            self._connections[life.process.name] = connection
            self._background.start_soon(connection.run)
        if await connection.is_open():
            return connection
        connection.leave()
        return None

    async def _answer(self, context: object, params: ElicitRequestParams) -> ElicitResult:  # noqa: ARG002  the SDK's signature
        """What the person behind the host says to a spend."""
        person, rng = self._plan.person, self._context.rng
        seconds = {"slow": rng.uniform(15, 100), "silent": 3000.0}.get(person, rng.uniform(0.5, 8))
        await anyio.sleep(seconds)
        if person not in ("yes", "slow"):
            return ElicitResult(action="decline")
        for asked in self._open:
            asked.agreed.append(anyio.current_time())
        return ElicitResult(action="accept", content={"ok": True})


def _failed(asked: Asked, connection: Connection, error: Exception) -> None:
    if asked.end != "open":
        return
    gone = connection.life.gone.is_set() or connection.life.closing or connection.dropped
    asked.end = "lost" if gone else "crashed"
    asked.trouble = asked.trouble if gone else describe(error)


def _answered(asked: Asked, content: object, *, is_error: bool) -> None:
    asked.is_error = is_error
    if isinstance(content, dict):
        asked.end, asked.content = "answered", cast("dict[str, Any]", content)
    else:
        asked.end, asked.trouble = "crashed", "the result has no structured content"
