"""Intent: the ledger's record of one request to spend, from before its POST to the task's end.

The idempotency key, which is what makes two requests the same, is computed here.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# How long an intent without a POST may exceed its wait, in seconds, before another call may claim it.
WAITING_LEASE = 10.0
# How long a POST may be unanswered, in seconds, before another process looks for its task; a POST ends after 60 s.
POSTING_LEASE = 75.0
# No lease lasts longer than this, in seconds: one that would was given before the clock was set back.
LONGEST_LEASE = 120.0
# How long after the end of a lease it is sure to have lapsed, in seconds.
_JUST_AFTER = 0.1
# After so many seconds the next complete look that finds no task closes an unclear submit as unknown.
LOOKING_SECONDS = 600.0
# The same if no look could read both the scheduler and the task list.
BLIND_SECONDS = 86_400.0

GENERATED_REFERENCE = "runway-mcp-"
"""The prefix of every generated replyRef; a caller's replyRef with this prefix counts as not given."""

FILM_PREFIX, FILM_DIGITS = "film_", 16
"""What the id of a film begins with, and how many characters of its intent's id follow."""

AUTO = "auto"
"""The step of a continuation whose model no call named; it makes `refused`, the id of the intent of the same request to
extend that Runway refused, None without one."""

JOIN = "join"
"""The name of the last step of a request that takes several."""

JOINED_FILE = "film.mp4"
"""The name of a joined film's file in its working folder, which it keeps where it is published under no other."""

UPLOAD = "upload"
"""The step that uploads a start frame; it makes `asset_id` and `file`, the name of the uploaded file (`file_of`)."""

NAME_MARKS = ("name:", "link:")
"""The prefixes of spellings that are no ids."""


class State(StrEnum):
    """The state of an intent."""

    WAITING = "waiting"
    """No POST is out: the intent was just written, or all slots are busy."""
    POSTING = "posting"
    """The POST is out and unanswered."""
    UNCLEAR = "unclear"
    """The outcome of the POST is unknown; its task is being looked for.

    With a `failure_kind` the POST was refused, and no look has confirmed yet that there is no task.
    """
    ACCEPTED = "accepted"
    """The task is known."""
    REFUSED = "refused"
    """Nothing was submitted, for certain."""
    UNKNOWN = "unknown"
    """Looking found nothing and has ended."""


OPEN = frozenset({State.POSTING, State.UNCLEAR, State.UNKNOWN})
"""The states in which the outcome of a POST is unknown: only a look or the POST's own answer may change them."""


@dataclass(frozen=True)
class Film:
    """What the ledger keeps of a finished film; no signed link, since links expire.

    `duration` is in seconds, `width` and `height` in pixels.
    """

    asset_id: str
    name: str | None = None
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    size_bytes: int | None = None


@dataclass(frozen=True)
class Step:
    """One step of an intent that has come to its end: its name, when (Unix seconds), and what it made, as JSON."""

    name: str
    ended: float
    made: Mapping[str, Any]


@dataclass(frozen=True)
class Intent:
    """One request to spend. Times are Unix seconds of the ledger's clock; `cost` is an estimate in credits.

    `caller` is whose it is; empty for the one user of stdio and of the one access token. `request` is what was asked
    for by name: the options that make it the same request, with the effective seconds. `parent_task_id` is the task
    that made the source; None for a source without one. `created` is when it was claimed or its last POST left.
    `claim` names the holder that may post for it, so that a replaced holder cannot. `posts` counts its POSTs; `posted`
    is when the first one left, before that when the intent was first claimed, on upstream's clock (None: unknown).
    `looked` says that a look after the last POST could read all that upstream shows. `seed` and `reply_ref` are what
    the POST sends; `seed_generated` and `reply_ref_generated` say that this server made them. `steps` are those that
    have ended, in order, where the request takes several. `ended` is when the task was seen to end, `closed` when
    looking ended. `callback_token` ends the intent's callback address; None if no callback was requested. No signed
    link and no callback address is stored.
    """

    id: str
    caller: str
    idempotency_key: str
    state: State
    created: float
    account: str | None
    task_type: str
    source_asset_id: str
    parent_task_id: str | None
    request: Mapping[str, Any]
    seed: int
    seed_generated: bool
    reply_ref: str
    reply_ref_generated: bool
    cost: int
    extended_count: int | None
    source_name: str | None
    lease: float
    claim: str
    posts: int = 0
    posted: float | None = None
    looked: bool = False
    steps: tuple[Step, ...] = ()
    task_id: str | None = None
    status: str | None = None
    ended: float | None = None
    film: Film | None = None
    closed: float | None = None
    failure_kind: str | None = None
    failure_message: str | None = None
    callback_token: str | None = None

    @property
    def film_id(self) -> str:
        """The id of the film that a continuation makes, known from the claim on."""
        return f"{FILM_PREFIX}{self.id[:FILM_DIGITS]}"

    @property
    def text_prompt(self) -> str | None:
        """The prompt that was asked for; None without one."""
        return self.request.get("text_prompt")

    @property
    def seconds(self) -> int:
        """The seconds that it adds; 0 if they are not known."""
        return self.request.get("seconds", 0)

    @property
    def explore_mode(self) -> bool:
        """Whether it was asked for in explore mode."""
        return bool(self.request.get("explore_mode"))

    def step(self, name: str) -> Step | None:
        """The step of that name, if it has ended."""
        return next((step for step in self.steps if step.name == name), None)

    @property
    def start_frame(self) -> str | None:
        """The name of the uploaded file that the film begins with, from the step of the upload; None without one."""
        uploads = [step.made.get("file") for step in self.steps if step.name == UPLOAD]
        return uploads[-1] if uploads else None

    @property
    def has_outcome(self) -> bool:
        """Whether the outcome of the submit itself is known."""
        return self.state in (State.ACCEPTED, State.REFUSED)

    @property
    def is_verified(self) -> bool:
        """Whether it certainly has no task so far: no POST has left, or a look after the last one found none."""
        return self.posts == 0 or self.looked

    @property
    def is_unconfirmed(self) -> bool:
        """Whether it was refused, and no look has confirmed yet that there is no task."""
        return self.state is State.UNCLEAR and self.failure_kind is not None

    @property
    def is_final(self) -> bool:
        """Whether this request is certain never to be posted again, whatever its outcome."""
        if self.task_id is not None or self.failure_kind == "moderated":
            return True
        return self.state in (State.UNCLEAR, State.UNKNOWN) and self.failure_kind is None


def has_lease(intent: Intent, now: float) -> bool:
    """Whether the lease of an intent lasts, for its holder.

    Unlike `is_lapsed` it believes a lease of any length: what a holder may still post is counted, whatever the clock.
    """
    return intent.lease >= now


def is_lapsed(intent: Intent, now: float) -> bool:
    """Whether nobody holds an intent any more: its lease has ended, or the clock was set back since it was given.

    Whoever holds it all the same has the claim as a fence.
    """
    return not now <= intent.lease <= now + LONGEST_LEASE


def next_lapse(intents: Iterable[Intent], now: float, *, most: float) -> float:
    """In how many seconds the first of some leases that still hold has lapsed; `most` if none does before."""
    left = [intent.lease - now + _JUST_AFTER for intent in intents if not is_lapsed(intent, now)]
    return min([most, *left])


def answers_duplicates(intent: Intent, *, now: float) -> bool:
    """Whether a duplicate is answered by this intent instead of a POST.

    False only if nothing was charged for certain: a refused intent, or one left waiting past its lease, may be claimed
    again. A moderated one is not.
    """
    match intent.state:
        case State.WAITING:
            return not is_lapsed(intent, now)
        case State.REFUSED:
            return intent.failure_kind == "moderated"
        case _:
            return True


def idempotency_key(
    *, caller: str, source_asset_id: str, model: str, request: Mapping[str, Any], seed: int | None
) -> str:
    """The key that two requests of a caller share exactly if they ask for the same film.

    `request` holds the options that count, by name, with the effective seconds; an option that is off is left out, so
    that a new option changes no key. `seed` is the given one. How to wait, callbacks and replyRef do not count.
    """
    asked = [caller, source_asset_id, model, {**request}, seed]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class RequestKey:
    """The keys of a request: its idempotency key as given, and the one without its seed.

    A generated seed is often copied from a result into the next request; it then counts as not given.
    """

    given: str
    unseeded: str
    seed: int | None


def request_key(
    *, caller: str, source_asset_id: str, model: str, request: Mapping[str, Any], seed: int | None
) -> RequestKey:
    """The keys of a request; the parameters are those of `idempotency_key`."""
    given, unseeded = (
        idempotency_key(caller=caller, source_asset_id=source_asset_id, model=model, request=request, seed=each)
        for each in (seed, None)
    )
    return RequestKey(given, unseeded, seed)


def normalized(text_prompt: str | None) -> str | None:
    """A prompt as it is compared and sent: NFC, stripped; None for an empty one."""
    return unicodedata.normalize("NFC", text_prompt).strip() or None if text_prompt else None


def spelling_key(spelling: str) -> str:
    """The ledger's key for a spelling of a source: the uuid of an id; marked names and URLs unchanged."""
    return spelling if spelling.startswith(NAME_MARKS) else uuid_of(spelling)


def uuid_of(long_id: str) -> str:
    """The uuid at the end of a long id, or any other text as a whole; in lower case."""
    head, mark, tail = long_id.rpartition("-asset:" if "-asset:" in long_id else "-task:")
    return (tail if mark and head else long_id).lower()
