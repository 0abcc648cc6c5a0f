"""What servers on one PostgreSQL agree on beside the contract: who has a lease of many, hints, what is removed."""

from collections.abc import Generator

import anyio
import psycopg
import pytest

from runway_mcp.tasks.store.postgres.replicas import KEPT_SECONDS, PostgresReplicas
from runway_mcp.tasks.store.postgres.store import PostgresStore
from runway_mcp.tasks.store.protocol import Hint
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.kit.clock import SetClock
from tests.kit.postgres import new_schema
from tests.store.databases import BOUND, ask, two_servers
from tests.store.steps import claimed

ACCOUNT, TASK = "digest", "user:1-task:0"


@pytest.fixture
def url(database_url: str) -> Generator[str]:
    """The URL of an empty ledger."""
    with new_schema(database_url) as url:
        yield url


async def test_a_ledger_in_a_file_has_no_other_servers(url: str) -> None:
    assert SqliteStore.replicas.fget is not None
    assert SqliteStore.replicas.fget(object()) is None
    assert PostgresStore(url).replicas is not None


async def test_of_many_servers_that_take_a_lease_at_once_one_has_it(url: str, clock: SetClock) -> None:
    stores, left = [PostgresStore(url, clock=clock) for _ in range(8)], list[float]()

    async def take(store: PostgresStore) -> None:
        left.append(await store.replicas.take("read", seconds=10))

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            for store in stores:
                group.start_soon(take, store)
        for store in stores:
            await store.close()

    assert sorted(left) == [0.0, *[10.0] * 7]


async def test_what_was_told_and_leases_that_have_ended_are_removed_after_an_hour(url: str, clock: SetClock) -> None:
    async with two_servers(url, clock) as (one, _):
        await one.tell(ACCOUNT, {TASK: "{}"})
        await one.take("read", seconds=1)
        clock.now += KEPT_SECONDS + 2
        await one.tell(ACCOUNT, {"newer": "{}"})
        await one.give_back("another")

    assert ask(url, "SELECT task_id FROM seen") == [("newer",)]
    assert ask(url, "SELECT name FROM leases") == []


async def test_a_hint_reaches_the_other_servers_of_this_ledger_alone(
    url: str, database_url: str, clock: SetClock
) -> None:
    heard, own, strange = list[Hint](), list[Hint](), list[Hint]()
    listening, complete = [anyio.Event() for _ in range(3)], anyio.Event()

    async def listen(replicas: PostgresReplicas, to: list[Hint], ready: anyio.Event) -> None:
        async def hear(hint: Hint) -> None:
            to.append(hint)
            ready.set()
            if hint.kind == "called":
                complete.set()

        await replicas.listen(hear)

    with new_schema(database_url) as another:
        async with (
            two_servers(url, clock) as (one, other),
            two_servers(another, clock) as (stranger, _),
            anyio.create_task_group() as group,
        ):
            for replicas, to, ready in zip((other, one, stranger), (heard, own, strange), listening, strict=True):
                group.start_soon(listen, replicas, to, ready)
            for ready in listening:
                await ready.wait()
            await one.tell(ACCOUNT, {TASK: "{}"})
            await one.hint(Hint("called", "intent"))
            await complete.wait()
            group.cancel_scope.cancel()

    # Each begins with a look, since nobody knows what was told before it listened.
    assert heard == [Hint("look"), Hint("look", account=ACCOUNT), Hint("called", "intent")]
    assert own == strange == [Hint("look")]


async def test_an_accepted_task_is_hinted_at_and_one_that_changes_nothing_is_not(url: str, clock: SetClock) -> None:
    heard, listening, accepted = list[Hint](), anyio.Event(), anyio.Event()

    async def hear(hint: Hint) -> None:
        (accepted if listening.is_set() else listening).set()
        heard.append(hint)

    one, other = PostgresStore(url, clock=clock), PostgresStore(url, clock=clock)
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            group.start_soon(other.replicas.listen, hear)
            await listening.wait()
            made = await claimed(one)
            await one.begin_post(made.id, made.claim, upstream=clock())
            await one.accept(made.id, TASK, "PENDING")
            await accepted.wait()
            await one.accept(made.id, TASK, "PENDING")
            await one.replicas.hint(Hint("joined", made.id))
            while heard[-1].kind != "joined":
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
    await one.close()
    await other.close()

    assert [hint.kind for hint in heard] == ["look", "look", "joined"]


async def test_a_listener_whose_connection_is_ended_listens_again_and_looks(url: str, clock: SetClock) -> None:
    looks = [anyio.Event(), anyio.Event()]

    async def hear(_: Hint) -> None:
        next(each for each in looks if not each.is_set()).set()

    async with two_servers(url, clock) as (one, _), anyio.create_task_group() as group:
        group.start_soon(one.listen, hear)
        await looks[0].wait()
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
            )
        await looks[1].wait()
        group.cancel_scope.cancel()


def listening(url: str) -> object:
    """How many connections to the database listen, on whatever ledger."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
    return ask(url, query)[0][0]


async def test_all_who_listen_at_one_server_share_a_connection_and_go_on_when_the_first_has_left(
    url: str, clock: SetClock
) -> None:
    heard: dict[str, list[Hint]] = {"first": [], "second": []}
    began = {name: anyio.Event() for name in heard}
    told = {name: anyio.Event() for name in heard}

    while listening(url):
        await anyio.lowlevel.checkpoint()  # those of other tests, which have closed their connections, are leaving
    async with two_servers(url, clock) as (one, other), anyio.create_task_group() as group:

        async def listen(name: str, scope: anyio.CancelScope) -> None:
            async def hear(hint: Hint) -> None:
                heard[name].append(hint)
                began[name].set()
                if hint.kind == "called":
                    told[name].set()

            with scope:
                await one.listen(hear)

        scopes = {name: anyio.CancelScope() for name in heard}
        for name, scope in scopes.items():
            group.start_soon(listen, name, scope)
            await began[name].wait()
        assert listening(url) == 1
        await other.hint(Hint("called", "1"))
        for event in told.values():
            await event.wait()

        scopes["first"].cancel()
        told["second"] = anyio.Event()
        began["second"] = anyio.Event()
        await began["second"].wait()
        await other.hint(Hint("called", "2"))
        await told["second"].wait()
        assert Hint("called", "2") not in heard["first"]
        group.cancel_scope.cancel()
