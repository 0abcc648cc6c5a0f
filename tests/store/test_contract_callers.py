"""The contract of every store: what one caller asked for does not exist for another."""

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast

import pytest

from runway_mcp.runway.models import Task
from runway_mcp.tasks.intents import Film, Intent, State, uuid_of
from runway_mcp.tasks.policy import FREE, PolicyRefused, Spend, SpendPolicy
from runway_mcp.tasks.spend.drafts import draft
from runway_mcp.tasks.spend.plan import key_of
from runway_mcp.tasks.spend.refusals import arguments_key
from runway_mcp.tasks.store.caller_view import CallerLedger
from runway_mcp.tasks.store.protocol import Key, Store
from runway_mcp.tasks.transitions import Selection
from tests.kit.clock import EPOCH
from tests.kit.samples import clip, long_id, plan

_T = TypeVar("_T")


async def claim(store: Store, caller: str, policy: SpendPolicy = FREE) -> tuple[Intent, bool]:
    """Claims the same plan for a caller, as a submit does."""
    asked = plan()
    wanted = draft(asked, caller=caller)
    return await store.claim(wanted, asked.key(caller), policy=policy, covers=arguments_key(asked, caller))


async def submitted(store: Store, caller: str, number: int) -> Intent:
    """A caller's intent with task `number`."""
    made, _ = await claim(store, caller)
    assert await store.begin_post(made.id, made.claim, upstream=EPOCH)
    accepted = await store.accept(made.id, long_id("task", number), "RUNNING")
    assert accepted is not None
    return accepted


async def test_the_same_request_of_two_callers_is_two_intents_each_of_which_answers_its_own(store: Store) -> None:
    (ana, of_ana), (ben, of_ben) = await claim(store, "ana"), await claim(store, "ben")
    again = [await claim(store, caller) for caller in ("ana", "ben")]

    assert (of_ana, of_ben) == (False, False)
    assert again == [(ana, True), (ben, True)]
    assert (ana.caller, ben.caller) == ("ana", "ben")


class _AnsweredBetween:
    """A store on which a POST is answered right after the first look at it."""

    def __init__(self, store: Store, made: Intent, task_id: str) -> None:
        self._store, self._made, self._task_id, self._is_answered = store, made, task_id, False

    async def select(self, selection: Selection, **given: Any) -> list[Intent]:
        return await self._then_answered(await self._store.select(selection, **given))

    async def of_others(self, task_ids: Collection[str], *, caller: str) -> frozenset[str]:
        return await self._then_answered(await self._store.of_others(task_ids, caller=caller))

    async def find(self, by: Key, value: str) -> Intent | None:
        return await self._store.find(by, value)

    async def _then_answered(self, told: _T) -> _T:
        if not self._is_answered:
            self._is_answered = True
            await self._store.accept(self._made.id, self._task_id, "RUNNING")
        return told


async def test_a_task_stays_hidden_while_the_post_that_made_it_is_answered(store: Store) -> None:
    made, _ = await claim(store, "ana")
    assert await store.begin_post(made.id, made.claim, upstream=EPOCH)
    task = Task(task_id=long_id("task", 7), reply_ref=made.reply_ref)
    answered = cast("Store", _AnsweredBetween(store, made, task.task_id))

    assert await CallerLedger(answered, "ben").of_others([task]) == {task.task_id}


async def test_a_duplicate_is_looked_for_among_the_requests_of_its_caller(store: Store) -> None:
    made, _ = await claim(store, "ana")
    asked = plan().asked

    found = {
        caller: await store.earlier(asked.asset_id, partial(key_of, asked, caller=caller))
        for caller in ("ana", "ben", "")
    }

    assert found == {"ana": made, "ben": None, "": None}


async def test_a_day_s_cap_counts_what_its_caller_spent(store: Store) -> None:
    cap = SpendPolicy(per_day=60)
    await submitted(store, "ana", 1)

    await claim(store, "ben", cap)
    with pytest.raises(PolicyRefused) as refused:
        await store.claim(replace(draft(plan(), caller="ana"), id="another"), plan().key("ana of another"), policy=cap)

    assert refused.value.spent == 50
    assert await store.spends(caller="ana") == await store.spends(caller="ben") == [Spend(EPOCH, 50)]
    assert await store.spends(caller="") == []


async def test_a_quote_confirms_nothing_for_another_caller(store: Store) -> None:
    quote = await CallerLedger(store, "ana").offer(arguments_key(plan(), "ana"))

    with pytest.raises(PolicyRefused) as refused:
        await claim(store, "ben", SpendPolicy(confirm_above=0, quote=quote.id))
    made, _ = await claim(store, "ana", SpendPolicy(confirm_above=0, quote=quote.id))

    assert refused.value.reason == "quote"
    assert made.caller == "ana"


async def test_a_caller_s_ledger_holds_its_own_intents_alone(store: Store) -> None:
    own, other = await submitted(store, "ana", 1), await submitted(store, "ben", 2)
    ledger = CallerLedger(store, "ana")

    assert await ledger.select(Selection.SUBMITTED) == await ledger.select(Selection.UNFINISHED, limit=5) == [own]
    assert await ledger.find("id", own.id) == await ledger.find("task_id", long_id("task", 1)) == own
    assert await ledger.find("id", other.id) is await ledger.find("task_id", long_id("task", 2)) is None
    assert len(await store.select(Selection.SUBMITTED)) == 2


async def test_tasks_are_named_for_their_caller_and_assets_for_all(store: Store) -> None:
    task_id, film = long_id("task", 5), long_id("asset", 70)
    await submitted(store, "ana", 5)
    await store.observe(task_id, "SUCCEEDED", ended=True, film=Film(film), failure=None)

    for caller, task in (("ana", task_id), ("ben", None)):
        assert await CallerLedger(store, caller).named(uuid_of(task_id)) == task
        assert await CallerLedger(store, caller).named(uuid_of(film), tasks_only=True) == task
        assert await CallerLedger(store, caller).named(uuid_of(film)) == film
        assert await CallerLedger(store, caller).named(uuid_of(clip().asset_id)) == clip().asset_id


async def test_tasks_of_other_callers_are_told_apart_from_those_of_nobody(store: Store) -> None:
    await submitted(store, "ana", 1)
    await submitted(store, "ben", 2)
    tasks = [Task(task_id=long_id("task", number)) for number in (1, 2, 3)]

    assert await CallerLedger(store, "ana").of_others(tasks) == {long_id("task", 2)}
    assert await CallerLedger(store, "").of_others(tasks) == {long_id("task", 1), long_id("task", 2)}
    assert await CallerLedger(store, "ana").of_others([]) == frozenset()


async def test_a_task_is_observed_for_whoever_owns_it(store: Store) -> None:
    await submitted(store, "ana", 1)

    owner = await store.observe(long_id("task", 1), "RUNNING", ended=False, film=None, failure=None)

    assert owner is not None
    assert owner.caller == "ana"
    assert await store.observe(long_id("task", 9), "RUNNING", ended=False, film=None, failure=None) is None


async def test_a_task_of_one_caller_is_never_another_one_s(store: Store) -> None:
    await submitted(store, "ana", 1)
    made, _ = await claim(store, "ben")

    assert await store.accept(made.id, long_id("task", 1), "RUNNING") is None


async def test_a_lost_submit_is_taken_up_whoever_asked_for_it(store: Store) -> None:
    made, _ = await claim(store, "ana")
    posting = await store.begin_post(made.id, made.claim, upstream=None)
    assert posting is not None
    await store.answered(made.id, made.claim, State.UNCLEAR, posts=1, looked=False)

    assert [each.caller for each in await store.orphans()] == ["ana"]
