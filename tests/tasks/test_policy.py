from collections.abc import Iterator
from pathlib import Path

import pytest

from runway_mcp.tasks.intents import WAITING_LEASE, Intent, State
from runway_mcp.tasks.policy import DAY_SECONDS, QUOTE_SECONDS, PolicyRefused, Quote, SpendPolicy
from runway_mcp.tasks.spend.plan import Wish
from runway_mcp.tasks.spend.refusals import arguments_key
from runway_mcp.tasks.store.ledger import Ledger
from tests.kit.clock import EPOCH, SetClock
from tests.kit.samples import clip, long_id, plan
from tests.tasks.claims import claim

pytestmark = pytest.mark.virtual_time

ASSET = clip().asset_id


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: SetClock) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite3", clock) as book:
        yield book


async def spend(
    ledger: Ledger, policy: SpendPolicy, *, seed: int = 1, explore: bool = False, seconds: int = 5
) -> Intent:
    wish = Wish(asset_id=ASSET, seed=seed, explore_mode=explore, seconds=seconds)
    claimed, _ = await claim(ledger, wish, policy=policy)
    return claimed


async def refused(ledger: Ledger, policy: SpendPolicy, *, seed: int = 1, seconds: int = 5) -> PolicyRefused:
    with pytest.raises(PolicyRefused) as caught:
        await spend(ledger, policy, seed=seed, seconds=seconds)
    return caught.value


async def come_to(ledger: Ledger, made: Intent, state: State) -> None:
    """Lets the intent's POST leave and come to this."""
    assert await ledger.begin_post(made.id, made.claim, upstream=None)
    if state is State.ACCEPTED:
        await ledger.accept(made.id, long_id("task", made.seed), "RUNNING")
    elif state is not State.POSTING:
        await ledger.answered(made.id, made.claim, state, looked=True, failure=("busy", "why"))


async def test_one_call_may_cost_as_much_as_its_cap_and_no_more(ledger: Ledger) -> None:
    await spend(ledger, SpendPolicy(per_call=50))

    assert (await refused(ledger, SpendPolicy(per_call=49), seed=2)).reason == "per_call"


@pytest.mark.parametrize("state", [State.POSTING, State.UNCLEAR, State.UNKNOWN, State.ACCEPTED])
async def test_what_was_or_may_have_been_spent_counts_for_a_day(ledger: Ledger, clock: SetClock, state: State) -> None:
    policy = SpendPolicy(per_day=120)
    await come_to(ledger, await spend(ledger, policy), state)
    clock.now += 10
    await come_to(ledger, await spend(ledger, policy, seed=2), state)
    clock.now += 1

    refusal = await refused(ledger, policy, seed=3)
    assert (refusal.reason, refusal.spent, refusal.frees_at) == ("per_day", 100, EPOCH + DAY_SECONDS)
    clock.now = EPOCH + DAY_SECONDS + 1
    await spend(ledger, policy, seed=3)


async def test_what_was_refused_or_given_up_is_not_spent(ledger: Ledger, clock: SetClock) -> None:
    policy = SpendPolicy(per_day=50)
    await come_to(ledger, await spend(ledger, policy), State.REFUSED)
    await spend(ledger, policy, seed=2)
    clock.now += WAITING_LEASE + 1

    await spend(ledger, policy, seed=3)


async def test_what_may_have_been_accepted_counts_although_it_was_left_waiting(ledger: Ledger, clock: SetClock) -> None:
    policy = SpendPolicy(per_day=50)
    made = await spend(ledger, policy)
    await ledger.begin_post(made.id, made.claim, upstream=None)
    await ledger.answered(made.id, made.claim, State.WAITING, looked=False)
    clock.now += WAITING_LEASE + 1

    assert (await refused(ledger, policy, seed=2)).reason == "per_day"
    assert (await spend(ledger, policy)).id == made.id


async def test_what_costs_more_than_a_day_allows_never_frees(ledger: Ledger) -> None:
    assert (await refused(ledger, SpendPolicy(per_day=40))).frees_at is None


async def test_explore_mode_passes_every_cap_and_needs_no_confirmation(ledger: Ledger) -> None:
    await spend(ledger, SpendPolicy(per_call=1, per_day=1, confirm_above=0), explore=True)


async def test_an_earlier_submit_answers_whatever_the_terms(ledger: Ledger) -> None:
    first = await spend(ledger, SpendPolicy())

    assert (await spend(ledger, SpendPolicy(per_call=1, per_day=1, confirm_above=0))).id == first.id


async def test_spending_above_the_threshold_waits_for_a_confirmation(ledger: Ledger) -> None:
    assert (await refused(ledger, SpendPolicy(confirm_above=49))).reason == "unconfirmed"
    await spend(ledger, SpendPolicy(confirm_above=50))


async def quote_for(ledger: Ledger, **fields: object) -> Quote:
    return await ledger.offer(arguments_key(plan(Wish(**{"asset_id": ASSET, "seed": 1, "seconds": 5, **fields}))))  # pyright: ignore[reportArgumentType]


async def test_a_quote_confirms_its_arguments_once(ledger: Ledger) -> None:
    quote = await quote_for(ledger)
    policy = SpendPolicy(confirm_above=0, quote=quote.id)

    other = await refused(ledger, policy, seed=2)
    await come_to(ledger, await spend(ledger, policy), State.ACCEPTED)
    again = await refused(ledger, policy, seed=3)

    assert (other.reason, again.reason) == ("quote", "quote")


async def test_a_quote_whose_submit_was_refused_is_still_good(ledger: Ledger) -> None:
    policy = SpendPolicy(confirm_above=0, quote=(await quote_for(ledger)).id)
    await come_to(ledger, await spend(ledger, policy), State.REFUSED)

    await spend(ledger, policy)


@pytest.mark.parametrize(("quote_id", "after"), [("made-up", 0.0), (None, QUOTE_SECONDS + 1)])
async def test_a_quote_that_is_unknown_or_expired_confirms_nothing(
    ledger: Ledger, clock: SetClock, quote_id: str | None, after: float
) -> None:
    quote = await quote_for(ledger)
    clock.now += after

    assert (await refused(ledger, SpendPolicy(quote=quote_id or quote.id))).reason == "quote"


@pytest.mark.parametrize(
    "other",
    [
        Wish(asset_id=ASSET, text_prompt="sea"),
        Wish(asset_id=ASSET, seconds=10),
        Wish(asset_id=ASSET, max_jobs=2),
        Wish(asset_id=ASSET, reply_url="https://example.com"),
        Wish(asset_id=ASSET, explore_mode=True),
    ],
)
def test_a_quote_covers_every_argument(other: Wish) -> None:
    assert arguments_key(plan(other)) != arguments_key(plan(Wish(asset_id=ASSET)))


async def test_a_quote_says_when_it_expires(ledger: Ledger) -> None:
    assert (await quote_for(ledger)).expires_at == "2027-01-15T08:15:00Z"
