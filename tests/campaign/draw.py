"""Draws a run from its seed alone: the wishes, the hosts and their calls, what befalls the processes."""

from dataclasses import replace
from random import Random
from typing import Any

from tests.campaign import troubles
from tests.campaign.scenario import (
    CLIPS,
    Act,
    ByHand,
    Confirming,
    Hand,
    HostPlan,
    Incident,
    Leaving,
    Naming,
    Person,
    Request,
    Scenario,
    Spelling,
)
from tests.campaign.themes import THEMES

HOUR, DAY = 3600.0, 86_400.0


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    rng = Random(seed)  # noqa: S311  the same seed must give the same run
    scenario = _plain(rng, seed)
    theme = rng.choices(tuple(THEMES), [weight for weight, _ in THEMES.values()])[0]
    drawn = THEMES[theme][1](rng, scenario)
    # An answer about a task that somebody made by hand with the caller's own seed contradicts nothing that was sent.
    foreign = any(rule["kind"] == "foreign" for rule in drawn.rules)
    return replace(drawn, theme=theme, hands=() if foreign else drawn.hands)


def _plain(rng: Random, seed: int) -> Scenario:
    turbo = tuple(rng.random() < 0.25 for _ in range(CLIPS))
    requests = _requests(rng, turbo)
    servers = 2 if rng.random() < 0.35 else 1
    policy = spending_terms(rng) if rng.random() < 0.1 else {}
    trouble = rng.random()
    return Scenario(
        seed=seed,
        account=troubles.account(rng),
        turbo=turbo,
        two_accounts=rng.random() < 0.2,
        pace=rng.choice((1.0, 5.0, 8.0, 20.0, 60.0, 200.0)),
        skew=rng.choice((0.0, 0.0, rng.uniform(-45, 45), rng.uniform(-HOUR, HOUR))),
        switches=troubles.switches(rng),
        scripts=tuple(troubles.script(rng) for _ in range(rng.choice((0, 0, 2, 6)))),
        rules=tuple(troubles.rule(rng) for _ in range(rng.choice((0, 1, 2, 4)))),
        posts=rng.choice((0.0, 0.3, 0.7)) if trouble < 0.6 else 0.0,
        reads=rng.choice((0.0, 0.0, 0.05, 0.3)),
        outages=tuple(troubles.outage(rng) for _ in range(rng.choice((0, 0, 0, 1, 2)))),
        ahead=tuple(clock_error(rng) for _ in range(servers)),
        policy=policy,
        hosts=tuple(host(rng, requests, servers, policy) for _ in range(rng.choice((1, 1, 1, 2, 3)))),
        incidents=tuple(incident(rng, servers) for _ in range(rng.choice((0, 0, 1, 1, 2, 4)))),
        hands=tuple(_hand(rng, requests) for _ in range(rng.choice((0, 0, 0, 1, 3)))),
        deleted=((requests[0].clip, rng.uniform(0, 400)),) if rng.random() < 0.05 else (),
        last_pause=rng.choice((0.0, 30.0, 660.0)),
        requests=requests,
    )


def clock_error(rng: Random) -> float:
    """How far a machine's wall clock is ahead of upstream's: mostly right, else by seconds, hours or days."""
    return rng.choice((0.0,) * 6 + (rng.uniform(-50, 50), rng.uniform(-5 * HOUR, 5 * HOUR), rng.uniform(-5 * DAY, DAY)))


def spending_terms(rng: Random) -> dict[str, Any]:
    """Caps and the confirmation that the settings ask for."""
    drawn = {
        "max_credits_per_call": rng.choice((None, None, 50, 80)),
        "max_credits_per_day": rng.choice((None, 100, 160, 260)),
        "confirm_above": rng.choice((None, 0.0, 0.0, 50.0)),
    }
    return {name: value for name, value in drawn.items() if value is not None}


def _requests(rng: Random, turbo: tuple[bool, ...]) -> tuple[Request, ...]:
    """One to four wishes; some differ only in their seed or their prompt."""
    found = [_request(rng, turbo, f"the camera rises {rng.randrange(1000)}")]
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        like = rng.choice(found)
        changes: dict[str, Any] = rng.choice(
            (
                {"seed": rng.choice((7, 8, 4_294_967_294))},
                {"seed": None},
                {"prompt": f"the sea {rng.randrange(1000)}"},
                {"prompt": None},
                {"clip": rng.randrange(CLIPS)},
                {"explore": not like.explore},
                {"seconds": rng.choice((5, 10))},
            )
        )
        other = replace(like, **changes)
        found.append(replace(other, seconds=None) if turbo[other.clip] else other)
    return tuple(found)


def _request(rng: Random, turbo: tuple[bool, ...], prompt: str) -> Request:
    clip = rng.randrange(CLIPS)
    word = rng.choices(("", " forbidden", " broken", " über den Dünen"), (16, 1, 1, 2))[0]
    return Request(
        clip=clip,
        prompt=None if rng.random() < 0.1 else prompt + word,
        seconds=None if turbo[clip] else rng.choice((None, 5, 10)),
        seed=rng.choice((None, None, 7, rng.randrange(1, 2**32 - 1))),
        explore=rng.random() < 0.15,
    )


def spelling(rng: Random) -> Spelling:
    """Mostly plain; else one of the many ways to say the same."""
    if rng.random() < 0.4:
        return Spelling()
    ways: tuple[Naming, ...] = ("asset", "asset", "asset", "task", "asset uri", "task uri")
    copied: tuple[tuple[str, ...], ...] = ((), (), ("seed",), ("replyRef",), ("seed", "replyRef"))
    return Spelling(
        naming=rng.choice(ways),
        blanks=rng.random() < 0.2,
        decomposed=rng.random() < 0.2,
        default_seconds=rng.random() < 0.2,
        copied=rng.choice(copied),
        reply_ref=rng.choice((None, None, "film-1", "film-2")),
        max_jobs=rng.choice((None, None, None, 1, 2)),
        explicit_explore=rng.random() < 0.2,
    )


def host(rng: Random, requests: tuple[Request, ...], servers: int, policy: dict[str, Any]) -> HostPlan:
    """A host and its moves."""
    persons: tuple[Person, ...] = ("none", "none", "yes", "yes", "no", "slow", "silent")
    legacy = rng.random() < 0.5
    return HostPlan(
        acts=_acts(rng, requests, servers, policy),
        mode="legacy" if legacy else "auto",
        takes_tasks=not legacy and rng.random() < 0.2,
        person=rng.choice(persons) if "confirm_above" in policy else "none",
    )


def _acts(rng: Random, requests: tuple[Request, ...], servers: int, policy: dict[str, Any]) -> tuple[Act, ...]:
    favourite = rng.choice(requests)
    return tuple(
        act(rng, favourite if rng.random() < 0.7 else rng.choice(requests), servers, policy)
        for _ in range(rng.choice((1, 1, 2, 3, 4)))
    )


def act(rng: Random, request: Request, servers: int, policy: dict[str, Any]) -> Act:
    """One call, or several at once."""
    give_up, steps = None, None
    how = rng.random()
    if how < 0.2:
        give_up = rng.choice((rng.uniform(0, 2), rng.uniform(0, 12), rng.uniform(0, 60)))
    elif how < 0.4:
        steps = rng.choice((rng.randrange(1, 60), rng.randrange(1, 200), rng.randrange(1, 900)))
    leaving: Leaving = rng.choice(("cancel", "cancel", "drop"))
    confirming: Confirming = "none"
    if "confirm_above" in policy:
        confirming = rng.choice(("none", "quote", "quote", "stale", "other", "used", "invented", "next step"))
    return Act(
        pause=rng.uniform(*rng.choice(((0, 0), (0, 1), (0, 15), (0, 90), (60, 400)))),
        request=request,
        server=rng.randrange(servers),
        wait=rng.choice((None, None, 0, 1, 5, 12, 25, 45, 120)),
        copies=rng.choices((1, 2, 3), (6, 2, 1))[0],
        spelling=spelling(rng),
        confirming=confirming,
        give_up=give_up,
        give_up_steps=steps,
        leaving=leaving,
        dry=rng.random() < 0.06,
        follow=rng.choices((0, 1, 2, 3), (6, 2, 1, 1))[0],
    )


def incident(rng: Random, servers: int) -> Incident:
    """Something that befalls a process."""
    fate = rng.choices(("close", "crash", "stall", "lock", "stall at the lock", "jump"), (3, 5, 2, 1, 2, 2))[0]
    trigger = rng.choice(("time", "steps", "departure", "acceptance", "answer", "commit"))
    at = rng.choice((0.0, rng.uniform(0, 3), rng.uniform(0, 60), rng.uniform(0, 300)))
    seconds = {
        "close": rng.choice((0.0, rng.uniform(0, 30), rng.uniform(0, 900))),
        "crash": rng.choice((0.0, rng.uniform(0, 30), rng.uniform(0, 900))),
        "stall": rng.choice((rng.uniform(0, 15), rng.uniform(0, 90), rng.uniform(0, 700), rng.uniform(0, 9 * HOUR))),
        "lock": rng.choice((rng.uniform(0, 1), rng.uniform(0, 8))),
        "stall at the lock": rng.choice((rng.uniform(0, 30), rng.uniform(5, 90), rng.uniform(60, 700))),
        "jump": rng.choice((rng.uniform(0, 30), rng.uniform(0, 300))),
    }[fate]
    steps = rng.randrange(1, 6) if trigger == "commit" else rng.choice((rng.randrange(1, 90), rng.randrange(1, 600)))
    jump = rng.choice((-1, 1)) * rng.choice((rng.uniform(60, 600), rng.uniform(600, 3 * HOUR), DAY))
    return Incident(at, fate, rng.randrange(servers), seconds, trigger, steps, jump if fate == "jump" else 0.0)


def _hand(rng: Random, requests: tuple[Request, ...]) -> Hand:
    ways: tuple[ByHand, ...] = ("other seed", "other prompt", "other parent", "other length", "older", "stranger's ref")
    return Hand(rng.choice((0.0, rng.uniform(0, 30), rng.uniform(0, 300))), rng.choice(requests), rng.choice(ways))
