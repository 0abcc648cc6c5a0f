"""Transitions of intents: every rule on what a claim, an answer, a look or a task changes, as pure functions.

A store applies them inside its transactions and has no rules of its own. Each takes the intent as it stands, the time
that was read inside the transaction (Unix seconds) and the facts, and returns the changed intent: the same one if
nothing changes, None if the change is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from runway_mcp.runway.fields import is_storable
from runway_mcp.tasks.catalogue import MODELS
from runway_mcp.tasks.intents import (
    AUTO,
    BLIND_SECONDS,
    JOIN,
    LOOKING_SECONDS,
    OPEN,
    POSTING_LEASE,
    UPLOAD,
    WAITING_LEASE,
    Film,
    Intent,
    RequestKey,
    State,
    Step,
    answers_duplicates,
    has_lease,
    is_lapsed,
    spelling_key,
)
from runway_mcp.tasks.policy import DAY_SECONDS, Quote, Spend, SpendPolicy, check_caps, check_quote


class Selection(StrEnum):
    """A set of intents that a store can list."""

    UNFINISHED = "unfinished"
    """The outcome of the POST is unknown and looked for, or the task has not ended."""
    CLOSED_LATELY = "closed_lately"
    """Closed as unknown in the last 24 hours."""
    SUBMITTED = "submitted"
    """Has, or may have, a task: refused and waiting intents are left out."""
    SUCCEEDED = "succeeded"
    """The task has ended as a success."""
    WITHOUT_FILM = "without_film"
    """The task was recorded as a success without a film."""
    UNJOINED = "unjoined"
    """The task has succeeded, of a request that takes several steps, and the last of them has not ended."""
    JOINED = "joined"
    """The task has succeeded, of a request that takes several steps, and the last of them has ended."""
    ABANDONED = "abandoned"
    """Waits past its lease: whoever held it is gone."""
    WAITING = "waiting"
    """Waits for its POST, whether or not anybody holds it."""


def is_selected(intent: Intent, now: float, selection: Selection) -> bool:
    """Whether an intent belongs to a selection."""
    has_succeeded = intent.status == "SUCCEEDED" and intent.ended is not None
    match selection:
        case Selection.UNFINISHED:
            is_running = intent.state is State.ACCEPTED and intent.ended is None
            return is_running or intent.state in (State.POSTING, State.UNCLEAR)
        case Selection.CLOSED_LATELY:
            return intent.state is State.UNKNOWN and intent.closed is not None and intent.closed > now - BLIND_SECONDS
        case Selection.SUBMITTED:
            return intent.state not in (State.REFUSED, State.WAITING)
        case Selection.SUCCEEDED | Selection.UNJOINED | Selection.JOINED:
            is_joined = intent.step(JOIN) is not None if intent.steps else None
            wanted = {Selection.SUCCEEDED: is_joined, Selection.UNJOINED: False, Selection.JOINED: True}[selection]
            return has_succeeded and is_joined is wanted
        case Selection.WITHOUT_FILM:
            return intent.status == "SUCCEEDED" and intent.failure_kind is not None
        case Selection.WAITING | Selection.ABANDONED:
            return intent.state is State.WAITING and (is_lapsed(intent, now) or selection is Selection.WAITING)


def is_of_request(intent: Intent, key: RequestKey) -> bool:
    """Whether an intent is of the request with these keys; a generated seed that is given back counts as not given."""
    if intent.idempotency_key == key.given:
        return True
    return intent.idempotency_key == key.unseeded and intent.seed == key.seed


def deciding(intents: Iterable[Intent], now: float) -> Intent | None:
    """Of the intents of one request, the one that decides it; None if there are none.

    One that answers duplicates, preferably with a film; else the newest one, which may be claimed again.
    """
    newest = sorted(intents, key=lambda intent: intent.created, reverse=True)
    return min(newest, key=lambda intent: _rank(intent, now), default=None)


def _rank(intent: Intent, now: float) -> int:
    if not answers_duplicates(intent, now=now):
        return 3
    if intent.state is State.ACCEPTED and intent.failure_kind is None:
        return 0 if intent.ended is not None else 1
    return 2


def duplicate_of(intents: Iterable[Intent], now: float) -> Intent | None:
    """Of the intents of one request, the one that answers its duplicates; None if the request may be submitted."""
    found = deciding(intents, now)
    return found if found is not None and answers_duplicates(found, now=now) else None


def spend_of(intent: Intent, now: float) -> Spend | None:
    """What an intent counts as under the daily cap; None for what is free, older than a day, or certainly not charged.

    Unclear, unfinished and failed submits count as spent, and so does a waiting one while its lease runs or while an
    earlier POST of it may have been accepted.
    """
    if intent.cost <= 0 or intent.created <= now - DAY_SECONDS or intent.state is State.REFUSED:
        return None
    if intent.state is State.WAITING and not has_lease(intent, now) and intent.is_verified:
        return None
    return Spend(intent.created, intent.cost)


def spends_of(intents: Iterable[Intent], now: float, *, caller: str) -> list[Spend]:
    """A caller's spends among some intents, oldest first."""
    own = [intent for intent in intents if intent.caller == caller]
    spends = [spend for intent in own if (spend := spend_of(intent, now)) is not None]
    return sorted(spends, key=lambda spend: spend.created)


def claimed(
    wanted: Intent,
    now: float,
    *,
    token: str,
    same: Iterable[Intent],
    last_day: Iterable[Intent],
    policy: SpendPolicy,
    quote: Quote | None,
    covers: str,
    rivals: Iterable[Intent] = (),
) -> tuple[Intent, bool]:
    """The intent to be written for a request, or the earlier one that answers it, and True for the latter.

    `same` are the intents of the same request, `last_day` those of the last 24 hours, of which only the caller's count;
    `quote` is the stored one that the policy names, `covers` the key of the arguments that it must be for, `token` a
    new unguessable claim. An intent that is claimed again keeps its id, seed and replyRef, and its old cost does not
    count. `rivals` are the intents of other models for the same call, which names none. Raises `PolicyRefused`, but
    never for a duplicate.
    """
    found = deciding(same, now)
    for each in (found, deciding(filter(_is_without_model, rivals), now)):
        if each is not None and answers_duplicates(each, now=now):
            return each, True
    others = [intent for intent in last_day if found is None or intent.id != found.id]
    check_caps(wanted.cost, policy, spends_of(others, now, caller=wanted.caller))
    held = _held(wanted, found, now, token)
    check_quote(held.cost, policy, quote, covers=covers, intent_id=held.id, now=now)
    return held, False


def _is_without_model(intent: Intent) -> bool:
    """Whether its call named no model: that of an extension never does."""
    return intent.task_type in MODELS or intent.step(AUTO) is not None


def _held(wanted: Intent, found: Intent | None, now: float, token: str) -> Intent:
    intent = wanted
    if found is not None:
        callback_token = found.callback_token or wanted.callback_token
        again = {"cost": wanted.cost, "callback_token": callback_token, "failure_kind": None, "failure_message": None}
        # That this call names no model has to stay known: whatever is set later, the same call is the same request.
        steps = (*found.steps, *(step for step in wanted.steps if found.step(step.name) is None))
        intent = replace(found, state=State.WAITING, steps=steps, **again)
    return replace(intent, created=now, lease=now + WAITING_LEASE, claim=token)


def names_of_source(intent: Intent, spellings: Iterable[str]) -> set[str]:
    """The keys under which a store keeps the source of an intent, by its id and further names.

    A name that not every store can keep is left out.
    """
    return {spelling_key(name) for name in (intent.source_asset_id, *spellings) if is_storable(name)}


def begun(intent: Intent, now: float, *, claim: str, upstream: float | None) -> Intent | None:
    """A waiting intent whose POST leaves now; None if lease or claim was lost, in which case nothing may be posted.

    `created` becomes `now`, since its task cannot be older, however long it waited for a slot. `upstream` is the time
    on upstream's clock, if known; that of the first POST is kept.
    """
    if not _is_held(intent, now, claim):
        return None
    return replace(
        intent,
        state=State.POSTING,
        created=now,
        lease=now + POSTING_LEASE,
        posts=intent.posts + 1,
        posted=intent.posted if intent.posts else upstream,
        looked=False,
        failure_kind=None,
        failure_message=None,
    )


def kept_waiting(intent: Intent, now: float, *, claim: str, seconds: float) -> Intent | None:
    """A waiting intent with a lease that lasts `seconds` longer; None if lease or claim was lost."""
    return replace(intent, lease=now + seconds + WAITING_LEASE) if _is_held(intent, now, claim) else None


def _is_held(intent: Intent, now: float, claim: str) -> bool:
    return intent.claim == claim and intent.state is State.WAITING and has_lease(intent, now)


def answered(
    intent: Intent, now: float, *, claim: str, posts: int, state: State, looked: bool, failure: tuple[str, str] | None
) -> Intent:
    """An intent whose POST was answered without a task; unchanged unless `claim` holds it and no task is known.

    Nor does it change once there have been more POSTs than `posts`, of which the answer says nothing. `looked` says
    that a complete look after the POST found none. The state `WAITING` starts a new lease.
    """
    if intent.claim != claim or intent.posts != posts or intent.state not in OPEN:
        return intent
    kind, message = failure or (None, None)
    return replace(
        intent,
        state=state,
        looked=looked,
        lease=now + WAITING_LEASE if state is State.WAITING else intent.lease,
        closed=None,
        failure_kind=kind,
        failure_message=message,
    )


def stepped(intent: Intent, now: float, *, claim: str, name: str, made: Mapping[str, Any]) -> Intent | None:
    """An intent of which a step has ended; None if the claim was lost. A step that has ended before stays as it is.

    But for three: the upload of what was never posted, since one that is gone was made anew, and its task will tell the
    new one; by which refusal a model came to be chosen; and the join, since a film whose file is gone is joined anew.
    """
    if intent.claim != claim:
        return None
    if any(step.name == name for step in intent.steps):
        is_unposted = intent.state is State.WAITING and not intent.posts
        if name not in (AUTO, JOIN) and not (name == UPLOAD and is_unposted):
            return intent
        intent = replace(intent, steps=tuple(step for step in intent.steps if step.name != name))
    return replace(intent, steps=(*intent.steps, Step(name, now, dict(made))))


def withdrawn(intent: Intent, *, claim: str, failure: tuple[str, str] | None = None) -> Intent:
    """A waiting intent whose holder gives up: refused if it certainly has no task, else unclear.

    `failure` is the kind and message of what made it give up; without one it is `busy`. One of the kind
    `submission_unknown` leaves it unclear: upstream may have a task of it though this holder posted nothing.
    """
    if intent.claim != claim or intent.state is not State.WAITING:
        return intent
    is_doubted = failure is not None and failure[0] == "submission_unknown"
    state = State.REFUSED if intent.is_verified and not is_doubted else State.UNCLEAR
    if failure is not None:
        looked = intent.looked and not is_doubted
        return replace(intent, state=state, looked=looked, failure_kind=failure[0], failure_message=failure[1])
    return replace(intent, state=state, failure_kind="busy" if intent.failure_kind is None else intent.failure_kind)


def looked_for(intent: Intent, now: float, *, before: Intent, complete: bool, alike: bool = False) -> Intent:
    """An intent after a look that found no task.

    `before` is the intent as it stood when the look began: the look proves nothing about what was posted or answered
    since. `complete` says that the look could read the scheduler and the task list, `alike` that it saw a task which
    may be the intent's. A complete look confirms a refusal, unless it saw one; else the first one after ten minutes
    closes the intent as unknown, and so does a day without any.
    """
    if intent.state not in OPEN or intent.posts != before.posts:
        return intent
    changed, age = intent, now - intent.created
    sees_none = complete and not alike and State.POSTING not in (before.state, intent.state)
    if sees_none:
        changed = replace(changed, looked=True)
    if sees_none and before.failure_kind is not None:
        if changed.failure_kind == "submission_unknown":
            changed = replace(changed, failure_kind="unavailable", failure_message=_NOTHING_MADE)
        return replace(changed, state=State.REFUSED, closed=None)
    if intent.state is not State.UNKNOWN and age >= (LOOKING_SECONDS if complete else BLIND_SECONDS):
        return replace(changed, state=State.UNKNOWN, looked=complete, closed=now)
    return changed


_NOTHING_MADE = "Runway's lists show by now that nothing was submitted or charged. Make the same call again."


def orphaned(intent: Intent, now: float) -> Intent:
    """An intent whose holder is away past its lease, with a POST of unknown outcome: it becomes unclear."""
    if not is_lapsed(intent, now):
        return intent
    if intent.state is State.POSTING:
        return replace(intent, state=State.UNCLEAR)
    if intent.state is State.WAITING and not intent.is_verified:
        return replace(intent, state=State.UNCLEAR, failure_kind="busy")
    return intent


def adopted(intent: Intent, *, owner: Intent | None, task_id: str, status: str) -> Intent | None:
    """An intent that owns a task; None if `owner`, which owns the task so far, is another one.

    An intent that has a task already keeps it.
    """
    if owner is not None and owner.id != intent.id:
        return None
    if intent.task_id is not None:
        return intent
    return replace(
        intent, state=State.ACCEPTED, task_id=task_id, status=status, failure_kind=None, failure_message=None
    )


def observed(
    intent: Intent, now: float, *, status: str, ended: bool, film: Film | None, failure: tuple[str, str] | None
) -> Intent:
    """An intent whose task was read.

    An end is final, whatever an older read reports later; only a film that appears replaces a success without one, or
    a task that was gone.
    """
    is_news = intent.ended is None and (ended or intent.status != status)
    was_missed = intent.film is None and (intent.status == "SUCCEEDED" or intent.failure_kind == "not_found")
    if not is_news and not (film is not None and was_missed):
        return intent
    kind, message = failure or (None, None)
    ended_at = intent.ended if intent.ended is not None or not ended else now
    return replace(intent, status=status, ended=ended_at, film=film, failure_kind=kind, failure_message=message)
