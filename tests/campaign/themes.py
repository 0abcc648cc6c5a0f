"""The runs that are drawn with something special in mind, each a change to a plain one, with how often it is drawn."""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from random import Random
from typing import Any

from tests.campaign import troubles
from tests.campaign.scenario import Act, Hand, HostPlan, Incident, Outage, Request, Scenario, Spelling

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

# After how long a host comes back that had given up.
_BACK = (MINUTE, 130.0, 3 * MINUTE, HOUR, 25 * HOUR, 40 * DAY)

_CALM: dict[str, Any] = {
    "scripts": (),
    "rules": (),
    "posts": 0.0,
    "reads": 0.0,
    "outages": (),
    "incidents": (),
    "hands": (),
    "deleted": (),
}


def _any(_: Random, scenario: Scenario) -> Scenario:
    return scenario


def _back(rng: Random, scenario: Scenario) -> Scenario:
    """A host gives up, or does not, and comes back after minutes, hours or days with the same request."""
    request = replace(scenario.requests[0], prompt=scenario.requests[0].prompt or "the long way home")
    first = Act(
        0.0,
        request,
        rng.randrange(scenario.servers),
        wait=rng.choice((None, 0, 45)),
        give_up=rng.choice((None, None, rng.uniform(0, 40))),
        leaving=rng.choice(("cancel", "drop")),
    )
    again = [
        replace(
            first,
            pause=rng.choice(_BACK),
            server=rng.randrange(scenario.servers),
            wait=rng.choice((None, 0, 45)),
            give_up=None,
            copies=rng.choice((1, 1, 2)),
            spelling=_spelled(rng),
            follow=rng.choice((0, 0, 2)),
        )
        for _ in range(rng.choice((1, 1, 2, 3)))
    ]
    deleted = ((request.clip, rng.uniform(60, 130)),) if rng.random() < 0.4 else ()
    restart = Incident(rng.uniform(45, 125), "crash", 0, rng.uniform(0, 10))
    return replace(
        scenario,
        hosts=(HostPlan((first, *again), mode=rng.choice(("legacy", "auto"))),),
        incidents=(restart,) if rng.random() < 0.4 else scenario.incidents[:1],
        account={**scenario.account, "permitted": 2250, "unlimited": True},
        rules=scenario.rules if rng.random() < 0.4 else (),
        posts=scenario.posts if rng.random() < 0.4 else 0.0,
        outages=scenario.outages if rng.random() < 0.4 else (),
        pace=rng.choice((5.0, 20.0, 60.0)),
        policy={},
        hands=(),
        deleted=deleted,
        requests=(request,),
    )


def _spelled(rng: Random) -> Spelling:
    copied: tuple[tuple[str, ...], ...] = ((), (), ("seed",), ("replyRef",), ("seed", "replyRef"))
    return Spelling(
        naming=rng.choice(("asset", "asset", "task", "asset uri", "task uri")),
        blanks=rng.random() < 0.3,
        decomposed=rng.random() < 0.3,
        default_seconds=rng.random() < 0.3,
        copied=rng.choice(copied),
        reply_ref=rng.choice((None, None, "film-1")),
    )


def _spending(rng: Random, scenario: Scenario) -> Scenario:
    """Caps and confirmations, on an upstream that mostly works: several takes, of which some are not allowed."""
    policy = {
        "max_credits_per_call": rng.choice((None, 50, 80)),
        "max_credits_per_day": rng.choice((None, 100, 160, 260)),
        "confirm_above": rng.choice((None, 0.0, 0.0, 50.0)),
    }
    policy = {name: value for name, value in policy.items() if value is not None}
    asked = scenario.requests[0]
    takes = tuple(
        replace(asked, seed=seed, explore=rng.random() < 0.05, seconds=asked.seconds and rng.choice((5, 10)))
        for seed in rng.sample((11, 12, 13, 14, None), rng.choice((1, 2, 3, 4)))
    )
    hosts = tuple(_buyer(rng, takes, scenario.servers, policy) for _ in range(rng.choice((1, 1, 2))))
    return replace(
        scenario,
        **{**_CALM, "incidents": scenario.incidents[:1] if rng.random() < 0.3 else ()},
        account={**scenario.account, "permitted": 2250, "unlimited": True, "max_jobs": rng.choice((1, 5))},
        ahead=tuple(0.0 if rng.random() < 0.9 else ahead for ahead in scenario.ahead),
        policy=policy,
        hosts=hosts,
        requests=takes,
    )


def _buyer(rng: Random, takes: tuple[Request, ...], servers: int, policy: dict[str, Any]) -> HostPlan:
    confirmed = "confirm_above" in policy
    ways = ("none", "quote", "quote", "stale", "other", "used", "invented", "next step")
    acts = tuple(
        Act(
            pause=rng.choice((0.0, rng.uniform(0, 30), rng.uniform(60, 300), 7 * HOUR)),
            request=rng.choice(takes),
            server=rng.randrange(servers),
            wait=rng.choice((None, 0, 45)),
            copies=rng.choice((1, 1, 1, 2)),
            confirming=rng.choice(ways) if confirmed else "none",
            give_up=rng.choice((None, None, None, rng.uniform(0, 40))),
            follow=rng.choice((0, 1, 2, 3)),
        )
        for _ in range(rng.choice((2, 3, 4, 5)))
    )
    person = rng.choice(("none", "none", "yes", "no", "slow", "silent")) if confirmed else "none"
    return HostPlan(acts, mode=rng.choice(("legacy", "auto")), takes_tasks=False, person=person)


def _at_the_lock(rng: Random, scenario: Scenario) -> Scenario:
    """Two servers asked for one film, one of which stands still at a boundary of its transactions meanwhile."""
    asked = replace(scenario.requests[0], explore=False)
    fate = rng.choice(("stall at the lock", "stall at the lock", "stall"))
    stop = Incident(
        0.0, fate, 0, rng.choice((rng.uniform(10, 60), rng.uniform(10, 200))), "commit", rng.randrange(1, 5)
    )
    jump = Incident(rng.uniform(0, 5), "jump", 0, rng.uniform(5, 120), jump=rng.choice((-HOUR, HOUR, 90.0)))
    second = Act(rng.uniform(8, 60), asked, 1, wait=rng.choice((0, 45)))
    hosts = (
        HostPlan((Act(0.0, asked, 0, wait=rng.choice((0, 45, 45))),), mode=rng.choice(("legacy", "auto"))),
        HostPlan((second, replace(second, server=0)), mode=rng.choice(("legacy", "auto"))),
    )
    calm = _CALM if rng.random() < 0.7 else {"hands": ()}
    return replace(
        scenario,
        **{**calm, "incidents": (stop, jump) if rng.random() < 0.4 else (stop,)},
        account={**scenario.account, "permitted": 2250, "max_jobs": rng.choice((1, 5))},
        ahead=(0.0, rng.choice((0.0, 0.0, rng.uniform(-HOUR, HOUR)))),
        policy={},
        hosts=hosts,
        requests=(asked,),
    )


def _refused_after(rng: Random, scenario: Scenario) -> Scenario:
    """Upstream refuses, or asks to wait, and has accepted all the same."""
    reads = tuple(troubles.read_trouble(rng) for _ in range(rng.choice((0, 0, 1, 2))))
    posts = tuple(troubles.refused_after(rng) for _ in range(rng.choice((1, 1, 2))))
    return replace(
        scenario,
        switches=troubles.truthful(rng, scenario.switches),
        account={**scenario.account, "permitted": 2250, "unlimited": True},
        rules=(*posts, *reads),
        posts=0.0,
        reads=0.0,
        outages=(),
        incidents=scenario.incidents[: rng.choice((0, 0, 1))],
        hands=(),
        pace=rng.choice((5.0, 20.0, 60.0, 200.0)),
    )


def _look_alike(rng: Random, scenario: Scenario) -> Scenario:
    """Somebody starts the same film by hand just then, with the caller's own seed, and our answer is lost."""
    asked = replace(scenario.requests[0], seed=7, explore=False)
    lost = {"method": "POST", "kind": rng.choice(("reset", "reset_after", "cut")), "times": rng.choice((1, 1, 2))}
    hand = Hand(0.0, asked, "look-alike", on_departure=True)
    spoken = HostPlan(
        tuple(Act(rng.uniform(0, 200), asked, 0, wait=rng.choice((None, 0, 45))) for _ in range(3)),
        mode=rng.choice(("legacy", "auto")),
    )
    return replace(
        scenario,
        **{**_CALM, "rules": (lost,), "hands": (hand,)},
        account={"max_jobs": 5, "slots": 4, "permitted": 2250, "unlimited": True, "runway_limit": None},
        switches={**scenario.switches, "over_slots": "THROTTLED"},
        policy={},
        hosts=(spoken,),
        requests=(asked,),
    )


def _crowded(rng: Random, scenario: Scenario) -> Scenario:
    """More tasks than a page of the list holds, in any order, and nothing else that shows what became of a submit."""
    shown = {
        "task_list": "array",
        "late_in_scheduler": 700.0,
        "task_order": rng.choice(("oldest", "shuffled", "shuffled")),
    }
    lost = {"method": "POST", "kind": "reset_after", "times": 3}
    return replace(scenario, crowd=250, posts=0.0, rules=(lost,), switches={**scenario.switches, **shown})


def _left_posting(rng: Random, scenario: Scenario) -> Scenario:
    """A process dies over its POST for good; nobody asks again, and only one that was there all along can look."""
    asked = replace(scenario.requests[0], explore=False)
    death = Incident(0.0, "crash", 0, inf, rng.choice(("departure", "acceptance")))
    return replace(
        scenario,
        **{**_CALM, "incidents": (death,), "reads": scenario.reads},
        account={**scenario.account, "permitted": 2250, "max_jobs": 5},
        ahead=(0.0, 0.0),
        policy={},
        hosts=(HostPlan((Act(0.0, asked, 0, wait=rng.choice((0, 45))),)),),
        requests=(asked,),
    )


def _blind(rng: Random, scenario: Scenario) -> Scenario:
    """A POST's answer is lost, its task comes late into the lists, and by then nothing can be read for hours."""
    asked = replace(scenario.requests[0], explore=False)
    other = replace(asked, prompt="another film", seed=None)
    first = Act(0.0, asked, 0, wait=rng.choice((0, 5)))
    later = Act(rng.uniform(800, 9_000), other, 0, wait=0, dry=True)
    return replace(
        scenario,
        **{
            **_CALM,
            "rules": ({"method": "POST", "kind": "reset_after", "times": 1},),
            "outages": (Outage(30.0, inf, 1.0),),
        },
        switches={**scenario.switches, "late_in_lists": 60.0, "late_in_scheduler": 60.0},
        account={**scenario.account, "permitted": 2250, "max_jobs": 5},
        ahead=(0.0,),
        policy={},
        hosts=(HostPlan((first, later), mode=rng.choice(("legacy", "auto"))),),
        requests=(asked, other),
    )


def _queueing(rng: Random, scenario: Scenario) -> Scenario:
    """One slot, which another film holds, and two servers that are asked for the same film and held up meanwhile."""
    asked = replace(scenario.requests[0], explore=False)
    first = replace(asked, prompt="the film before", seed=None)
    hosts = tuple(
        HostPlan(
            tuple(
                Act(rng.uniform(0, 40), asked, server, wait=45, give_up=rng.choice((None, None, rng.uniform(0, 90))))
                for _ in range(3)
            )
        )
        for server in (0, 1)
    )
    stalls = (Incident(rng.uniform(5, 40), "stall", 0, rng.uniform(5, 60)),) if rng.random() < 0.5 else ()
    others = tuple(replace(incident, server=1) for incident in scenario.incidents[:1])
    return replace(
        scenario,
        **{**_CALM, "posts": rng.choice((0.0, 0.2)), "incidents": (*stalls, *others)},
        account={**scenario.account, "max_jobs": 1, "permitted": 2250},
        pace=rng.choice((20.0, 60.0)),
        ahead=(0.0, rng.choice((0.0, rng.uniform(-90, 90)))),
        policy={},
        hosts=(HostPlan((Act(0.0, first, 0, wait=0),)), *hosts),
        requests=(asked, first),
    )


THEMES: dict[str, tuple[int, Callable[[Random, Scenario], Scenario]]] = {
    "any": (37, _any),
    "back": (18, _back),
    "spending": (14, _spending),
    "at the lock": (8, _at_the_lock),
    "refused after": (8, _refused_after),
    "look-alike": (4, _look_alike),
    "queueing": (5, _queueing),
    "crowded": (1, _crowded),
    "left posting": (2, _left_posting),
    "blind": (1, _blind),
}
"""Each with how often it is drawn, of a hundred."""
