"""Judges what was spent against the user's policy: caps, and a confirmation where one is asked for."""

from tests.campaign.facts import Asked, Facts, Post, Verdict, part
from tests.campaign.requests import Key, Requests, price

# A quote holds for a quarter of an hour.
_QUOTE_SECONDS = 900.0
# The cap of a day counts from when the intent was written. What a POST may have been held up since then is taken off
# the day, so that no cap is called broken that was kept when the intent was written.
_DAY_SECONDS = 86_400.0 - 1_000.0


def judge_spends(facts: Facts, requests: Requests, verdict: Verdict) -> None:
    """Adds to the verdict each spend that the policy do not allow."""
    for post in facts.posts:
        if post.departed is not None:
            _judge_post(facts, requests, verdict, post)
    if facts.policy.per_day is not None and facts.calm:
        _judge_days(facts, verdict, facts.policy.per_day)


def _judge_post(facts: Facts, requests: Requests, verdict: Verdict, post: Post) -> None:
    key, policy = requests.of_post[post.number], facts.policy
    cost = price(key.base)
    if policy.per_call is not None and cost > policy.per_call:
        verdict.find("overspent", f"POST {post.number} costs {cost}, and a call may cost {policy.per_call}")
    if policy.confirm_above is None or cost <= policy.confirm_above:
        return
    asked = [it for it in facts.asked if requests.of_asked[it.number] == key and it.spends]
    if not any(_confirms(facts, requests, it, post.departed or 0.0) for it in asked):
        numbers = [it.number for it in asked]
        verdict.find("overspent", f"POST {post.number} was confirmed by none of the calls {numbers}: {post.body}")


def _confirms(facts: Facts, requests: Requests, asked: Asked, departed: float) -> bool:
    """Whether a call that was made before a POST carried a person's yes, or a quote for its very arguments."""
    if any(at <= departed for at in asked.agreed):
        return True
    quote = asked.arguments.get("confirm")
    if quote is None or asked.began > departed:
        return False
    return any(
        _is_quote(offer, quote) and _covers(facts, requests, offer, asked)
        for offer in facts.asked
        if offer is not asked
    )


def _is_quote(offer: Asked, quote: str) -> bool:
    return offer.dry and part(offer.content, "quote").get("id") == quote


def _covers(facts: Facts, requests: Requests, offer: Asked, asked: Asked) -> bool:
    """Whether a dry run's quote is for a call's request, and was still good when the call came."""
    key: Key | None = requests.of_asked[offer.number]
    late = asked.began - (offer.ended or offer.began) > _QUOTE_SECONDS + 1.0
    return key == requests.of_asked[asked.number] and not (facts.calm and late)


def _judge_days(facts: Facts, verdict: Verdict, cap: int) -> None:
    spent: list[tuple[float, int]] = []
    for post in sorted(facts.posts, key=lambda post: post.departed or 0.0):
        if post.made is None or post.departed is None or not post.made.cost:
            continue
        spent = [(at, cost) for at, cost in spent if at > post.departed - _DAY_SECONDS]
        spent.append((post.departed, post.made.cost))
        total = sum(cost for _, cost in spent)
        if total > cap:
            verdict.find("overspent", f"POST {post.number} makes {total} credits in a day, of {cap} allowed")
