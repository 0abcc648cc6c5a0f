import math
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import anyio
import pytest
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    JSONRPCNotification,
    JSONRPCRequest,
)

from runway_mcp.runway.models import Task
from runway_mcp.server.contract.uris import TASKS, Address
from runway_mcp.server.updates.subscriptions import MOST_CONNECTIONS, MOST_URIS, Subscriptions
from runway_mcp.simulator.builders import add_task
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient
from tests.kit.server import InProcessServer, open_server
from tests.kit.upstream import virtual_world
from tests.server.subscribers import LIST, hearing, subscribe, unsubscribe

pytestmark = pytest.mark.virtual_time

ENVELOPE: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
LONG = "user:1234-runwayml:nobody@example.com-{}:11111111-2222-4333-8444-555555555555"


@asynccontextmanager
async def an_extension(server: InProcessServer) -> AsyncGenerator[dict[str, Any]]:
    """What another client was told when it began an extension."""
    async with server.client("auto") as client:
        yield await client.extend(client.clip, wait_seconds=0)


@pytest.mark.parametrize("safe", [":/@", "/", ""])
async def test_who_wants_to_hear_of_a_task_hears_each_change_under_his_own_spelling_until_it_ends(
    tmp_path: Path, mode: str, safe: str
) -> None:
    async with open_server(virtual_world(pace=60), tmp_path) as server, an_extension(server) as told:
        uri = quote(told["task_uri"], safe=safe)
        async with hearing(server, mode, uri) as (_, heard):
            await anyio.sleep(200)

            assert 5 <= heard.count(uri) <= 13
            assert set(heard) <= {uri, told["task_uri"]}


async def test_the_list_of_tasks_is_news_whenever_one_of_them_appears_or_changes(tmp_path: Path, mode: str) -> None:
    async with open_server(virtual_world(pace=60), tmp_path) as server, hearing(server, mode, TASKS) as (client, heard):
        await client.extend(client.clip, wait_seconds=0)
        await anyio.sleep(100)
        changes = heard.count(TASKS)
        await anyio.sleep(200)

        assert heard.count(LIST) == 1
        assert 4 <= changes == heard.count(TASKS)


async def test_each_task_that_appears_changes_the_list_once_for_all_who_are_there(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=60)
    async with (
        open_server(world, tmp_path) as server,
        hearing(server, mode) as (_, first),
        hearing(server, mode) as (client, second),
    ):
        await client.extend(client.clip, wait_seconds=0)
        await client.extend(client.clip, wait_seconds=0)
        await client.extend(client.clip, seed=2, wait_seconds=0)
        await anyio.sleep(1)

        assert first == second == [LIST, LIST]


async def test_a_task_that_somebody_made_by_hand_is_followed_for_who_wants_to_hear_of_it(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world()
    task = add_task(world, queue=10, duration=60)
    uri = f"{TASKS}/{world.task_id(task)}"
    async with open_server(world, tmp_path) as server, hearing(server, mode, uri, TASKS) as (_, heard):
        await anyio.sleep(120)

        assert heard.count(uri) > 3
        assert heard.count(TASKS) >= 2
        assert heard.count(LIST) == 1


async def test_a_subscriber_has_a_task_read_at_the_pace_of_somebody_who_waits_and_only_while_he_is_there(
    tmp_path: Path, mode: str
) -> None:
    async with open_server(virtual_world(pace=math.inf), tmp_path) as server, an_extension(server) as told:
        await anyio.sleep(60)
        alone = reads(server.world)
        async with hearing(server, mode, told["task_uri"]):
            await anyio.sleep(60)
            attended = reads(server.world) - alone
        left = reads(server.world)
        await anyio.sleep(60)

        assert attended >= 3 * alone
        assert reads(server.world) - left <= alone + 1
        assert server.context.observers.latest(told["taskId"]) is None


def reads(world: World) -> int:
    return sum(count for request, count in world.requests.items() if request.startswith("GET /tasks"))


async def test_who_took_his_subscription_back_hears_nothing_more(tmp_path: Path) -> None:
    async with open_server(virtual_world(pace=60), tmp_path) as server, an_extension(server) as told:
        spellings = [told["task_uri"], quote(told["task_uri"], safe="")]
        async with hearing(server, "legacy", *spellings) as (client, heard):
            await anyio.sleep(6)
            await unsubscribe(client.mcp, spellings[0])
            still = server.context.observers.latest(told["taskId"])
            for uri in (spellings[1], spellings[1], f"{TASKS}/never-subscribed"):
                await unsubscribe(client.mcp, uri)
            before = len(heard)
            await anyio.sleep(100)

            assert before == len(heard) == 2
            assert still is not None
            assert server.context.observers.latest(told["taskId"]) is None


async def test_subscribing_twice_is_the_same_as_once(tmp_path: Path) -> None:
    async with open_server(virtual_world(pace=60), tmp_path) as server, an_extension(server) as told:
        uri = told["task_uri"]
        async with hearing(server, "legacy", uri, uri) as (client, heard):
            await anyio.sleep(6)
            await unsubscribe(client.mcp, uri)
            await anyio.sleep(1)
            assert server.context.observers.latest(told["taskId"]) is None
            await anyio.sleep(100)

            assert heard == [uri]


@pytest.mark.parametrize("silent", ["auto", "legacy"])
async def test_a_client_that_reads_nothing_holds_up_neither_the_task_nor_the_others(
    tmp_path: Path, mode: str, silent: str
) -> None:
    async with (
        open_server(virtual_world(pace=60), tmp_path) as server,
        an_extension(server) as told,
        server.wire() as (_, unread),
        hearing(server, mode, told["task_uri"]) as (client, heard),
    ):
        for message in subscribing(silent, told["task_uri"], TASKS):
            await unread.send(SessionMessage(message))
        film = {"status": "RUNNING"}
        for _ in range(2):
            film = await client.data("get_task", taskId=told["taskId"], wait_seconds=45)

        assert film["status"] == "SUCCEEDED"
        assert client.took <= 30
        assert len(heard) > 5


def subscribing(mode: str, *uris: str) -> list[JSONRPCRequest | JSONRPCNotification]:
    """The messages of a client that wants to hear of resources, and of many answers besides."""
    if mode == "auto":
        listen: dict[str, Any] = {
            "notifications": {"resourceSubscriptions": uris, "resourcesListChanged": True},
            "_meta": ENVELOPE,
        }
        return [JSONRPCRequest(jsonrpc="2.0", id=1, method="subscriptions/listen", params=listen)]
    opening = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "silent", "version": "0"}}
    return [
        JSONRPCRequest(jsonrpc="2.0", id=0, method="initialize", params=opening),
        JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized"),
        *(JSONRPCRequest(jsonrpc="2.0", id=uri, method="resources/subscribe", params={"uri": uri}) for uri in uris),
    ]


async def test_a_client_that_is_gone_is_forgotten_and_missed_by_nobody(tmp_path: Path, mode: str) -> None:
    async with open_server(virtual_world(pace=60), tmp_path) as server, an_extension(server) as told:
        async with hearing(server, mode, told["task_uri"], TASKS):
            await anyio.sleep(6)
        async with hearing(server, mode, told["task_uri"]) as (_, heard):
            await anyio.sleep(100)

            assert len(heard) >= 3
        with ExitStack() as connections:
            # There is room for as many connections as if nobody had ever come.
            opened = [
                connections.enter_context(server.context.subscriptions.connected(session(), ""))
                for _ in range(MOST_CONNECTIONS)
            ]
            assert None not in opened
            assert connections.enter_context(server.context.subscriptions.connected(session(), "")) is None


def session() -> ServerSession:
    """As much of a session as is looked at when it opens."""
    return cast("ServerSession", SimpleNamespace(client_params=SimpleNamespace()))


@pytest.mark.parametrize(
    "uri",
    [
        "runway://films/x",
        "https://example.com/film.mp4",
        "runway://tasks/",
        "runway://tasks/a/b",
        "runway://assets/a%3Fb",
        "runway://tasks/" + LONG.format("asset"),
        "runway://assets/" + quote(LONG.format("task")),
    ],
)
async def test_what_cannot_be_an_address_cannot_be_subscribed_to(tmp_path: Path, mode: str, uri: str) -> None:
    async with open_server(virtual_world(), tmp_path) as server, server.client(mode) as client:
        with pytest.raises(MCPError, match="Unknown resource") as caught:
            await want(client, mode, TASKS, uri)

    assert (caught.value.code, caught.value.data) == (INVALID_PARAMS, {"uri": uri})


async def want(client: ToolClient, mode: str, *uris: str) -> None:
    """Subscribes to resources in the way of the era, for a moment."""
    if mode == "legacy":
        for uri in uris:
            await subscribe(client.mcp, uri)
    else:
        async with client.mcp.listen(resource_subscriptions=uris):
            pass


async def test_what_could_be_an_address_can_be_subscribed_to_whether_it_exists_or_not(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world()
    uris = [TASKS, f"{TASKS}/{LONG.format('task')}", "runway://assets/" + LONG.format("asset"), f"{TASKS}/short-id"]
    async with open_server(world, tmp_path) as server, hearing(server, mode, *uris) as (_, heard):
        await anyio.sleep(700)

        assert heard == []
        assert reads(world) == 2


async def test_a_task_that_cannot_be_read_at_first_is_followed_as_soon_as_it_can(tmp_path: Path, mode: str) -> None:
    world = virtual_world()
    task = add_task(world, queue=10, duration=600)
    uri = f"{TASKS}/{world.task_id(task)}"
    broken = Fault(times=None, status=503)
    world.faults.append(broken)
    async with open_server(world, tmp_path) as server, hearing(server, mode, uri) as (_, heard):
        await anyio.sleep(120)
        assert heard == []
        world.faults.remove(broken)
        await anyio.sleep(120)

        assert heard


async def test_one_client_hears_of_so_many_resources_and_no_more(tmp_path: Path, mode: str) -> None:
    uris = [f"{TASKS}/{number}" for number in range(MOST_URIS + 1)]
    async with open_server(virtual_world(), tmp_path) as server, server.client(mode) as client:
        await want(client, mode, *uris[:-1])
        with pytest.raises(MCPError, match=f"{MOST_URIS} resources at a time") as caught:
            await want(client, mode, *uris)

    assert caught.value.code == INVALID_REQUEST


async def test_a_full_connection_may_subscribe_again_to_what_it_is_subscribed_to(tmp_path: Path) -> None:
    uris = [f"{TASKS}/{number}" for number in range(MOST_URIS)]
    async with open_server(virtual_world(), tmp_path) as server, server.client("legacy") as client:
        await want(client, "legacy", *uris, uris[0])


async def test_a_task_that_is_followed_already_is_not_read_for_a_subscriber(tmp_path: Path, mode: str) -> None:
    async with open_server(virtual_world(pace=60), tmp_path) as server, an_extension(server) as told:
        before = reads(server.world)
        async with hearing(server, mode, told["task_uri"]):
            await anyio.sleep(1)

            assert reads(server.world) == before
            assert server.context.observers.latest(told["taskId"]) is not None


async def test_who_wants_to_hear_of_many_tasks_has_them_read_a_few_at_a_time(tmp_path: Path, mode: str) -> None:
    world, at_once, most = virtual_world(), 0, 0

    async def count() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await anyio.sleep(1)
        at_once -= 1

    tasks = [world.task_id(add_task(world, queue=0, duration=math.inf)) for _ in range(20)]
    world.faults.append(Fault(path_prefix="/tasks/", times=len(tasks), kind="delay", hold=count))
    async with (
        open_server(world, tmp_path) as server,
        hearing(server, mode, *(f"{TASKS}/{task_id}" for task_id in tasks)),
    ):
        await anyio.sleep(30)

        assert most == 5
        assert all(server.context.observers.latest(task_id) for task_id in tasks)


async def test_without_a_token_one_may_subscribe_and_nothing_happens(tmp_path: Path, mode: str) -> None:
    async with (
        open_server(virtual_world(), tmp_path, token=None) as server,
        hearing(server, mode, TASKS, f"{TASKS}/x") as (_, heard),
    ):
        await anyio.sleep(60)

        assert heard == []


async def test_a_listener_is_granted_what_there_is_news_of(tmp_path: Path) -> None:
    async with (
        open_server(virtual_world(), tmp_path) as server,
        server.client("auto") as client,
        client.mcp.listen(tools_list_changed=True, prompts_list_changed=True, resources_list_changed=True) as stream,
    ):
        assert stream.honored.model_dump(exclude_none=True) == {"resources_list_changed": True}


def test_a_connection_is_opened_once_however_often_its_client_says_so() -> None:
    subscriptions, client = Subscriptions(), session()

    with subscriptions.connected(client, "") as first, subscriptions.connected(client, "") as second:
        assert first is not None
        assert second is None
        assert subscriptions.of(client) is first
    assert subscriptions.of(client) is None


class Observed(Counter[Address]):
    """What is observed, and how often."""

    def add(self, addresses: Iterable[Address], /) -> None:
        self.update(addresses)

    def remove(self, addresses: Iterable[Address], /) -> None:
        self.subtract(addresses)


def test_a_subscription_ends_where_it_began_though_its_caller_goes_elsewhere_by_then() -> None:
    subscriptions, client, task = Subscriptions(), session(), Address("task", "1")
    before, after = Observed(), Observed()
    with subscriptions.connected(client, "") as connection:
        assert connection is not None
        connection.add(Address("tasks"), TASKS, before)
        connection.add(task, "runway://tasks/1", before)
        connection.add(task, "runway://tasks/%31", after)
        assert (before.total(), after.total()) == (2, 0)
        connection.drop(task, "runway://tasks/1")
        connection.drop(task, "runway://tasks/%31")
        assert (before.total(), after.total()) == (1, 0)
        connection.add(task, "runway://tasks/1", after)
        connection.end()

    assert (before.total(), after.total()) == (0, 0)


async def test_a_task_that_was_long_not_heard_of_counts_as_one_that_appears() -> None:
    subscriptions, client = Subscriptions(), session()
    with subscriptions.connected(client, "") as connection:
        assert connection is not None
        connection.add(Address("tasks"), TASKS, Observed())
        for number in [*range(1001), 1000, 0]:
            await subscriptions.changed(Task(task_id=str(number), status="RUNNING"), None)

    assert subscriptions._seen.keys() >= {"0", "1000", "2"}  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


async def test_news_that_cannot_be_told_do_not_harm_who_brings_them(caplog: pytest.LogCaptureFixture) -> None:
    secret = "token-in-a-text"

    class Broken:
        @property
        def task_id(self) -> str:
            raise RuntimeError(secret)

    await Subscriptions().changed(cast("Task", Broken()), None)

    assert "a change of a task crashed: RuntimeError" in caplog.text
    assert secret not in caplog.text
