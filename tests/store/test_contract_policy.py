import pytest

from runway_mcp.tasks.intents import WAITING_LEASE, Intent, State
from runway_mcp.tasks.policy import DAY_SECONDS, QUOTE_SECONDS, PolicyRefused, Quote, SpendPolicy
from runway_mcp.tasks.spend.refusals import arguments_key
from runway_mcp.tasks.store.protocol import Store
from tests.kit.clock import EPOCH, SetClock
from tests.kit.samples import clip, extension, long_id, plan
from tests.tasks.claims import claim

ASSET = clip().asset_id


async def spend(store: Store, policy: SpendPolicy, *, seed: int = 1, explore: bool = False, seconds: int = 5) -> Intent:
    wish = extension(asset_id=ASSET, seed=seed, explore_mode=explore, seconds=seconds)
    claimed, _ = await claim(store, wish, policy=policy)
    return claimed


async def refused(store: Store, policy: SpendPolicy, *, seed: int = 1, seconds: int = 5) -> PolicyRefused:
    with pytest.raises(PolicyRefused) as caught:
        await spend(store, policy, seed=seed, seconds=seconds)
    return caught.value


async def come_to(store: Store, made: Intent, state: State) -> None:
    """Lets the intent's POST leave and come to this."""
    assert await store.begin_post(made.id, made.claim, upstream=None)
    if state is State.ACCEPTED:
        await store.accept(made.id, long_id("task", made.seed), "RUNNING")
    elif state is not State.POSTING:
        await store.answered(made.id, made.claim, state, posts=1, looked=True, failure=("busy", "why"))


async def test_one_call_may_cost_as_much_as_its_cap_and_no_more(store: Store) -> None:
    await spend(store, SpendPolicy(per_call=50))

    assert (await refused(store, SpendPolicy(per_call=49), seed=2)).reason == "per_call"


@pytest.mark.parametrize("state", [State.POSTING, State.UNCLEAR, State.UNKNOWN, State.ACCEPTED])
async def test_what_was_or_may_have_been_spent_counts_for_a_day(store: Store, clock: SetClock, state: State) -> None:
    policy = SpendPolicy(per_day=120)
    await come_to(store, await spend(store, policy), state)
    clock.now += 10
    await come_to(store, await spend(store, policy, seed=2), state)
    clock.now += 1

    refusal = await refused(store, policy, seed=3)
    assert (refusal.reason, refusal.spent, refusal.frees_at) == ("per_day", 100, EPOCH + DAY_SECONDS)
    clock.now = EPOCH + DAY_SECONDS + 1
    await spend(store, policy, seed=3)


async def test_what_was_refused_or_given_up_is_not_spent(store: Store, clock: SetClock) -> None:
    policy = SpendPolicy(per_day=50)
    await come_to(store, await spend(store, policy), State.REFUSED)
    await spend(store, policy, seed=2)
    clock.now += WAITING_LEASE + 1

    await spend(store, policy, seed=3)


async def test_what_may_have_been_accepted_counts_although_it_was_left_waiting(store: Store, clock: SetClock) -> None:
    policy = SpendPolicy(per_day=50)
    made = await spend(store, policy)
    await store.begin_post(made.id, made.claim, upstream=None)
    await store.answered(made.id, made.claim, State.WAITING, posts=1, looked=False)
    clock.now += WAITING_LEASE + 1

    assert (await refused(store, policy, seed=2)).reason == "per_day"
    assert (await spend(store, policy)).id == made.id


async def test_what_costs_more_than_a_day_allows_never_frees(store: Store) -> None:
    assert (await refused(store, SpendPolicy(per_day=40))).frees_at is None


async def test_explore_mode_passes_every_cap_and_needs_no_confirmation(store: Store) -> None:
    await spend(store, SpendPolicy(per_call=1, per_day=1, confirm_above=0), explore=True)


async def test_an_earlier_submit_answers_whatever_the_terms(store: Store) -> None:
    first = await spend(store, SpendPolicy())

    assert (await spend(store, SpendPolicy(per_call=1, per_day=1, confirm_above=0))).id == first.id


async def test_spending_above_the_threshold_waits_for_a_confirmation(store: Store) -> None:
    assert (await refused(store, SpendPolicy(confirm_above=49))).reason == "unconfirmed"
    await spend(store, SpendPolicy(confirm_above=50))


async def quote_for(store: Store, **fields: object) -> Quote:
    asked = plan(extension(**{"asset_id": ASSET, "seed": 1, "seconds": 5, **fields}))
    return await store.offer(arguments_key(asked, ""))


async def test_a_quote_confirms_its_arguments_once(store: Store) -> None:
    quote = await quote_for(store)
    policy = SpendPolicy(confirm_above=0, quote=quote.id)

    other = await refused(store, policy, seed=2)
    await come_to(store, await spend(store, policy), State.ACCEPTED)
    again = await refused(store, policy, seed=3)

    assert (other.reason, again.reason) == ("quote", "quote")


async def test_a_quote_whose_submit_was_refused_is_still_good(store: Store) -> None:
    policy = SpendPolicy(confirm_above=0, quote=(await quote_for(store)).id)
    await come_to(store, await spend(store, policy), State.REFUSED)

    await spend(store, policy)


@pytest.mark.parametrize(("quote_id", "after"), [("made-up", 0.0), (None, QUOTE_SECONDS + 1)])
async def test_a_quote_that_is_unknown_or_expired_confirms_nothing(
    store: Store, clock: SetClock, quote_id: str | None, after: float
) -> None:
    quote = await quote_for(store)
    clock.now += after

    assert (await refused(store, SpendPolicy(quote=quote_id or quote.id))).reason == "quote"


async def test_a_quote_says_when_it_expires(store: Store) -> None:
    assert (await quote_for(store)).expires_at == "2027-01-15T08:15:00Z"
