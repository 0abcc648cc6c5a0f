"""The store in PostgreSQL while its server is restarted, away, or waits for a standby."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Timer
from typing import Literal

import anyio
import psycopg
import pytest
from anyio.lowlevel import checkpoint

from runway_mcp.runway.models import Extension
from runway_mcp.tasks.intents import Intent, State
from runway_mcp.tasks.store.postgres.database import Patience
from runway_mcp.tasks.store.postgres.store import PostgresStore
from runway_mcp.tasks.store.protocol import Availability, LedgerError
from tests.kit.clock import EPOCH
from tests.kit.postgres import PostgresServer, running_postgres
from tests.kit.samples import clip, extension
from tests.store.cut import open_way
from tests.store.databases import BOUND, HASTY, ask, opened, waiting_backend
from tests.store.steps import OTHER, claimed, standing_of, state_of
from tests.tasks.claims import claim

pytestmark = pytest.mark.slow


def wait_for_standby(server: PostgresServer, name: str) -> None:
    """Makes every COMMIT wait for the standby of that name; for none if it is empty."""
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'".encode())
        admin.execute("SELECT pg_reload_conf()")


def until_commits_wait(server: PostgresServer) -> None:
    """Commits until one has to wait: a reload is over for a commit only when the checkpointer has heard of it."""
    waited: list[str | None] = []
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: waited.append(notice.message_primary))
        while not waited:
            timer = Timer(0.1, connection.cancel)
            timer.start()
            with suppress(psycopg.errors.QueryCanceled):
                connection.execute(b"SELECT pg_logical_emit_message(true, 'test', '')")
            timer.cancel()
            timer.join()


@contextmanager
def standby_missing(server: PostgresServer) -> Generator[None]:
    """Makes every COMMIT wait for a standby that is not there; afterwards none is waited for."""
    wait_for_standby(server, "absent")
    until_commits_wait(server)
    try:
        yield
    finally:
        wait_for_standby(server, "")


async def until(url: str, query: str) -> None:
    """Waits until a query has the answer `true`."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as looking:
        while await (await looking.execute(query.encode())).fetchone() != (True,):
            continue


@pytest.mark.parametrize("how", ["fast", "immediate"])
async def test_a_ledger_outlives_its_servers_restart_and_is_reached_again(
    server: PostgresServer, how: Literal["fast", "immediate"]
) -> None:
    async with opened(server.url(), HASTY) as store:
        made = await claimed(store)
        server.stop(how)
        with pytest.raises(LedgerError, match="cannot be reached"):
            await claimed(store, OTHER)
        server.start()

        assert await standing_of(store, made) == made
        assert await store.begin_post(made.id, made.claim, upstream=EPOCH) is not None
        await claimed(store, OTHER)


async def test_that_a_database_that_was_away_is_back_is_logged_once(
    server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(server.url(), HASTY) as store:
        made = await claimed(store)
        server.stop()
        for _ in range(2):
            with pytest.raises(LedgerError):
                await claimed(store, OTHER)
        assert "can be used again" not in caplog.text
        server.start()
        for _ in range(2):
            assert await standing_of(store, made) == made

    assert caplog.text.count("The database of RUNWAY_MCP_DATABASE_URL can be used again.") == 1


async def test_a_server_that_is_restarted_between_two_verbs_fails_neither(server: PostgresServer) -> None:
    async with opened(server.url()) as store:
        made = await claimed(store)
        server.stop("immediate")
        server.start()

        assert await store.begin_post(made.id, made.claim, upstream=EPOCH) is not None


async def test_a_database_that_is_known_to_be_away_fails_each_verb_at_once(server: PostgresServer) -> None:
    async with opened(server.url()) as store:
        server.stop()
        with pytest.raises(LedgerError):
            await claimed(store)
        began = anyio.current_time()
        with pytest.raises(LedgerError):
            await claimed(store)
        assert anyio.current_time() - began < Patience().verb


async def test_a_database_that_was_away_at_the_start_is_used_as_soon_as_it_is_there(server: PostgresServer) -> None:
    server.stop()
    store = PostgresStore(server.url())
    assert not await store.open()
    with pytest.raises(LedgerError, match="cannot be reached"):
        await claimed(store)
    server.start()
    await claimed(store)
    await store.close()


async def test_a_post_that_was_not_sent_is_taken_back_once_the_server_is_there_again(server: PostgresServer) -> None:
    async with open_way(server.url()) as way, opened(way.conninfo, HASTY) as store:
        made = await claimed(store)
        way.cut_next("after", then=partial(server.stop, "immediate"))
        with pytest.raises(LedgerError):
            await store.begin_post(made.id, made.claim, upstream=EPOCH)
        with pytest.raises(LedgerError):
            await store.begin_post(made.id, made.claim, upstream=EPOCH)
        server.start()
        assert ask(server.url(), "SELECT state FROM intents") == [("posting",)]

        while await state_of(store, made) is State.POSTING:
            await store.offer("covers")
        assert await standing_of(store, made) == made


async def test_a_commit_that_waits_for_a_missing_standby_ends_in_a_sentence(server: PostgresServer) -> None:
    async with opened(server.url(), HASTY) as store:
        made = await claimed(store)
        with standby_missing(server):
            began = anyio.current_time()
            with pytest.raises(LedgerError, match="did not confirm"):
                await store.begin_post(made.id, made.claim, upstream=EPOCH)
            assert anyio.current_time() - began < 20

        while (standing := await standing_of(store, made)).state is State.POSTING:
            await store.offer("covers")
        assert standing == made


@pytest.mark.parametrize("verb", ["keep_waiting", "offer"])
async def test_a_ledger_whose_commits_wait_for_a_standby_is_unconfirmed_until_one_is_confirmed(
    server: PostgresServer, verb: str
) -> None:
    async with opened(server.url(), HASTY) as store:
        made = await claimed(store)
        verbs: dict[str, Callable[[], Awaitable[object]]] = {
            "keep_waiting": partial(store.keep_waiting, made.id, made.claim, seconds=1),
            "offer": partial(store.offer, "covers"),
        }
        with standby_missing(server):
            with pytest.raises(LedgerError):
                await verbs[verb]()
            assert store.reach() is Availability.UNCONFIRMED
            assert await store.spends(caller="ana") == []
            assert await store.orphans() == []
            assert store.reach() is Availability.UNCONFIRMED

        while store.reach() is not Availability.REACHED:
            await checkpoint()
            with suppress(LedgerError):
                await verbs[verb]()


async def test_a_commit_whose_wait_for_a_standby_was_cancelled_is_not_confirmed(server: PostgresServer) -> None:
    outcomes: list[Intent | LedgerError | None] = []

    async def begin(store: PostgresStore, made: Intent) -> None:
        try:
            outcomes.append(await store.begin_post(made.id, made.claim, upstream=EPOCH))
        except LedgerError as error:
            outcomes.append(error)

    async with opened(server.url()) as store, anyio.create_task_group() as verbs:
        made = await claimed(store)
        with standby_missing(server):
            verbs.start_soon(begin, store, made)
            pid = await waiting_backend(server.url(), "IPC")
            ask(server.url(), f"SELECT pg_cancel_backend({pid})")

    assert [type(outcome) for outcome in outcomes] == [LedgerError]
    assert "did not confirm" in str(outcomes[0])
    assert ask(server.url(), "SELECT state FROM intents") == [("waiting",)]


async def test_commits_that_were_given_up_keep_no_backend_of_the_server(server: PostgresServer) -> None:
    async with opened(server.url(), HASTY) as store:
        made = await claimed(store)
        with standby_missing(server):
            for _ in range(3):
                with pytest.raises(LedgerError):
                    await store.offer("covers")
            with pytest.raises(LedgerError):
                await store.keep_waiting(made.id, made.claim, seconds=1)

            assert ask(server.url(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == [(0,)]


async def test_a_claim_that_a_standby_did_not_confirm_is_answered_later_as_it_was_written(
    server: PostgresServer,
) -> None:
    async with opened(server.url(), HASTY) as store:
        with standby_missing(server), pytest.raises(LedgerError):
            await claimed(store)
        made, is_earlier = await claim(store)

    assert is_earlier
    assert ask(server.url(), "SELECT id FROM intents") == [(made.id,)]


def numbered(seed: int) -> Extension:
    """One of several different requests."""
    return extension(asset_id=clip().asset_id, seed=seed)


async def test_no_confirmed_claim_is_gone_after_a_fail_over_to_a_synchronous_standby(server: PostgresServer) -> None:
    with running_postgres(of=server, name="s1") as standby:
        wait_for_standby(server, "s1")
        await until(server.url(), "SELECT sync_state = 'sync' FROM pg_stat_replication")
        both = f"postgresql://postgres@/postgres?host={server.folder},{standby.folder}"
        async with opened(both, HASTY) as store:
            confirmed = [await claimed(store, numbered(seed)) for seed in range(1, 6)]
            standby.stop("immediate")
            for seed in range(6, 9):
                with pytest.raises(LedgerError):
                    await claimed(store, numbered(seed))
            server.stop("immediate")
            standby.start()
            standby.promote()

            assert [await standing_of(store, made) for made in confirmed] == confirmed
            assert [(await claim(store, numbered(seed)))[1] for seed in range(1, 9)] == [True] * 5 + [False] * 3


async def test_a_promoted_standby_is_used_although_the_primary_is_only_silent(server: PostgresServer) -> None:
    with running_postgres(of=server, name="s1") as standby:
        async with open_way(server.url()) as first, open_way(standby.url()) as second:
            both = f"postgresql://postgres@127.0.0.1:{first.port},127.0.0.1:{second.port}/postgres?sslmode=disable"
            async with opened(both, HASTY) as store:
                await claimed(store)
                first.hold()
                standby.promote()

                with anyio.fail_after(BOUND):
                    while await reached(store) is None:
                        continue
                assert len(ask(standby.url(), "SELECT id FROM intents")) == 2


async def reached(store: PostgresStore) -> Intent | None:
    """Another claim; None if the database could not be reached."""
    try:
        return await claimed(store, OTHER)
    except LedgerError:
        return None


async def test_a_start_warns_of_a_standby_that_is_not_waited_for(
    server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    with running_postgres(of=server, name="s1"):
        await until(server.url(), "SELECT state = 'streaming' FROM pg_stat_replication")
        async with opened(server.url()):
            pass

    assert "Its standbys are asynchronous" in caplog.text
