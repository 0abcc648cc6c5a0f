"""The ledger where a server has several useapi.net tokens: what goes through another token is nothing to this one."""

from typing import cast

import pytest

from runway_mcp.runway.models import Task
from runway_mcp.tasks.intents import Intent, State, uuid_of
from runway_mcp.tasks.spend.drafts import draft
from runway_mcp.tasks.spend.refusals import arguments_key
from runway_mcp.tasks.store.caller_view import CallerLedger
from runway_mcp.tasks.store.protocol import Store
from runway_mcp.tasks.store.token_view import everyone, store_of_token
from runway_mcp.tasks.transitions import Selection
from tests.kit.clock import EPOCH
from tests.kit.samples import extension, long_id, plan


async def unclear(store: Store, caller: str, number: int = 1) -> Intent:
    """A caller's intent whose POST has no known outcome."""
    asked = plan(extension(text_prompt=f"the camera rises {number} times"))
    wanted = draft(asked, caller=caller, calls_back=True)
    made, _ = await store.claim(wanted, asked.key(caller), covers=arguments_key(asked, caller))
    assert await store.begin_post(made.id, made.claim, upstream=EPOCH)
    answered = await store.answered(made.id, made.claim, State.UNCLEAR, posts=1, looked=False)
    assert answered is not None
    return answered


def of(store: Store, caller: str, *, token: str | None = None) -> Store:
    """The store of the token that one caller alone goes through."""

    def owns(each: str, _user: str | None = None) -> bool:
        return each == caller

    return store_of_token(store, owns, token=token or "user:1234-a")


async def test_a_token_settles_what_its_own_callers_have_submitted_and_nothing_else(store: Store) -> None:
    ana, ben = await unclear(store, "ana"), await unclear(store, "ben")

    for own, each in (("ana", ana), ("ben", ben)):
        seen = of(store, own)
        assert [intent.id for intent in await seen.orphans()] == [each.id]
        assert [intent.id for intent in await seen.select(Selection.UNFINISHED)] == [each.id]
        assert [intent.id for intent in await seen.select(Selection.UNFINISHED, caller=own)] == [each.id]
    assert await of(store, "ana").select(Selection.UNFINISHED, caller="ben") == []
    assert len(await store.orphans()) == 2


async def test_a_limit_counts_what_is_seen(store: Store) -> None:
    ana, _ = await unclear(store, "ana"), await unclear(store, "ben")

    assert [each.id for each in await of(store, "ana").select(Selection.UNFINISHED, limit=1)] == [ana.id]


async def test_a_callback_belongs_to_the_token_of_its_submit(store: Store) -> None:
    ana = await unclear(store, "ana")
    assert ana.callback_token is not None

    found = [await of(store, each).find("callback_token", ana.callback_token) for each in ("ana", "ben")]
    assert [None if each is None else each.id for each in found] == [ana.id, None]


async def test_an_unclear_submit_through_another_token_hides_no_task_here(store: Store) -> None:
    made = await unclear(store, "ana")
    ledger = CallerLedger(of(store, "ben"), "ben")
    alike = Task(task_id=long_id("task", 1), status="RUNNING", reply_ref=made.reply_ref)

    assert await CallerLedger(store, "ben").of_others([alike]) == {alike.task_id}
    assert await ledger.of_others([alike]) == frozenset()
    assert await of(store, "ben").select(Selection.UNFINISHED) == []


async def test_what_is_claimed_through_any_token_is_in_the_one_ledger(store: Store) -> None:
    ana = await unclear(of(store, "ana"), "ana")

    found = await store.find("id", ana.id)
    assert found is not None
    assert found.caller == "ana"
    assert of(store, "ana").now() == store.now()


@pytest.mark.parametrize(
    ("token", "is_named"),
    [("user:1234-a", True), ("user:5678-a", False), ("user:12345-a", False), ("unlike-others", True)],
)
async def test_a_clip_of_another_user_of_useapi_net_has_no_name_here(
    store: Store, token: str, *, is_named: bool
) -> None:
    ana = await unclear(store, "ana")
    accepted = await store.accept(ana.id, long_id("task", 1), "RUNNING")
    assert accepted is not None
    assert accepted.source_asset_id.startswith("user:1234-")

    found = await of(store, "ben", token=token).named(uuid_of(accepted.source_asset_id), caller="ben")
    assert found == (accepted.source_asset_id if is_named else None)


# --- a token of another user, whoever the callers are


async def accepted(store: Store, caller: str, number: int = 1) -> Intent:
    """A caller's intent whose task, of the user 1234, runs."""
    waiting = await unclear(store, caller, number)
    made = await store.accept(waiting.id, long_id("task", number), "RUNNING")
    assert made is not None
    return made


def plain(store: Store, token: str) -> Store:
    """The store of the only token of a server, as one without a file of callers has it."""
    return store_of_token(store, everyone, token=token)


TOKENS = pytest.mark.parametrize(
    ("token", "is_seen"),
    [("user:1234-a", True), ("user:5678-a", False), ("user:12345-a", False), ("unlike-others", True)],
)


@TOKENS
async def test_a_token_neither_follows_nor_looks_for_what_another_user_has_made(
    store: Store, token: str, *, is_seen: bool
) -> None:
    ana, ben = await accepted(store, "ana"), await unclear(store, "ben")
    here = plain(store, token)

    assert {each.id for each in await here.select(Selection.UNFINISHED)} == ({ana.id, ben.id} if is_seen else set())
    own = await here.select(Selection.UNFINISHED, caller="ana", limit=1)
    assert [each.id for each in own] == ([ana.id] if is_seen else [])
    assert [each.id for each in await here.orphans()] == ([ben.id] if is_seen else [])
    assert ben.callback_token is not None
    assert (await here.find("callback_token", ben.callback_token) is not None) is is_seen


@TOKENS
async def test_a_look_in_the_account_of_another_user_settles_nothing(
    store: Store, token: str, *, is_seen: bool
) -> None:
    ana = await unclear(store, "ana")
    refused = await store.answered(ana.id, ana.claim, State.UNCLEAR, posts=1, looked=False, failure=("busy", "Busy."))
    assert refused is not None
    assert refused.is_unconfirmed

    looked = await plain(store, token).looked(refused, complete=True)
    standing = await store.find("id", ana.id)
    assert looked == standing
    assert standing is not None
    assert standing.state is (State.REFUSED if is_seen else State.UNCLEAR)


@TOKENS
async def test_a_read_with_the_token_of_another_user_ends_no_task(store: Store, token: str, *, is_seen: bool) -> None:
    ana = await accepted(store, "ana")
    assert ana.task_id is not None

    observed = await plain(store, token).observe(
        ana.task_id, "FAILED", ended=True, film=None, failure=("not_found", "It is gone.")
    )
    standing = await store.find("id", ana.id)
    assert observed == standing, "whose the task is is told all the same"
    assert standing is not None
    assert (standing.ended is not None) is is_seen


async def test_an_intent_is_found_by_its_own_id_and_its_tasks_by_whoever_holds_it(store: Store) -> None:
    ana = await accepted(store, "ana")
    assert ana.task_id is not None

    for here in (of(store, "ben"), plain(store, "user:5678-a")):
        found = [await here.find("id", ana.id), await here.find("task_id", ana.task_id)]
        assert [each and each.id for each in found] == [ana.id, ana.id]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_a_limit_asks_the_ledger_for_little_more_than_what_is_seen(store: Store, limit: int) -> None:
    made = [await accepted(store, caller, number) for number, caller in enumerate(["ana", "ben", "ana", "ben", "ben"])]
    asked: list[int | None] = []

    class Witness:
        """Notes how many intents were asked for."""

        async def select(self, selection: Selection, *, caller: str | None, limit: int | None) -> list[Intent]:
            asked.append(limit)
            return await store.select(selection, caller=caller, limit=limit)

    seen = await of(cast("Store", Witness()), "ana").select(Selection.UNFINISHED, limit=limit)

    own = {each.id for each in made if each.caller == "ana"}
    assert len(seen) == min(limit, 2)
    assert {each.id for each in seen} <= own
    assert None not in asked
    assert asked[0] == limit
