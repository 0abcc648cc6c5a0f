"""The ledger where a server has several useapi.net tokens: what goes through another token is nothing to this one."""

import pytest

from runway_mcp.tasks.intents import Intent, State, uuid_of
from runway_mcp.tasks.spend.drafts import draft
from runway_mcp.tasks.spend.refusals import arguments_key
from runway_mcp.tasks.store.caller_view import CallerLedger
from runway_mcp.tasks.store.protocol import Store
from runway_mcp.tasks.store.token_view import store_of_token
from runway_mcp.tasks.transitions import Selection
from tests.kit.clock import EPOCH
from tests.kit.samples import long_id, plan


async def unclear(store: Store, caller: str) -> Intent:
    """A caller's intent whose POST has no known outcome."""
    asked = plan()
    wanted = draft(asked, caller=caller, calls_back=True)
    made, _ = await store.claim(wanted, asked.key(caller), covers=arguments_key(asked, caller))
    assert await store.begin_post(made.id, made.claim, upstream=EPOCH)
    answered = await store.answered(made.id, made.claim, State.UNCLEAR, looked=False)
    assert answered is not None
    return answered


def of(store: Store, caller: str, *, token: str | None = None) -> Store:
    """The store of the token that one caller alone goes through."""
    return store_of_token(store, lambda each: each == caller, token=token or "user:1-a")


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
    await unclear(store, "ana")
    ledger = CallerLedger(of(store, "ben"), "ben")

    assert await ledger.of_others([]) == frozenset()
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
