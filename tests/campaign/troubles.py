"""Draws what goes wrong at upstream: its rules of trouble, its switches, the fates of its tasks, its outages."""

from collections.abc import Callable
from random import Random
from typing import Any

from tests.campaign.scenario import Outage

Rule = dict[str, Any]

# Where upstream refuses what it has accepted, its lists may be late by so many seconds at most: two looks, the second
# after two seconds, are all that can tell.
LATEST_TRUTH = 1.5

_UNCLEAR = (500, 502, 503, 504, 520, 522, 408, 425)
_CLEAR = (400, 401, 402, 404, 412, 596)
_AFTER = (400, 404, 409, 412, 596)
_HTML = "<html><body>Bad gateway</body></html>"
_ODD: tuple[Any, ...] = ({"error": "odd"}, [], None, "null", {"task": None}, {"status": "PENDING"}, "{", _HTML, 17)
_USEAPI_429: Rule = {
    "error": "Account director@example.com is busy executing 1 tasks",
    "runningTasks": {},
    "code": 429,
}
_RUNWAY_429: Rule = {"error": "You have too many tasks running or pending. Please wait for some of them to finish."}


def account(rng: Random) -> dict[str, Any]:
    """The limits of an account."""
    return {
        "max_jobs": rng.choice((1, 2, 5, 5)),
        "slots": rng.choice((1, 2, 2, 3)),
        "permitted": rng.choice((2250, 2250, 2250, 120)),
        "unlimited": rng.random() < 0.8,
        "runway_limit": rng.choice((None, None, None, 1, 2)),
    }


def switches(rng: Random) -> dict[str, Any]:
    """Upstream's shapes and how late it shows things."""
    late = (0.0, 0.0, 0.0, 1.0, 3.0, 20.0, 120.0, 700.0)
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
        "late_films": rng.choice((0.0, 0.0, 0.0, 0.0, rng.uniform(5, 50))),
        "moderation": rng.choice(("422", "400", "failed")),
        "task_error": rng.choice(("object", "object", "string", "null")),
        "metadata": rng.choice(("own", "A", "B", "null")),
        # Never: such a clip is priced with a model, and that dry run reads its file in a thread, while virtual time
        # goes on. Tests of continuing play it. It is still drawn, so that each seed means what it did.
        "gen3_gone": rng.random() < 0.0,
        "thin_ends": rng.random() < 0.3,
    }


def truthful(rng: Random, drawn: dict[str, Any]) -> dict[str, Any]:
    """The same switches for an upstream that shows each task soon enough for two looks to find it."""
    late = (0.0, 0.0, 0.5, LATEST_TRUTH)
    listed = "array" if drawn["task_list"] == "object" else drawn["task_list"]
    return drawn | {
        "task_list": listed,
        "brief_404": 0.0,
        "late_in_lists": rng.choice(late),
        "late_in_scheduler": rng.choice(late),
    }


def script(rng: Random) -> dict[str, Any]:
    """The fate of one task."""
    outcome = rng.choices(("succeed", "fail", "moderate", "cancel", "empty", "several"), (6, 2, 1, 1, 1, 1))[0]
    return {"outcome": outcome, "duration": rng.choice((None, 0.0, rng.uniform(0, 300)))}


def outage(rng: Random) -> Outage:
    """A time in which upstream is away, or half away."""
    begin = rng.choice((0.0, rng.uniform(0, 60), rng.uniform(0, 400)))
    return Outage(begin, begin + rng.choice((2.0, 20.0, 120.0, 900.0)), rng.choice((0.5, 1.0)))


def rule(rng: Random) -> Rule:
    """A fault of the stand-in's own: on submits or on one of the reads that settle them."""
    if rng.random() < 0.6:
        return {"method": "POST", "times": rng.choice((1, 1, 2)), **rng.choice(_POSTS)(rng)}
    path = rng.choice(("/tasks", "/tasks/", "/scheduler", "/assets", ""))
    return {"method": "GET", "path_prefix": path, "times": rng.choice((1, 3, 20)), **rng.choice(_READS)(rng)}


def refused_after(rng: Random) -> Rule:
    """A refusal, or a request to wait, of what was accepted all the same: a middle box has sent it twice."""
    times = {"method": "POST", "times": rng.choice((1, 1, 2))}
    if rng.random() < 0.4:
        named: Rule = {"kind": "busy_after"}
        nobody: Rule = {"kind": "status", "status": 429, "body": rng.choice((_RUNWAY_429, _USEAPI_429, None))}
        return times | rng.choice((named, nobody | {"handled": True})) | {"retry_after": rng.choice((None, 1.0, 12.0))}
    body = rng.choice(({"error": "no"}, "no", None, _HTML))
    return times | {"kind": "status", "status": rng.choice(_AFTER), "body": body, "handled": True}


def read_trouble(rng: Random) -> Rule:
    """A read that fails plainly: nothing is made up that could pass for the truth."""
    path = rng.choice(("/tasks", "/tasks/", "/scheduler", ""))
    failing = rng.choice((_dropped, _unclear, _busy))(rng) | {"handled": False}
    return {"method": "GET", "path_prefix": path, "times": rng.choice((1, 2, 5)), **failing}


def _odd_answer(rng: Random) -> Rule:
    return {"kind": "status", "status": 200, "body": rng.choice(_ODD), "handled": rng.random() < 0.6}


def _foreign(rng: Random) -> Rule:
    return {"kind": "foreign", "handled": rng.random() < 0.7}


def _slow(rng: Random) -> Rule:
    return {"kind": rng.choice(("delay", "delay_after")), "seconds": rng.choice((1.0, 12.0, 40.0, 90.0))}


def _dropped(rng: Random) -> Rule:
    kind = rng.choice(("reset", "reset_after", "cut"))
    return {"kind": kind, "after_bytes": rng.randrange(3000)}


def _unclear(rng: Random) -> Rule:
    body = rng.choice((None, _HTML, {"error": "Internal"}, ""))
    return {"kind": "status", "status": rng.choice(_UNCLEAR), "body": body, "handled": rng.random() < 0.6}


def _refused(rng: Random) -> Rule:
    return {"kind": "status", "status": rng.choice(_CLEAR), "body": rng.choice(({"error": "no"}, "no", None, _HTML))}


def _busy(rng: Random) -> Rule:
    body = rng.choice((_USEAPI_429, _RUNWAY_429, None, _HTML))
    return {"kind": "status", "status": 429, "body": body, "retry_after": rng.choice((None, 1.0, 17.0, 500.0))}


def _redirected(rng: Random) -> Rule:
    return rng.choice(({"kind": "redirect"}, {"kind": "status", "status": 307, "body": "", "handled": True}))


_Drawn = tuple[Callable[[Random], Rule], ...]
_POSTS: _Drawn = (_odd_answer, _foreign, _slow, _dropped, _unclear, _unclear, _refused, _busy, _redirected)
_READS: _Drawn = (_odd_answer, _slow, _dropped, _unclear, _refused, _busy, _redirected)
