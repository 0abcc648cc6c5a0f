"""Judges what hosts were told, against what upstream knows: what `docs/reliability.md` and `docs/tools.md` promise.

*Lies* are words on money, on a repeat, on an end or a film, and next steps, which upstream's facts contradict. *Broken*
are calls that crash, never end, or overstay what they may take.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.campaign.facts import Asked, Facts, Made, Post, Verdict, part
from tests.campaign.requests import Key, Requests, price

_TERMINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
_NO, _YES, _UNKNOWN = "no", "yes", "unknown"
# The kinds of errors: what may be said of money.
_CHARGED: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            "invalid_request",
            "unauthorized",
            "subscription",
            "account",
            "not_configured",
            "declined",
            "insufficient_credits",
            "spend_limit",
            "busy",
        ),
        frozenset({_NO}),
    ),
    # A refusal that no look has confirmed yet is told with charged unknown, whatever its kind.
    "unavailable": frozenset({_NO, _UNKNOWN}),
    "unexpected_response": frozenset({_NO, _UNKNOWN}),
    "not_found": frozenset({_NO, _YES}),
    "moderated": frozenset({_NO, _UNKNOWN}),
    "generation_failed": frozenset({_UNKNOWN, _YES}),
    "cancelled": frozenset({_UNKNOWN}),
    "submission_unknown": frozenset({_UNKNOWN}),
}
# Errors that end the request: the same call is no next step.
_FOR_GOOD = frozenset({"moderated", "generation_failed", "cancelled", "declined", "invalid_request"})
# What upstream calls the end of each outcome.
_ENDS = {
    "moderate": frozenset({"moderated", "generation_failed"}),
    "fail": frozenset({"generation_failed"}),
    "cancel": frozenset({"cancelled"}),
    "empty": frozenset({"generation_failed"}),
}
# A success without a film is told RUNNING for its first minute; a little is left to the clock's grain.
_FILM_SECONDS = 55.0
# However short its wait, a call may take ten seconds to plan and five for the answer to its POST.
_LEAST_WAIT = 15.0
# What a call may take beyond its wait: the ledger's lock is waited for, and two looks.
_GRACE = 10.0
# How long a person is waited for in any case.
_PERSON = 30.0
# What a call may take that finds its task known and named no wait.
_AT_ONCE = 12.0
# How long the same news takes from one process to another.
_NEWS = 1.0
# How late upstream may show what it refused, or asked to wait for, and accepted all the same; and a look after that.
_SHOWN = 3.0
# Among more tasks than this, no page of them must hold a certain one.
_CROWD = 40
# After so many seconds on a healthy upstream every end is known.
_SETTLED = 90.0


@dataclass
class _Case:
    facts: Facts
    requests: Requests
    verdict: Verdict

    def __post_init__(self) -> None:
        self.by_id = {made.task_id: made for made in self.facts.made}
        self.posts = {post.number: post for post in self.facts.posts}
        self.by_key: dict[Key, list[Made]] = {}
        for post in self.facts.posts:
            if post.made is not None:
                self.by_key.setdefault(self.requests.of_post[post.number], []).append(post.made)

    def made_for(self, asked: Asked) -> list[Made]:
        """The tasks that were made for a call's request."""
        key = self.requests.of_asked[asked.number]
        return self.by_key.get(key, []) if key else []

    def post_of(self, made: Made) -> Post | None:
        """The POST of ours that made a task."""
        return None if made.post is None else self.posts[made.post]


def judge_answers(facts: Facts, requests: Requests, verdict: Verdict) -> None:
    """Adds to the verdict what hosts were told wrongly, too late, or not at all."""
    case = _Case(facts, requests, verdict)
    for asked in facts.asked:
        _judge_end(case, asked)
        if asked.content is not None:
            for look in _LOOKS:
                look(case, asked, asked.content)


def _judge_end(case: _Case, asked: Asked) -> None:
    """A call must end, in time, with an answer of the contract's form."""
    name = _name(asked)
    if asked.end == "crashed":
        case.verdict.find("broken", f"{name} crashed: {asked.trouble}")
    if asked.patient or asked.trouble or not (case.facts.prompt or asked.last):
        return
    if asked.end == "open":
        case.verdict.find("broken", f"{name} never ended")
    if asked.ended is None or asked.end != "answered":
        return
    took, wait = asked.ended - asked.began, asked.wait
    allowed = max(asked.limit if wait is None else min(wait, asked.limit), _LEAST_WAIT)
    if asked.asking and case.facts.policy.confirm_above is not None:
        allowed += _PERSON
    is_timed = not ("model" in asked.arguments or _is_continuation(asked.content or {}))
    if is_timed:
        case.verdict.late = max(case.verdict.late, took - allowed)
    if took > allowed + _GRACE and is_timed:
        case.verdict.find("broken", f"{name} took {took:.1f} s of {allowed:.0f} s")
    if wait is None and asked.spends and took > _AT_ONCE and _is_known(case, asked):
        case.verdict.find("broken", f"{name} took {took:.1f} s to tell a task that was known")


def _is_known(case: _Case, asked: Asked) -> bool:
    """Whether a call's task had been told to a host before the call began."""
    ids = {made.task_id for made in case.made_for(asked)}
    return asked.tool == "extend_video" and any(
        earlier.ended is not None
        and earlier.ended < asked.began - _NEWS
        and earlier.end == "answered"
        and (earlier.content or {}).get("taskId") in ids
        for earlier in case.facts.asked
    )


def _judge_task(case: _Case, asked: Asked, content: dict[str, Any]) -> None:
    """A returned task must be one that the request made."""
    told = content.get("taskId")
    if told is None:
        return
    if asked.tool == "get_task":
        if told != asked.arguments.get("taskId"):
            case.verdict.find("wrong", f"{_name(asked)} returned {told}")
    elif case.requests.of_asked[asked.number] and told not in {made.task_id for made in case.made_for(asked)}:
        case.verdict.find("wrong", f"{_name(asked)} returned {told}, which its request did not make")


def _judge_status(case: _Case, asked: Asked, content: dict[str, Any]) -> None:
    """An end must be the task's own, and its film too."""
    made, status = case.by_id.get(content.get("taskId", "")), content.get("status")
    if made is None or asked.ended is None:
        return
    name, error = _name(asked), content.get("error")
    if status in _TERMINAL and (status != made.status or asked.ended < made.ends):
        case.verdict.find("lies", f"{name} said {status}, and the task is {made.status} at {made.ends:.0f}")
        return
    films = [video["assetId"] for video in (content.get("video"), *content.get("more_videos", ())) if video]
    if strange := [film for film in films if film not in made.films]:
        case.verdict.find("lies", f"{name} told of the film {strange[0]}, which the task did not make")
    if status != "SUCCEEDED":
        return
    early = asked.ended < max(made.ends + _FILM_SECONDS, made.films_at if made.films else 0.0)
    if error and (early or made.films):
        case.verdict.find("lies", f"{name} said {error['kind']} of a success whose film may still come")
    if not error and not films and made.shown:
        case.verdict.find("lies", f"{name} told of a success without a film and without an error")


def _judge_error(case: _Case, asked: Asked, content: dict[str, Any]) -> None:
    """What is said of money and of a repeat must be true."""
    error = content.get("error")
    if error is None:
        return
    kind, charged, safe = error["kind"], error["charged"], error["retry_safe"]
    said = f"{_name(asked)} said {kind} (charged {charged}, retry_safe {safe})"
    allowed = _CHARGED.get(kind)
    made = case.made_for(asked)
    if allowed is None:
        case.verdict.find("lies", f"{said}, a kind that the contract does not have")
    elif charged not in allowed and not _is_excused(case, asked, kind, charged):
        case.verdict.find("lies", f"{said}, and the contract says {'or '.join(sorted(allowed))}")
    unsafe = kind == "moderated" and asked.tool == "extend_video"
    if safe is unsafe and not asked.patient:
        case.verdict.find("lies", f"{said}, and the contract says {not unsafe}")
    if not asked.spends or asked.ended is None:
        return
    if kind == "not_found" and charged != "unknown" and any(it.shown and it.accepted < asked.began for it in made):
        case.verdict.find("lies", f"{said}, and upstream has its task")
    if charged == _YES and not made:
        case.verdict.find("lies", f"{said}, and nothing was charged")
    if charged == _NO and not _speaks_of_itself(case, asked, kind):
        known = asked.ended - _SHOWN if case.facts.prompt and kind == "busy" else asked.began
        own = [it for it in made if _left_during(case, it, asked) and it.cost and it.accepted < asked.ended - _SHOWN]
        before = [it for it in made if it.accepted < known and it.cost]
        if before or (own and _is_alone(case, asked)):
            case.verdict.find("lies", f"{said}, and POST {(before or own)[0].post} was accepted")


def _is_excused(case: _Case, asked: Asked, kind: str, charged: str) -> bool:
    """Whether a word on money is true although the contract's table has another.

    What explore mode makes is charged to nobody; a refusal is told with charged unknown until a look succeeds.
    """
    key = case.requests.of_asked[asked.number]
    if charged == _NO:
        return kind == "generation_failed" and all(made.cost == 0 for made in case.made_for(asked))
    return charged == _UNKNOWN and any(
        post.refused and case.requests.of_post[post.number] == key for post in case.facts.posts
    )


def _speaks_of_itself(case: _Case, asked: Asked, kind: str) -> bool:
    """Whether the ledger could not be asked: then the call can speak of itself alone."""
    ended = asked.ended or asked.began
    return kind == "unavailable" and any(begin < ended and asked.began < end for begin, end in case.facts.locked)


def _left_during(case: _Case, made: Made, asked: Asked) -> bool:
    post = case.post_of(made)
    return post is not None and asked.began <= (post.departed or 0.0) <= (asked.ended or 0.0)


def _is_alone(case: _Case, asked: Asked) -> bool:
    """Whether no other call for the same request was under way."""
    key, ended = case.requests.of_asked[asked.number], asked.ended or asked.began
    return not any(
        other is not asked
        and case.requests.of_asked[other.number] == key
        and other.began <= ended
        and (other.ended is None or other.ended >= asked.began or other.end != "answered")
        for other in case.facts.asked
    )


def _judge_twin(case: _Case, asked: Asked, content: dict[str, Any]) -> None:
    """An earlier submit is told as a twin that costs nothing, and a new one as new, at its price."""
    key, made = case.requests.of_asked[asked.number], case.by_id.get(content.get("taskId", ""))
    post = case.post_of(made) if made else None
    if not asked.spends or asked.patient or key is None or post is None or "error" in content:
        return
    name, twin, cost = _name(asked), bool(content.get("twin")), part(content, "credits").get("cost")
    departed = post.departed or 0.0
    if departed < asked.began and not twin:
        case.verdict.find("lies", f"{name} did not say twin of a task made {asked.began - departed:.0f} s before")
    elif departed >= asked.began and twin and _is_alone(case, asked):
        case.verdict.find("lies", f"{name} said twin of a task that it made")
    if cost is not None and cost != (0 if twin else price(key.base)):
        case.verdict.find(
            "lies", f"{name} said that it costs {cost} (twin {twin}), and upstream took {made and made.cost}"
        )


def _is_continuation(content: dict[str, Any]) -> bool:
    """Whether a result offers a model for a clip that Runway extends no more, whose price and file are no matter here.

    The file is read in a thread, while which virtual time goes on, so how long that took says nothing.
    """
    offered = f"{content.get('model', '')} {part(content, 'next_step').get('arguments', '')}"
    return "gen4" in offered


def _judge_price(case: _Case, asked: Asked, content: dict[str, Any]) -> None:
    """A dry run tells what the call would cost: nothing, where an earlier submit answers it."""
    key = case.requests.of_asked[asked.number]
    if not asked.dry or key is None or content.get("status") != "DRY_RUN" or _is_continuation(content):
        return
    posted = any(case.requests.of_post[post.number] == key for post in case.facts.posts)
    cost, wanted = part(content, "credits").get("cost"), {price(key.base)}
    if _is_known(case, asked):
        wanted = {0}
    elif posted:
        wanted.add(0)
    if cost not in wanted:
        case.verdict.find("lies", f"{_name(asked)} priced {cost}, and it would be {' or '.join(map(str, wanted))}")


def _judge_step(case: _Case, asked: Asked, content: dict[str, Any]) -> None:
    """A next step must lead to what is there, and not to what failed for good."""
    step, error = content.get("next_step"), part(content, "error")
    if step is None:
        return
    name, arguments = _name(asked), step["arguments"]
    made = case.by_id.get(content.get("taskId", ""))
    if step["tool"] == "get_task":
        near = {
            content.get("taskId"),
            asked.arguments.get("taskId"),
            *(it["taskId"] for it in content.get("candidates", ())),
        }
        own = {it.task_id for it in case.made_for(asked)}
        if arguments.get("taskId") not in near | own:
            case.verdict.find("lies", f"{name} leads to {arguments.get('taskId')}, which is not about it")
    elif step["tool"] == "extend_video":
        if content.get("status") == "SUCCEEDED" and made is not None:
            if arguments.get("assetId") not in made.films or not arguments.get("dry_run"):
                case.verdict.find("lies", f"{name} leads on to {arguments} after its film")
        elif error.get("kind") in _FOR_GOOD and error.get("retry") != "later" and _is_same(arguments, asked.arguments):
            case.verdict.find("lies", f"{name} said {error['kind']} and leads to the same call")


def _is_same(step: dict[str, Any], asked: dict[str, Any]) -> bool:
    apart = {"wait_seconds", "dry_run"}
    plain = [{name: value for name, value in it.items() if name not in apart} for it in (step, asked)]
    return plain[0] == plain[1] and not step.get("dry_run")


def _judge_last(case: _Case, asked: Asked, content: dict[str, Any]) -> None:
    """At the healthy end the same call finds what its request made, and tells its end."""
    made = [it for it in case.made_for(asked) if it.shown and it.accepted < asked.began - _SETTLED]
    if not asked.last or not asked.spends or not made:
        return
    kind = part(content, "error").get("kind")
    told = next((it for it in made if it.task_id == content.get("taskId")), None)
    if told is None:
        key, candidates = case.requests.of_asked[asked.number], [it["taskId"] for it in content.get("candidates", ())]
        crowded = len(case.facts.made) > _CROWD
        unnamed = [it for it in made if not it.named and key and key.seed is not None]
        named = [it for it in unnamed if crowded or it.task_id in candidates]
        if not named and not any(kind in _ENDS.get(it.outcome, ()) for it in made):
            sentence = f"{_name(asked)} does not find the task of POST {made[0].post} at the end: {kind}"
            case.verdict.find("lost", sentence)
    elif max(told.ends, told.films_at) < asked.began - _SETTLED:
        wanted = _ENDS.get(told.outcome)
        if told.outcome == "empty" and content.get("status") == "RUNNING":
            return
        if (kind not in wanted) if wanted else (kind is not None or content.get("status") != told.status):
            said = kind or content.get("status")
            case.verdict.find("lies", f"{_name(asked)} said {said} of a task that ended in {told.outcome}")


def _name(asked: Asked) -> str:
    return f"call {asked.number} ({asked.host} at {asked.process})"


_LOOKS: tuple[Callable[[_Case, Asked, dict[str, Any]], None], ...] = (
    _judge_task,
    _judge_status,
    _judge_error,
    _judge_twin,
    _judge_price,
    _judge_step,
    _judge_last,
)
