from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runway_mcp.tasks.intents import Intent, State
from runway_mcp.tasks.ledger import Ledger
from runway_mcp.tasks.plan import Wish
from runway_mcp.tasks.terms import DAY_SECONDS, QUOTE_SECONDS, Terms, TermsRefused, arguments_key, quote_of
from tests.tasks.samples import NOW, clip, intent, plan

pytestmark = pytest.mark.virtual_time

ASSET = clip().asset_id


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite3") as book:
        yield book


async def claim(ledger: Ledger, terms: Terms, *, seed: int = 1, now: float = NOW, **fields: object) -> Intent:
    wish = Wish(asset_id=ASSET, seed=seed)
    made = replace(intent(wish, now=now), **fields)  # pyright: ignore[reportArgumentType]
    claimed, _ = await ledger.claim(made, now=now, terms=terms, covers=arguments_key(plan(wish)))
    return claimed


async def refused(ledger: Ledger, terms: Terms, *, seed: int = 1, now: float = NOW, **fields: object) -> TermsRefused:
    with pytest.raises(TermsRefused) as caught:
        await claim(ledger, terms, seed=seed, now=now, **fields)
    return caught.value


async def settle(ledger: Ledger, made: Intent, **fields: object) -> None:
    await ledger.change(made.id, lambda it: replace(it, **fields))  # pyright: ignore[reportArgumentType]


async def test_one_call_may_cost_as_much_as_its_cap_and_no_more(ledger: Ledger) -> None:
    await claim(ledger, Terms(per_call=50))

    assert (await refused(ledger, Terms(per_call=49), seed=2)).reason == "per_call"


@pytest.mark.parametrize("state", [State.POSTING, State.UNCLEAR, State.UNKNOWN, State.ACCEPTED])
async def test_what_was_or_may_have_been_spent_counts_for_a_day(ledger: Ledger, state: State) -> None:
    terms = Terms(per_day=120)
    await settle(ledger, await claim(ledger, terms), state=state)
    await claim(ledger, terms, seed=2, now=NOW + 10)
    await settle(ledger, await claim(ledger, terms, seed=3, cost=20, now=NOW + 11), state=state)

    refusal = await refused(ledger, terms, seed=4, now=NOW + 12)
    assert (refusal.reason, refusal.spent, refusal.frees_at) == ("per_day", 120, NOW + DAY_SECONDS)
    await claim(ledger, terms, seed=4, now=NOW + DAY_SECONDS + 1)


async def test_what_was_refused_or_given_up_is_not_spent(ledger: Ledger) -> None:
    terms = Terms(per_day=50)
    await settle(ledger, await claim(ledger, terms), state=State.REFUSED)
    await settle(ledger, await claim(ledger, terms, seed=2), lease=NOW - 1)

    await claim(ledger, terms, seed=3)


async def test_what_costs_more_than_a_day_allows_never_frees(ledger: Ledger) -> None:
    assert (await refused(ledger, Terms(per_day=40))).frees_at is None


async def test_explore_mode_passes_every_cap_and_needs_no_confirmation(ledger: Ledger) -> None:
    await claim(ledger, Terms(per_call=1, per_day=1, confirm_above=0), cost=0)


async def test_a_twin_is_returned_whatever_the_terms(ledger: Ledger) -> None:
    first = await claim(ledger, Terms())

    assert (await claim(ledger, Terms(per_call=1, per_day=1, confirm_above=0))).id == first.id


async def test_spending_above_the_threshold_waits_for_a_confirmation(ledger: Ledger) -> None:
    assert (await refused(ledger, Terms(confirm_above=49))).reason == "unconfirmed"
    await claim(ledger, Terms(confirm_above=50))


async def test_a_quote_confirms_its_arguments_once(ledger: Ledger) -> None:
    quote = quote_of(plan(Wish(asset_id=ASSET, seed=1)), now=NOW)
    await ledger.offer(quote)
    terms = Terms(confirm_above=0, quote=quote.id)

    other = await refused(ledger, terms, seed=2)
    made = await claim(ledger, terms)
    await settle(ledger, made, state=State.ACCEPTED, status="FAILED", ended=NOW, told=NOW, failure_kind="x")
    again = await refused(ledger, terms)

    assert (other.reason, again.reason) == ("quote", "quote")


async def test_a_quote_whose_submit_was_refused_is_still_good(ledger: Ledger) -> None:
    quote = quote_of(plan(Wish(asset_id=ASSET, seed=1)), now=NOW)
    await ledger.offer(quote)
    terms = Terms(confirm_above=0, quote=quote.id)
    await settle(ledger, await claim(ledger, terms), state=State.REFUSED, failure_kind="busy")

    await claim(ledger, terms)


@pytest.mark.parametrize(("quote_id", "after"), [("made-up", 0.0), (None, QUOTE_SECONDS + 1)])
async def test_a_quote_that_is_unknown_or_expired_confirms_nothing(
    ledger: Ledger, quote_id: str | None, after: float
) -> None:
    quote = quote_of(plan(Wish(asset_id=ASSET, seed=1)), now=NOW)
    await ledger.offer(quote)

    refusal = await refused(ledger, Terms(quote=quote_id or quote.id), now=NOW + after)

    assert refusal.reason == "quote"


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


def test_a_quote_says_when_it_expires() -> None:
    assert quote_of(plan(), now=NOW).expires_at == "2027-01-15T08:15:00Z"
