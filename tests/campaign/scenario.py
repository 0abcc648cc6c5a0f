"""What happens in one run, drawn from its seed alone: the world, the wishes, the hosts' calls, the troubles.

A scenario is plain data, so that a failing run can be read, and made smaller by hand.
"""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal

Trigger = Literal["time", "steps", "departure", "acceptance", "answer"]
Fate = Literal["close", "crash", "stall", "lock"]
ByHand = Literal["other seed", "other prompt", "other parent", "other length", "older", "stranger's ref"]

CLIPS = 3


@dataclass(frozen=True)
class Request:
    """A wish as a caller spells it; `clip` counts the world's clips, `by_task` names the clip by its task's id."""

    clip: int
    prompt: str | None
    seconds: int | None
    seed: int | None
    explore: bool
    reply_ref: str | None
    max_jobs: int | None = None
    by_task: bool = False


@dataclass(frozen=True)
class Act:
    """One move of a host: after `pause` seconds, `copies` identical calls at once, on servers counted from `server`.

    A call is cancelled `give_up` seconds after it began, or after so many steps of the event loop.
    """

    pause: float
    request: Request
    server: int
    wait: float
    copies: int = 1
    give_up: float | None = None
    give_up_steps: int | None = None


@dataclass(frozen=True)
class Incident:
    """What befalls a server process from `at` on, and for how many `seconds`: it is closed, dies or stands still.

    It strikes at that time, so many `steps` later, or when the next POST departs, is accepted or is answered. `lock`
    is another program that holds the ledger's file.
    """

    at: float
    fate: Fate
    server: int
    seconds: float
    trigger: Trigger = "time"
    steps: int = 0


@dataclass(frozen=True)
class Hand:
    """A task that somebody else starts, alike to a request but for one thing."""

    at: float
    request: Request
    differs: ByHand


@dataclass(frozen=True)
class Outage:
    """A time in which a part of all requests meets trouble."""

    begin: float
    end: float
    odds: float


@dataclass(frozen=True)
class Scenario:
    """One run; `rules` are fields of the stand-in's faults, `scripts` those of its tasks' fates.

    `posts` and `reads` are the odds that a request meets trouble on its way, `slow_say` those that a host takes long
    to take a word of progress. `skew` is how far upstream's clock is ahead, in seconds.
    """

    seed: int
    account: dict[str, Any]
    turbo: tuple[bool, ...]
    two_accounts: bool
    pace: float
    skew: float
    switches: dict[str, Any]
    scripts: tuple[dict[str, Any], ...]
    rules: tuple[dict[str, Any], ...]
    posts: float
    reads: float
    outages: tuple[Outage, ...]
    slow_say: float
    servers: int
    hosts: tuple[tuple[Act, ...], ...]
    incidents: tuple[Incident, ...]
    hands: tuple[Hand, ...]
    crowd: int
    repeat_after: float
    requests: tuple[Request, ...] = field(default=())


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    rng = Random(seed)  # noqa: S311  the same seed must give the same run
    turbo = tuple(rng.random() < 0.25 for _ in range(CLIPS))
    requests = _requests(rng, turbo)
    servers = 2 if rng.random() < 0.35 else 1
    trouble = rng.random()
    scenario = Scenario(
        seed=seed,
        account=_account(rng),
        turbo=turbo,
        two_accounts=rng.random() < 0.2,
        pace=rng.choice((1.0, 5.0, 8.0, 20.0, 60.0, 200.0)),
        skew=rng.choice((0.0, 0.0, rng.uniform(-45, 45))),
        switches=_switches(rng),
        scripts=tuple(_script(rng) for _ in range(rng.choice((0, 2, 6)))),
        rules=tuple(_rule(rng) for _ in range(rng.choice((0, 1, 2, 4)))),
        posts=rng.choice((0.0, 0.3, 0.7)) if trouble < 0.7 else 0.0,
        reads=rng.choice((0.0, 0.0, 0.05, 0.3)),
        outages=tuple(_outage(rng) for _ in range(rng.choice((0, 0, 0, 1, 2)))),
        slow_say=rng.choice((0.0, 0.0, 0.0, 0.2)),
        servers=servers,
        hosts=tuple(_acts(rng, requests, servers) for _ in range(rng.choice((1, 1, 1, 2, 3)))),
        incidents=tuple(_incident(rng, servers) for _ in range(rng.choice((0, 0, 1, 1, 2, 4)))),
        hands=tuple(_hand(rng, requests) for _ in range(rng.choice((0, 0, 0, 1, 3)))),
        crowd=0,
        repeat_after=rng.choice((0.0, 30.0, 660.0)),
        requests=requests,
    )
    special = rng.choices((None, _crowded, _queueing), (94, 1, 5))[0]
    return special(rng, scenario) if special else scenario


def _crowded(rng: Random, scenario: Scenario) -> Scenario:
    """More tasks than a page of the list holds, in any order, and nothing else that shows what became of a submit."""
    order = rng.choice(("oldest", "shuffled", "shuffled"))
    shown = {"task_list": "array", "late_in_scheduler": 700.0, "task_order": order}
    lost = {"method": "POST", "kind": "reset_after", "times": 3}
    return replace(scenario, crowd=250, posts=0.0, rules=(lost,), switches={**scenario.switches, **shown})


def _queueing(rng: Random, scenario: Scenario) -> Scenario:
    """One slot, which another film holds, and two servers that are asked for the same film and held up meanwhile."""
    asked = replace(scenario.requests[0], explore=False, max_jobs=None)
    first = replace(asked, prompt="the film before", seed=None)
    hosts = tuple(
        tuple(
            Act(rng.uniform(0, 40), asked, server, wait=90.0, give_up=rng.choice((None, None, rng.uniform(0, 90))))
            for _ in range(2)
        )
        for server in (0, 1)
    )
    stalls = (Incident(rng.uniform(5, 40), "stall", 0, rng.uniform(5, 60)),) if rng.random() < 0.5 else ()
    return replace(
        scenario,
        account={**scenario.account, "max_jobs": 1, "permitted": 2250},
        pace=rng.choice((20.0, 60.0)),
        scripts=(),
        rules=(),
        reads=0.0,
        posts=rng.choice((0.0, 0.2)),
        outages=(),
        slow_say=0.3,
        servers=2,
        hosts=((Act(0.0, first, 0, wait=0.0),), *hosts),
        incidents=(*stalls, *(replace(incident, server=1) for incident in scenario.incidents[:1])),
        requests=(asked, first),
    )


def _requests(rng: Random, turbo: tuple[bool, ...]) -> tuple[Request, ...]:
    """One to four wishes; some differ only in their seed, their replyRef or their prompt."""
    found = [_request(rng, turbo, f"the camera rises {rng.randrange(1000)}")]
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        like = rng.choice(found)
        changes: dict[str, Any] = rng.choice(
            (
                {"seed": rng.choice((7, 8, 4_294_967_294))},
                {"reply_ref": rng.choice(("film-1", "film-2"))},
                {"prompt": f"the sea {rng.randrange(1000)}"},
                {"prompt": None},
                {"clip": rng.randrange(CLIPS)},
                {"by_task": True},
                {"explore": not like.explore},
                {"seconds": rng.choice((5, 10))},
            )
        )
        other = replace(like, **changes)
        found.append(replace(other, seconds=None) if turbo[other.clip] else other)
    return tuple(found)


def _request(rng: Random, turbo: tuple[bool, ...], prompt: str) -> Request:
    clip = rng.randrange(CLIPS)
    word = rng.choices(("", " forbidden", " broken"), (18, 1, 1))[0]
    return Request(
        clip=clip,
        prompt=None if rng.random() < 0.1 else prompt + word,
        seconds=None if turbo[clip] else rng.choice((None, 5, 10)),
        seed=rng.choice((None, None, 7, rng.randrange(1, 2**32 - 1))),
        explore=rng.random() < 0.15,
        reply_ref=rng.choice((None, None, "film-1")),
        max_jobs=rng.choice((None, None, None, 1, 2)),
        by_task=rng.random() < 0.15,
    )


def _acts(rng: Random, requests: tuple[Request, ...], servers: int) -> tuple[Act, ...]:
    acts: list[Act] = []
    favourite = rng.choice(requests)
    for _ in range(rng.choice((1, 1, 2, 3, 4))):
        give_up, steps = None, None
        how = rng.random()
        if how < 0.25:
            give_up = rng.choice((rng.uniform(0, 2), rng.uniform(0, 12), rng.uniform(0, 60)))
        elif how < 0.5:
            steps = rng.choice((rng.randrange(1, 40), rng.randrange(1, 120), rng.randrange(1, 600)))
        acts.append(
            Act(
                pause=rng.uniform(*rng.choice(((0, 0), (0, 1), (0, 15), (0, 90), (60, 400)))),
                request=favourite if rng.random() < 0.7 else rng.choice(requests),
                server=rng.randrange(servers),
                wait=rng.choice((0, 1, 5, 12, 25, 45, 45, 120)),
                copies=rng.choices((1, 2, 3), (6, 2, 1))[0],
                give_up=give_up,
                give_up_steps=steps,
            )
        )
    return tuple(acts)


def _incident(rng: Random, servers: int) -> Incident:
    fate = rng.choices(("close", "crash", "stall", "lock"), (3, 5, 2, 1))[0]
    trigger = rng.choice(("time", "steps", "departure", "acceptance", "answer"))
    at = rng.choice((0.0, rng.uniform(0, 3), rng.uniform(0, 60), rng.uniform(0, 300)))
    seconds = {
        "close": rng.choice((0.0, rng.uniform(0, 30), rng.uniform(0, 900))),
        "crash": rng.choice((0.0, rng.uniform(0, 30), rng.uniform(0, 900))),
        "stall": rng.choice((rng.uniform(0, 15), rng.uniform(0, 90), rng.uniform(0, 700))),
        "lock": rng.choice((rng.uniform(0, 1), rng.uniform(0, 8))),
    }[fate]
    return Incident(
        at, fate, rng.randrange(servers), seconds, trigger, rng.choice((rng.randrange(1, 60), rng.randrange(1, 400)))
    )


def _hand(rng: Random, requests: tuple[Request, ...]) -> Hand:
    ways: tuple[ByHand, ...] = ("other seed", "other prompt", "other parent", "other length", "older", "stranger's ref")
    return Hand(rng.choice((0.0, rng.uniform(0, 30), rng.uniform(0, 300))), rng.choice(requests), rng.choice(ways))


def _outage(rng: Random) -> Outage:
    begin = rng.choice((0.0, rng.uniform(0, 60), rng.uniform(0, 400)))
    return Outage(begin, begin + rng.choice((2.0, 20.0, 120.0, 900.0)), rng.choice((0.5, 1.0)))


def _account(rng: Random) -> dict[str, Any]:
    return {
        "max_jobs": rng.choice((1, 2, 5, 5)),
        "slots": rng.choice((1, 2, 2, 3)),
        "permitted": rng.choice((2250, 2250, 2250, 120)),
        "unlimited": rng.random() < 0.8,
        "runway_limit": rng.choice((None, None, None, 1, 2)),
    }


def _switches(rng: Random) -> dict[str, Any]:
    late = (0.0, 0.0, 3.0, 20.0, 120.0, 700.0)
    return {
        "wrap_create": rng.random() < 0.5,
        "wrap_get": rng.random() < 0.3,
        "task_list": rng.choices(("array", "wrapped", "object"), (6, 3, 1))[0],
        "task_order": rng.choice(("newest", "newest", "oldest", "shuffled")),
        "reply_in_get": rng.random() < 0.3,
        "reply_in_list": rng.random() < 0.3,
        "code_in_get": rng.random() < 0.3,
        "extra_fields": rng.random() < 0.3,
        "retry_after": rng.choice((None, None, 3.0, 40.0)),
        "over_slots": rng.choice(("THROTTLED", "PENDING", "429")),
        "running_word": rng.choice(("RUNNING", "RUNNING", "RUNNING", "PROCESSING")),
        "progress": rng.choice(("string", "number", "null")),
        "brief_404": rng.choice((0.0, 0.0, 2.0, 30.0)),
        "late_in_lists": rng.choice(late),
        "late_in_scheduler": rng.choice(late),
        "moderation": rng.choice(("422", "400", "failed")),
        "task_error": rng.choice(("object", "object", "string", "null")),
        "metadata": rng.choice(("own", "A", "B", "null")),
        "gen3_gone": rng.random() < 0.01,
        "thin_ends": rng.random() < 0.3,
    }


def _script(rng: Random) -> dict[str, Any]:
    outcome = rng.choices(("succeed", "fail", "moderate", "cancel", "empty", "several"), (6, 2, 1, 1, 1, 1))[0]
    return {"outcome": outcome, "duration": rng.choice((None, 0.0, rng.uniform(0, 300)))}


_UNCLEAR = (500, 502, 503, 504, 520, 522, 408, 425)
_CLEAR = (400, 401, 402, 404, 412, 596)
_HTML = "<html><body>Bad gateway</body></html>"
_ODD: tuple[Any, ...] = ({"error": "odd"}, [], None, "null", {"task": None}, {"status": "PENDING"}, "{", _HTML, 17)
_USEAPI_429: dict[str, Any] = {
    "error": "Account director@example.com is busy executing 1 tasks",
    "runningTasks": {},
    "code": 429,
}
_RUNWAY_429: dict[str, Any] = {
    "error": "You have too many tasks running or pending. Please wait for some of them to finish."
}


def _rule(rng: Random) -> dict[str, Any]:
    """A fault of the stand-in's own: on submits or on one of the reads that settle them."""
    if rng.random() < 0.6:
        return {"method": "POST", "times": rng.choice((1, 1, 2)), **rng.choice(_POSTS)(rng)}
    path = rng.choice(("/tasks", "/tasks/", "/scheduler", "/assets", ""))
    return {"method": "GET", "path_prefix": path, "times": rng.choice((1, 3, 20)), **rng.choice(_READS)(rng)}


def _odd_answer(rng: Random) -> dict[str, Any]:
    return {"kind": "status", "status": 200, "body": rng.choice(_ODD), "handled": rng.random() < 0.6}


def _slow(rng: Random) -> dict[str, Any]:
    return {"kind": rng.choice(("delay", "delay_after")), "seconds": rng.choice((1.0, 12.0, 40.0, 90.0))}


def _dropped(rng: Random) -> dict[str, Any]:
    kind = rng.choice(("reset", "reset_after", "cut"))
    return {"kind": kind, "after_bytes": rng.randrange(3000)}


def _unclear(rng: Random) -> dict[str, Any]:
    body = rng.choice((None, _HTML, {"error": "Internal"}, ""))
    return {"kind": "status", "status": rng.choice(_UNCLEAR), "body": body, "handled": rng.random() < 0.6}


def _refused(rng: Random) -> dict[str, Any]:
    return {"kind": "status", "status": rng.choice(_CLEAR), "body": rng.choice(({"error": "no"}, "no", None, _HTML))}


def _busy(rng: Random) -> dict[str, Any]:
    body = rng.choice((_USEAPI_429, _RUNWAY_429, None, _HTML))
    return {"kind": "status", "status": 429, "body": body, "retry_after": rng.choice((None, 1.0, 17.0, 500.0))}


def _redirected(rng: Random) -> dict[str, Any]:
    return rng.choice(({"kind": "redirect"}, {"kind": "status", "status": 307, "body": "", "handled": True}))


_POSTS = (_odd_answer, _slow, _dropped, _unclear, _unclear, _refused, _busy, _redirected)
_READS = (_odd_answer, _slow, _dropped, _unclear, _refused, _busy, _redirected)
