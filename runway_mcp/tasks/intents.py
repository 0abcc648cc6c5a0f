"""What the ledger remembers of one wish to spend: the intent, from before its POST to the task's end."""

import hashlib
import json
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

# How long an intent that has posted nothing may overstay its wait before another call may take it over.
WAITING_LEASE = 10.0
# How long a POST may be out before somebody else looks for its task: it is given up after 60 s.
POSTING_LEASE = 75.0
# How long an unclear submit is looked for before the next complete look closes it as unknown.
LOOKING_SECONDS = 600.0
# The same where no look could read both lists.
BLIND_SECONDS = 86_400.0

GENERATED_REFERENCE = "runway-mcp-"
"""How every replyRef begins that we make; one that a caller gives back counts as not given."""

NAME_MARKS = ("name:", "link:")
"""How spellings begin that are no ids."""


class State(StrEnum):
    """Where an intent stands."""

    WAITING = "waiting"
    """No POST is out: the intent was just written, or all slots are busy."""
    POSTING = "posting"
    """The POST is out and unanswered."""
    UNCLEAR = "unclear"
    """The POST ended in neither a clear yes nor a clear no; the task is being looked for.

    With a `failure_kind` it was refused, and no look has confirmed yet that there is no task.
    """
    ACCEPTED = "accepted"
    """The task is known."""
    REFUSED = "refused"
    """Nothing was submitted, surely."""
    UNKNOWN = "unknown"
    """Looking found nothing, and is closed."""


OPEN = frozenset({State.POSTING, State.UNCLEAR, State.UNKNOWN})
"""The states in which the outcome of a POST is not known: only looking, or its own answer, may change them."""


@dataclass(frozen=True)
class Film:
    """What of a finished film is worth remembering when upstream cannot be asked: no link, since links die."""

    asset_id: str
    name: str | None = None
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    size_bytes: int | None = None


@dataclass(frozen=True)
class Intent:
    """One wish to spend. Times are Unix seconds of the ledger's clock; `cost` is an estimate in credits.

    `created` is when it was claimed or its last POST left; `claim` names who may post for it, so that a holder that was
    replaced cannot. `posts` counts its POSTs, `posted` is when the first one left on upstream's clock (None: unknown).
    `looked` tells that a look after the last POST could read all that upstream shows. `seed` and `reply_ref` are what
    the POST sends; `seed_generated` and `reply_ref_generated` tell that we made them. `ended` is when the task was seen
    to end and `closed` when looking was given up. It holds neither a link nor a callback address; `callback_token` is
    what our own address ends in, None if upstream was not asked to call us.
    """

    id: str
    idempotency_key: str
    state: State
    created: float
    account: str | None
    task_type: str
    source_asset_id: str
    parent_task_id: str
    text_prompt: str | None
    seconds: int
    explore_mode: bool
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
    task_id: str | None = None
    status: str | None = None
    ended: float | None = None
    film: Film | None = None
    closed: float | None = None
    failure_kind: str | None = None
    failure_message: str | None = None
    callback_token: str | None = None

    @property
    def has_outcome(self) -> bool:
        """Whether the outcome of the submit itself is known."""
        return self.state in (State.ACCEPTED, State.REFUSED)

    @property
    def is_verified(self) -> bool:
        """Whether nothing was accepted so far, surely: no POST has left, or a look after the last one found none."""
        return self.posts == 0 or self.looked

    @property
    def is_unconfirmed(self) -> bool:
        """Whether it was refused, and no look has confirmed yet that there is no task."""
        return self.state is State.UNCLEAR and self.failure_kind is not None

    @property
    def is_final(self) -> bool:
        """Whether the same request is surely never posted again, whatever the outcome turns out to be."""
        if self.task_id is not None or self.failure_kind == "moderated":
            return True
        return self.state in (State.UNCLEAR, State.UNKNOWN) and self.failure_kind is None


def answers_duplicates(intent: Intent, *, now: float) -> bool:
    """Whether the same request is answered by this intent, and not by a POST.

    It is, unless nothing was charged for it, surely: what was refused or left waiting may be claimed again.
    """
    match intent.state:
        case State.WAITING:
            return now < intent.lease
        case State.REFUSED:
            return intent.failure_kind == "moderated"
        case _:
            return True


def idempotency_key(
    *,
    source_asset_id: str,
    text_prompt: str | None,
    seconds: int,
    model: str,
    explore_mode: bool,
    seed: int | None,
    caller: str = "",
) -> str:
    """The same for two requests for the same film; `seconds` are the effective ones, `seed` is the one that was given.

    What says how to wait, whom to call back and how to name the request is no part of it.
    """
    asked = [caller, source_asset_id, normalized(text_prompt), seconds, model, explore_mode, seed]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


@dataclass(frozen=True)
class RequestKey:
    """What finds the intents of a request: its idempotency key as given, and as it would be without its seed.

    A seed that we made for an otherwise same request is often copied from a result; it then counts as not given.
    """

    given: str
    unseeded: str
    seed: int | None


def request_key(
    *, source_asset_id: str, text_prompt: str | None, seconds: int, model: str, explore_mode: bool, seed: int | None
) -> RequestKey:
    """The key of a request; the parameters are those of `idempotency_key`."""
    given, unseeded = (
        idempotency_key(
            source_asset_id=source_asset_id,
            text_prompt=text_prompt,
            seconds=seconds,
            model=model,
            explore_mode=explore_mode,
            seed=each,
        )
        for each in (seed, None)
    )
    return RequestKey(given, unseeded, seed)


def normalized(text_prompt: str | None) -> str | None:
    """A prompt as it is compared and sent: NFC, without blanks at its ends; None for an empty one."""
    return unicodedata.normalize("NFC", text_prompt).strip() or None if text_prompt else None


def spelling_key(spelling: str) -> str:
    """What the ledger finds a spelling of a source by: the uuid of an id; marked names and links as they are."""
    return spelling if spelling.startswith(NAME_MARKS) else uuid_of(spelling)


def uuid_of(long_id: str) -> str:
    """The uuid at the end of a long id; any other text is returned as it is, in lower case."""
    head, mark, tail = long_id.rpartition("-asset:" if "-asset:" in long_id else "-task:")
    return (tail if mark and head else long_id).lower()
