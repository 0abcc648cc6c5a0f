"""Ids of another caller, in every method that takes one: answered as, and at the cost of, ids that nothing has."""

import re
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference, Tool
from pydantic import SecretStr

from runway_mcp.server.app import create_server
from runway_mcp.server.contract.uris import KINDS, Kind, template_of
from runway_mcp.server.tools.definitions import TOOLS
from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.world import World
from runway_mcp.tasks.spend.drafts import draft
from tests.kit.client import ToolClient
from tests.kit.postgres import new_schema
from tests.kit.protocol_tasks import TakesTasks, ask, tell
from tests.kit.samples import plan
from tests.kit.server import InProcessServer, settings
from tests.kit.upstream import Upstream, virtual_world
from tests.server.callers import ANA, BOB, DUNES
from tests.server.costs import Cost, Costs, CountedUpstream
from tests.server.subscribers import subscribe, unsubscribe

Ask = Callable[[ToolClient, str], Awaitable[object]]

_NEAREST = re.compile(r"(?:(?<=nearest are: )|(?<=Others are: )).*?(?=\.(\\n|'|\"))")


# --- every method that takes an id


def by_tool(name: str, argument: str, **others: Any) -> Ask:
    """A call of a tool that takes an id."""

    async def call(client: ToolClient, named: str) -> object:
        return (await client.call(name, **{argument: named}, **others)).model_dump()

    return call


def by_resource(kind: Kind) -> Ask:
    """A read of a resource that an id names."""

    async def read(client: ToolClient, named: str) -> object:
        uri = re.sub(r"\{.*\}", named, template_of(kind))
        return await refusal(client.mcp.read_resource(uri))

    return read


def by_protocol_task(method: str) -> Ask:
    """A request of the Tasks extension."""

    async def request(client: ToolClient, named: str) -> object:
        sent = ask(client.mcp.session, method, named) if method == "tasks/get" else tell(client.mcp, method, named)
        return await refusal(sent)

    return request


async def refusal(asked: Awaitable[object]) -> object:
    """The error that a request ends in."""
    with pytest.raises(MCPError) as refused:
        await asked
    return refused.value.error.model_dump()


async def by_prompt(client: ToolClient, named: str) -> object:
    return (await client.mcp.get_prompt("plan_film", {"clip": named, "story": DUNES})).model_dump()


async def by_completion(client: ToolClient, named: str) -> object:
    reference = ResourceTemplateReference(uri=template_of("task"))
    found = await client.mcp.complete(reference, {"name": "taskId", "value": named})
    clips = await client.mcp.complete(PromptReference(name="plan_film"), {"name": "clip", "value": named})
    return found.completion.values, clips.completion.values


async def by_subscription(client: ToolClient, named: str) -> object:
    uri = f"runway://tasks/{named}"
    await subscribe(client.mcp, uri)
    await unsubscribe(client.mcp, uri)
    return "subscribed"


async def by_stream(client: ToolClient, named: str) -> object:
    async with client.mcp.listen(resource_subscriptions=[f"runway://tasks/{named}"]) as stream:
        return stream.honored.model_dump()


def naming(tool: Tool) -> str:
    """The argument by which a tool is told of a clip or a task."""
    return next(each for each in ("assetId", "taskId", "query") if each in tool.input_schema["properties"])


WAYS: dict[str, Ask] = {
    **{name: by_tool(name, naming(tool)) for name, tool in TOOLS.items()},
    "extend_video, dry run": by_tool("extend_video", "assetId", dry_run=True),
    "extend_video, continued": by_tool("extend_video", "assetId", model="gen4.5"),
    "get_task, waiting": by_tool("get_task", "taskId", wait_seconds=1),
    **{f"read {kind}": by_resource(kind) for kind in KINDS if kind not in ("tasks", "player")},
    "prompts/get": by_prompt,
    "completion/complete": by_completion,
}
OF_ERA: dict[str, dict[str, Ask]] = {
    "legacy": {"resources/subscribe": by_subscription},
    "auto": {
        "subscriptions/listen": by_stream,
        **{method: by_protocol_task(method) for method in ("tasks/get", "tasks/cancel", "tasks/update")},
    },
}


FOLLOWING = ("resources/subscribe", "subscriptions/listen")
"""What is answered at once, whatever the id names, and has it followed at a cost that no answer waits for."""


# --- a server on which one caller has all that there are ids of


@dataclass(frozen=True)
class Place:
    """The server, what its requests cost, and its clients."""

    costs: Costs
    ana: ToolClient
    bob: ToolClient

    async def asked(self, way: Ask, named: str) -> tuple[str, Cost]:
        """What the stranger is answered, without the id, and what it cost."""
        self.costs.told.clear()
        answer = repr(await way(self.bob, named))
        total: Cost = sum(self.costs.told, Cost())
        for spelled in (named, named.rpartition(":")[2]):
            answer = answer.replace(spelled, "ID")
        # Which of the account's three clips is how near is the id's own matter.
        return _NEAREST.sub(lambda named: "; ".join(sorted(named[0].split("; "))), answer), total


@asynccontextmanager
async def place(folder: Path, mode: str, world: World, **fields: Any) -> AsyncGenerator[Place]:
    costs = Costs()
    server = create_server(
        settings(folder, **fields),
        transport=CountedUpstream(Upstream(world)),
        open_store=costs.open_store,
    )
    server.middleware.append(costs.measure)
    takes: dict[str, Any] = {"extensions": [TakesTasks()]} if mode == "auto" else {}
    async with server.lifespan(server) as lifespan:
        here = InProcessServer(server, lifespan, world)
        async with here.client(mode, caller=ANA) as ana, here.client(mode, caller=BOB, **takes) as bob:
            yield Place(costs, ana, bob)


async def ids_of_anothers(here: Place) -> dict[str, str]:
    """A running task, an ended one, each also by its uuid, and a film of several parts: all the other caller's."""
    world, ids = here.ana.world, dict[str, str]()
    ids["ended"] = (await here.ana.extend(here.ana.clip, text_prompt=DUNES))["taskId"]
    world.script_next(duration=100_000.0)
    ids["running"] = (await here.ana.extend(here.ana.clip, seed=2, wait_seconds=0))["taskId"]
    film = replace(draft(plan(), caller=ANA), task_type="gen4.5")
    claimed, _ = await here.costs.store.claim(film, plan().key(ANA))
    return {
        "film": claimed.film_id,
        **ids,
        **{f"{name}, by its uuid": task_id.rpartition(":")[2] for name, task_id in ids.items()},
    }


def unlike(named: str) -> Generator[str]:
    """Ids that nothing has, and that differ in their last digit."""
    for digit in "0123456789abcdef":
        if digit != named[-1]:
            yield f"{named[:-1]}{digit}"


async def differences(
    here: Place, mode: str, ids: Mapping[str, str], *, pause: Callable[[int], Awaitable[object]], reads: bool = True
) -> list[str]:
    """The ways and ids for which a stranger is told another thing, or at another cost, than for what nothing has.

    It pauses before each of three requests, by their numbers; without `reads` the ledger alone counts.
    """
    found: list[str] = []
    for what, named in ids.items():
        for way, by in (WAYS | OF_ERA[mode]).items():
            told: list[tuple[str, Cost]] = []
            nothing = unlike(named)
            for number, each in enumerate((next(nothing), named, next(nothing))):
                await pause(number)
                answer, cost = await here.asked(by, each)
                if way in FOLLOWING:
                    cost.clear()
                told.append((answer, Counter({verb: cost[verb] for verb in cost if reads or " " not in verb})))
            words = {each for each, _ in told}
            # The first request may have warmed what the other two find warm.
            if len(words) > 1 or told[1] != told[2]:
                found.append(f"{way} of {what}: {words if len(words) > 1 else [cost for _, cost in told]}")
    return found


@asynccontextmanager
async def watched(client: ToolClient, mode: str, task_id: str) -> AsyncGenerator[None]:
    """A task of a client's that it wants to hear of meanwhile, so that this server has its newest state."""
    uri = f"runway://tasks/{task_id}"
    if mode == "legacy":
        await subscribe(client.mcp, uri)
        yield
    else:
        async with client.mcp.listen(resource_subscriptions=[uri]):
            yield


@pytest.mark.virtual_time
async def test_a_strangers_id_is_answered_and_costs_as_one_that_nothing_has(tmp_path: Path, mode: str) -> None:
    async with place(tmp_path, mode, virtual_world(clips=2), poll_seconds=30.0) as here:
        ids = await ids_of_anothers(here)
        async with watched(here.ana, mode, ids["running"]):
            assert await differences(here, mode, ids, pause=lambda _: anyio.sleep(65)) == []


@pytest.mark.virtual_time
async def test_that_the_other_caller_has_just_asked_for_it_changes_nothing(tmp_path: Path, mode: str) -> None:
    async with place(tmp_path, mode, virtual_world(clips=2)) as here:
        ids = await ids_of_anothers(here)

        async def ask_first(number: int) -> None:
            await anyio.sleep(0.1 if number else 2.0)
            for task_id in (ids["ended"], ids["running"]):
                await here.ana.call("get_task", taskId=task_id)

        assert await differences(here, mode, ids, pause=ask_first) == []


@pytest.mark.slow
async def test_a_strangers_id_costs_a_database_as_much_as_one_that_nothing_has(
    tmp_path: Path, mode: str, database_url: str
) -> None:
    with new_schema(database_url) as url:
        async with place(tmp_path, mode, small_world(pace=0.2, clips=2), database_url=SecretStr(url)) as here:
            ids = await ids_of_anothers(here)
            assert await differences(here, mode, ids, pause=lambda _: checkpoint(), reads=False) == []


@pytest.mark.virtual_time
async def test_a_strangers_quote_confirms_nothing_and_is_told_as_one_that_nobody_was_made(
    tmp_path: Path, mode: str
) -> None:
    async with place(tmp_path, mode, virtual_world(), confirm_above=0.0) as here:
        offered = (await here.ana.extend(here.ana.clip, dry_run=True))["quote"]["id"]
        use = by_tool("extend_video", "confirm", assetId=here.bob.world.asset_id(here.bob.clip))
        nothing = unlike(offered)

        told: list[tuple[str, Cost]] = []
        for each in (next(nothing), offered, next(nothing)):
            await anyio.sleep(65)
            told.append(await here.asked(use, each))
        assert told[0] == told[1] == told[2]
        assert here.bob.posts == 0
        assert "taskId" in await here.ana.extend(here.ana.clip, confirm=offered, wait_seconds=0)
