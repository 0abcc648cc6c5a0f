"""What the ledger remembers of one wish to spend: the intent, from before the POST to the task's told end."""

from dataclasses import dataclass
from enum import StrEnum

# How long an intent that has posted nothing may overstay its wait before it counts as left by a process that died.
WAITING_LEASE = 10.0
# The same for an intent whose POST is out: the POST is given up after 60 s.
POSTING_LEASE = 75.0
# How long an unclear submit is looked for before it is closed as unknown.
LOOKING_SECONDS = 600.0
# How long a finished film answers the same request after it was told.
TOLD_SECONDS = 120.0


class State(StrEnum):
    """Where an intent stands."""

    WAITING = "waiting"
    """Nothing is posted: the intent was just written, or all slots are busy."""
    POSTING = "posting"
    """The POST is out and unanswered."""
    UNCLEAR = "unclear"
    """The POST ended in neither a clear yes nor a clear no; the task is being looked for."""
    ACCEPTED = "accepted"
    """The task is known."""
    REFUSED = "refused"
    """Nothing was submitted, surely."""
    UNKNOWN = "unknown"
    """Looking went on for ten minutes and found nothing."""


@dataclass(frozen=True)
class Intent:
    """One wish to spend. Times are Unix seconds; `cost` is an estimate in credits; `reply_ref` is what the POST sends.

    `ended` is when the task was seen to end, `told` when a call first returned that end. It holds neither a link nor
    a callback address; `callback_token` is what our own address ends in, None if upstream was not asked to call us.
    """

    id: str
    twin_key: str
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
    own_seed: bool
    reply_ref: str
    own_ref: bool
    cost: int
    lease: float
    task_id: str | None = None
    status: str | None = None
    ended: float | None = None
    told: float | None = None
    failure_kind: str | None = None
    failure_message: str | None = None
    callback_token: str | None = None

    @property
    def is_settled(self) -> bool:
        """Whether the outcome of the submit itself is known."""
        return self.state in (State.ACCEPTED, State.REFUSED)


def is_twin(intent: Intent, *, now: float) -> bool:
    """Whether the same request is answered by this intent instead of a second POST."""
    match intent.state:
        case State.WAITING:
            return now < intent.lease
        case State.REFUSED:
            return intent.failure_kind == "moderated"
        case State.ACCEPTED if intent.ended is not None and intent.told is not None:
            succeeded = intent.status == "SUCCEEDED" and intent.failure_kind is None
            return now - intent.told < TOLD_SECONDS if succeeded else intent.failure_kind == "moderated"
        case _:
            return True
