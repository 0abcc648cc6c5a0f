"""The store in PostgreSQL where a server, or the way to it, fails: what is not confirmed is never posted."""

import logging
import socket
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import psycopg
import pytest

from runway_mcp.tasks.intents import WAITING_LEASE, Intent, State
from runway_mcp.tasks.policy import PolicyRefused, SpendPolicy
from runway_mcp.tasks.store.opening import opened_store
from runway_mcp.tasks.store.postgres.database import Database, Statements
from runway_mcp.tasks.store.postgres.durability import Durability
from runway_mcp.tasks.store.postgres.schema import MIGRATIONS
from runway_mcp.tasks.store.postgres.store import PostgresStore
from runway_mcp.tasks.store.postgres.unposted import Unposted
from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.kit.clock import EPOCH, SetClock
from tests.kit.postgres import new_schema
from tests.kit.samples import clip, extension
from tests.store.cut import Cut, open_way
from tests.store.databases import BOUND, HASTY, PATIENT, ask, ask_nothing, caller_held, opened, waiting_backend
from tests.store.steps import claimed, posted, standing_of, state_of
from tests.tasks.claims import claim


@pytest.fixture
def url(database_url: str) -> Generator[str]:
    """The URL of an empty ledger."""
    with new_schema(database_url) as url:
        yield url


async def test_a_session_that_is_ended_in_the_middle_of_a_claim_leaves_one_intent(url: str) -> None:
    made: list[tuple[Intent, bool]] = []

    async def make(store: PostgresStore) -> None:
        made.append(await claim(store))

    async with opened(url) as store, anyio.create_task_group() as verbs:
        with caller_held(url):
            verbs.start_soon(make, store)
            pid = await waiting_backend(url, "Lock")
            ask(url, f"SELECT pg_terminate_backend({pid}, 5000)")

    assert [is_earlier for _, is_earlier in made] == [False]
    assert ask(url, "SELECT id FROM intents") == [(made[0][0].id,)]


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_claim_whose_commit_was_cut_off_is_one_intent_and_its_makers(url: str, cut: Cut) -> None:
    async with open_way(url) as way, opened(way.conninfo) as store:
        way.cut_next(cut)
        made, is_earlier = await claim(store)
        again, is_twin = await claim(store)

        assert way.done.is_set()
        assert (is_earlier, is_twin, again) == (False, True, made)
        assert await store.begin_post(made.id, made.claim, upstream=EPOCH)
    assert ask(url, "SELECT count(*) FROM intents") == [(1,)]


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_post_whose_commit_was_cut_off_is_not_sent_and_stands_as_if_never_begun(url: str, cut: Cut) -> None:
    async with open_way(url) as way, opened(way.conninfo) as store:
        made = await claimed(store)
        way.cut_next(cut)
        with pytest.raises(LedgerError, match="did not confirm"):
            await store.begin_post(made.id, made.claim, upstream=EPOCH)

        assert way.done.is_set()
        assert await standing_of(store, made) == made
        begun = await store.begin_post(made.id, made.claim, upstream=EPOCH)
        assert begun is not None
        assert (begun.state, begun.posts) == (State.POSTING, 1)
        await store.offer("covers")
        assert await standing_of(store, made) == begun


async def test_a_post_that_has_gone_on_since_is_not_taken_back(url: str) -> None:
    async with opened(url) as store:
        made = await claimed(store)
        begun = await store.begin_post(made.id, made.claim, upstream=EPOCH)
        assert begun is not None
        await store.accept(made.id, "user:1-task:x", "RUNNING")
        database = Database(url)
        unposted = Unposted(database)
        unposted.add(made, begun)
        await unposted.take_back()
        await database.close()

        assert not unposted.holds(made.claim)
        assert await state_of(store, made) is State.ACCEPTED


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("verb", ["accept", "answered", "withdraw", "offer"])
async def test_what_is_written_down_is_written_once_though_its_commit_was_cut_off(
    url: str, cut: Cut, verb: str
) -> None:
    async with open_way(url) as way, opened(way.conninfo) as store:
        made = await (claimed if verb == "withdraw" else posted)(store)
        verbs = {
            "accept": partial(store.accept, made.id, "user:1-task:x", "RUNNING"),
            "answered": partial(store.answered, made.id, made.claim, State.REFUSED, posts=made.posts, looked=True),
            "withdraw": partial(store.withdraw, made.id, made.claim),
            "offer": partial(store.offer, "covers"),
        }
        way.cut_next(cut)
        told = await verbs[verb]()

        state = {"accept": State.ACCEPTED, "answered": State.REFUSED, "withdraw": State.REFUSED}
        assert way.done.is_set()
        assert await state_of(store, made) is state.get(verb, State.POSTING)
        if isinstance(told, Intent):
            assert told == await standing_of(store, made)


async def test_a_caller_that_is_held_for_long_ends_in_a_sentence_and_comes_back(url: str) -> None:
    async with opened(url, HASTY) as store:
        with caller_held(url), pytest.raises(LedgerError, match="held by another program"):
            await claimed(store)

        assert ask(url, "SELECT count(*) FROM intents") == [(0,)]
        await claimed(store)


async def test_a_program_that_is_frozen_inside_a_transaction_stops_its_caller_for_no_longer_than_an_attempt(
    url: str,
) -> None:
    told: list[tuple[Intent, bool]] = []

    async def make(store: PostgresStore) -> None:
        told.append(await claim(store))

    async with (
        open_way(url) as way,
        opened(way.conninfo, replace(PATIENT, attempt=0.5)) as frozen,
        opened(url, PATIENT) as other,
        anyio.create_task_group() as programs,
    ):
        way.cut_next("frozen")
        programs.start_soon(make, frozen)
        await way.done.wait()
        told.append(await claim(other))
        way.thawed.set()

    assert sorted(is_earlier for _, is_earlier in told) == [False, True]
    assert len({made.claim for made, _ in told}) == 1


async def test_a_call_that_is_cut_off_ends_its_verb_no_earlier(url: str) -> None:
    async with opened(url) as store, anyio.create_task_group() as calls:
        with caller_held(url):
            calls.start_soon(claimed, store)
            await waiting_backend(url, "Lock")
            calls.cancel_scope.cancel()

    async with opened(url) as store:
        assert (await claim(store))[1]


async def test_a_commit_that_the_server_answers_with_a_rollback_is_none(url: str) -> None:
    async def work(ledger: Statements) -> None:
        await ledger.execute("INSERT INTO callers VALUES ('someone')")
        with suppress(psycopg.Error):
            await ledger.execute("SELECT 1/0")

    async with opened(url, HASTY):
        database = Database(url, patience=HASTY)
        with pytest.raises(LedgerError, match="held by another program"):
            await database.transaction(work)
        await database.close()

    assert ask(url, "SELECT count(*) FROM callers") == [(0,)]


async def test_tables_that_somebody_broke_end_in_a_sentence_and_take_no_intent(url: str) -> None:
    async with opened(url) as store:
        ask_nothing(url, "DROP TABLE spellings")
        with pytest.raises(LedgerError, match=r"cannot be used \(relation \"spellings\" does not exist\)"):
            await claimed(store)

    assert ask(url, "SELECT count(*) FROM intents") == [(0,)]


async def test_a_way_that_swallows_what_is_sent_is_waited_for_once_by_several_verbs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        store = PostgresStore(f"postgresql://someone@127.0.0.1:{port}/ledger?connect_timeout=5")
        with anyio.fail_after(BOUND):
            assert not await store.open()
        began = anyio.current_time()
        for _ in range(5):
            with pytest.raises(LedgerError, match="cannot be reached"):
                await store.find("id", "any")
        took = anyio.current_time() - began
        await store.close()

    assert took < 4.9


async def test_programs_that_make_the_tables_at_once_share_them(url: str) -> None:
    stores = [PostgresStore(url) for _ in range(4)]
    reached: list[bool] = []

    async def reach(store: PostgresStore) -> None:
        reached.append(await store.open())

    async with anyio.create_task_group() as group:
        for store in stores:
            group.start_soon(reach, store)
    for store in stores:
        await store.close()

    assert reached == [True] * 4
    assert ask(url, "SELECT version FROM ledger_format") == [(len(MIGRATIONS),)]


async def test_tables_of_a_later_version_are_left_alone(url: str) -> None:
    async with opened(url) as store:
        await claimed(store)
    with psycopg.connect(url) as later:
        later.execute("UPDATE ledger_format SET version = version + 1")

    store = PostgresStore(url)
    assert not await store.open()
    with pytest.raises(LedgerError, match="later version"):
        await claimed(store)
    await store.close()


async def test_of_claims_at_once_by_several_programs_one_is_made(url: str) -> None:
    made: list[tuple[Intent, bool]] = []

    async def make(store: PostgresStore) -> None:
        made.append(await claim(store))

    async with opened(url) as one, opened(url) as other, anyio.create_task_group() as programs:
        for store in (one, other) * 4:
            programs.start_soon(make, store)

    assert sorted(is_earlier for _, is_earlier in made) == [False] + [True] * 7
    assert len({intent.claim for intent, _ in made}) == 1


async def test_of_requests_at_once_by_several_programs_the_cap_of_a_day_lets_pass_what_it_allows(url: str) -> None:
    passed: list[int] = []

    async def make(store: PostgresStore, seed: int) -> None:
        with suppress(PolicyRefused):
            await claim(store, extension(asset_id=clip().asset_id, seed=seed), policy=SpendPolicy(per_day=100))
            passed.append(seed)

    async with opened(url) as one, opened(url) as other, anyio.create_task_group() as programs:
        for seed in range(1, 9):
            programs.start_soon(make, (one, other)[seed % 2], seed)

    assert len(passed) == 2
    assert ask(url, "SELECT sum(cost) FROM intents") == [(100,)]


async def test_a_holder_that_was_away_for_longer_than_its_lease_can_not_post_beside_the_next_one(url: str) -> None:
    clock = SetClock()
    late, next_one = PostgresStore(url, clock=clock), PostgresStore(url, clock=clock)
    first = await claimed(late)
    clock.now += WAITING_LEASE + 1
    second = await claimed(next_one)
    clock.now -= WAITING_LEASE

    assert await late.begin_post(first.id, first.claim, upstream=None) is None
    assert await next_one.begin_post(second.id, second.claim, upstream=None) is not None
    await late.close()
    await next_one.close()


async def test_times_are_the_databases(url: str) -> None:
    store = PostgresStore(url)
    before, clock = ask(url, "SELECT extract(epoch FROM clock_timestamp())::float8")[0][0], store.now
    made = await claimed(store)
    after = ask(url, "SELECT extract(epoch FROM clock_timestamp())::float8")[0][0]
    await store.close()

    assert isinstance(before, float)
    assert isinstance(after, float)
    assert before <= made.created <= after
    assert abs(clock() - after) < 30


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
async def test_nothing_is_known_by_a_name_that_a_database_cannot_hold(url: str, name: str) -> None:
    async with opened(url) as store:
        made = await claimed(store)

        assert await store.find("task_id", name) is None
        assert await store.named(name, caller="") is None
        assert await store.of_others([name], caller="other") == frozenset()
        assert await store.end_step(made.id, made.claim, "frame", {"name": name}) is not None
        assert (await standing_of(store, made)).steps[0].made == {"name": name}


@pytest.mark.parametrize(("setting", "asked"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
async def test_a_commit_waits_for_the_disk_whatever_the_database_is_set_to(
    database_url: str, setting: str, asked: str
) -> None:
    with new_schema(database_url, synchronous_commit=setting) as url:
        assert ask(url, "SHOW synchronous_commit") == [(setting,)]
        database = Database(url)
        told = await database.transaction(lambda ledger: ledger.rows("SHOW synchronous_commit"))
        await database.close()

    assert told == [(asked,)]


@pytest.mark.parametrize(
    ("told", "risk"),
    [
        (Durability("on", "on", "s1", 1), None),
        (Durability("on", "remote_apply", "ANY 1 (*)", 2), None),
        (Durability("on", "on", "", 0), "no synchronous standby"),
        (Durability("on", "on", "", 1), "standbys are asynchronous"),
        (Durability("on", "off", "s1", 1), "synchronous_commit is off"),
        (Durability("on", "local", "s1", 1), "synchronous_commit is local"),
        (Durability("off", "on", "s1", 1), "fsync off"),
    ],
)
def test_a_start_warns_exactly_where_what_was_confirmed_could_be_forgotten(told: Durability, risk: str | None) -> None:
    assert len(told.risks) == (0 if risk is None else 1)
    assert risk is None or risk in told.risks[0]


async def test_a_start_tells_what_the_server_promises(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "runway_mcp"):
        async with opened(url):
            pass

    promised = [record.getMessage() for record in caplog.records if "synchronous_commit is" in record.getMessage()]
    assert len(promised) == 1
    assert "the synchronous standbys are none" in promised[0]


async def test_a_database_that_cannot_be_reached_is_told_without_its_address_or_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = PostgresStore("postgresql://someone:hunter2@127.0.0.1:1/ledger")
    with anyio.fail_after(BOUND):
        assert not await store.open()
        with pytest.raises(LedgerError, match="cannot be reached") as caught:
            await claimed(store)
    await store.close()

    assert "127.0.0.1" not in str(caught.value)
    assert "hunter2" not in caplog.text + str(caught.value)
    assert "refused" in caplog.text


async def test_a_file_beside_a_database_is_not_read_and_a_start_says_so(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ledger.sqlite3"
    with SqliteStore(path) as file:
        made = await claimed(file)

    async with opened_store(path, SetClock(), database_url=url) as store:
        assert await store.find("id", made.id) is None
    assert f"The ledger {path} is not read" in caplog.text
