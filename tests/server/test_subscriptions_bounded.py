"""What those who want to hear of resources, or poll, may cost a server and its other callers."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST, SubscriptionsListenRequestParams

from runway_mcp.runway.models import Task
from runway_mcp.server.contract.uris import TASKS, Address
from runway_mcp.server.updates.observers import MOST_POLLING, Observers
from runway_mcp.server.updates.subscriptions import MOST_URIS, Subscriptions
from runway_mcp.tasks.store.token_view import everyone, store_of_token
from tests.kit.samples import intent
from tests.kit.server import open_server
from tests.kit.slow_ledger import SlowLedger
from tests.kit.upstream import virtual_world
from tests.server.subscribers import hearing

pytestmark = pytest.mark.virtual_time

ENVELOPE: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


async def test_more_resources_than_one_client_may_hear_of_are_refused_unseen(tmp_path: Path) -> None:
    uris = ["https://unknown.example.com", *(f"{TASKS}/{number}" for number in range(MOST_URIS))]
    async with open_server(virtual_world(), tmp_path) as server, server.client("auto") as client:
        with pytest.raises(MCPError, match=f"{MOST_URIS} resources at a time") as caught:
            async with client.mcp.listen(resource_subscriptions=uris):
                pass

    assert caught.value.code == INVALID_REQUEST


async def test_one_resource_that_is_named_hundreds_of_times_is_one(tmp_path: Path) -> None:
    async with (
        open_server(virtual_world(pace=60), tmp_path) as server,
        hearing(server, "auto", *[TASKS] * 2 * MOST_URIS) as (client, heard),
    ):
        await client.extend(client.clip, wait_seconds=0)
        await anyio.sleep(1)

        assert heard.count(TASKS) == 1


class Stream:
    """The stream of a listener: what goes over it."""

    def __init__(self) -> None:
        self.listening = anyio.Event()
        self.told: list[str] = []

    async def send_notification(self, notification: Any, **_: Any) -> None:
        self.listening.set()
        self.told.append(str(getattr(notification.params, "uri", "")))


@asynccontextmanager
async def listening(subscriptions: Subscriptions, caller: str, *uris: str) -> AsyncGenerator[Stream]:
    """A stream of a caller's that is told of one task under these spellings of its URI."""
    stream, notifications = Stream(), {"resourceSubscriptions": uris}
    ctx: Any = SimpleNamespace(request_id=1, session=stream)
    asked = SubscriptionsListenRequestParams.model_validate({"_meta": ENVELOPE, "notifications": notifications})
    async with anyio.create_task_group() as group:
        group.start_soon(subscriptions.listen, ctx, asked, dict.fromkeys(uris, Address("task", "abc")), caller)
        await stream.listening.wait()
        yield stream
        group.cancel_scope.cancel()


async def test_how_one_caller_spells_what_he_hears_of_costs_the_streams_of_others_nothing() -> None:
    subscriptions, published = Subscriptions(), list[Any]()
    many = [f"{TASKS}/{spelled}" for spelled in ("%61bc", "a%62c", "ab%63", "%61%62%63")]
    async with (
        listening(subscriptions, "ana", *many) as ana,
        listening(subscriptions, "bob", f"{TASKS}/abc") as bob,
    ):
        streams = subscriptions._streams["bob"]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        streams._bus.subscribe(published.append)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        await subscriptions.changed(Task(task_id="abc", status="RUNNING"), None)
        await anyio.sleep(1)

    assert sorted(ana.told[1:]) == sorted(many)
    assert bob.told[1:] == [f"{TASKS}/abc"]
    assert {event.uri for event in published if hasattr(event, "uri")} == {TASKS, f"{TASKS}/abc"}


# --- hosts that poll


@asynccontextmanager
async def observers(service: Any = None) -> AsyncGenerator[Observers]:
    """Observers, by default of nothing that is followed."""
    async with anyio.create_task_group() as group:
        yield Observers(service, group, unfinished=lambda _: None)
        group.cancel_scope.cancel()


async def test_what_callers_dismissed_is_remembered_of_so_many_of_them_the_last_who_polled() -> None:
    async with observers() as observed:
        for number in range(MOST_POLLING):
            observed.dismiss("task", caller=str(number))
        observed.expire_after(Task(task_id="other", status="RUNNING"), 30, caller="0")
        observed.dismiss("task", caller="one more")

        assert not observed.was_dismissed("task", caller="1")
        for caller in ("0", "2", "one more"):
            assert observed.was_dismissed("task", caller=caller)
        assert len(observed._polls) == MOST_POLLING  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


async def test_asking_whether_a_task_was_dismissed_leaves_nothing_behind() -> None:
    async with observers() as observed:
        before = sum(map(len, _kept(observed)))
        for number in range(50):
            assert not observed.was_dismissed("task", caller=str(number))

        assert sum(map(len, _kept(observed))) == before


def _kept(observed: Observers) -> list[dict[Any, Any]]:
    return [each for each in vars(observed).values() if isinstance(each, dict)]


class Followed:
    """A watcher that knows the end of every task."""

    async def read(self, task_id: str, **_: Any) -> Task:
        return Task(task_id=task_id, status="SUCCEEDED")

    def follow(self, _: Task) -> None:
        return

    async def changes(self, *_: Any) -> AsyncGenerator[Task]:
        for nothing in ():
            yield nothing


async def test_whose_the_observed_tasks_are_is_asked_of_the_ledger_a_few_at_a_time() -> None:
    ledger: Any = SlowLedger()
    view = store_of_token(ledger, everyone, token="of no user")
    async with observers(SimpleNamespace(ledger=SimpleNamespace(store=view), watcher=Followed())) as observed:
        observed.add(Address("task", str(number)) for number in range(40))
        await anyio.sleep(60)

    assert (ledger.asked, ledger.most) == (40, 5)


async def test_nothing_stays_of_callers_who_have_left_and_are_told_of_no_more() -> None:
    subscriptions, listening = Subscriptions(), anyio.Event()

    async def acknowledge(*_: Any, **__: Any) -> None:
        listening.set()
        await anyio.sleep_forever()

    ctx: Any = SimpleNamespace(request_id=1, session=SimpleNamespace(send_notification=acknowledge))
    asked = SubscriptionsListenRequestParams.model_validate({"_meta": ENVELOPE, "notifications": {}})
    sizes: list[int] = []
    for number in range(50):
        caller = f"caller-{number}"
        async with anyio.create_task_group() as group:
            group.start_soon(subscriptions.listen, ctx, asked, {TASKS: Address("tasks")}, caller)
            await listening.wait()
            await subscriptions.changed(Task(task_id="1", status="RUNNING"), intent(caller=caller))
            group.cancel_scope.cancel()
        await anyio.sleep(1)
        sizes.append(sum(map(len, vars(subscriptions).values())))

    assert set(sizes) == {2}
