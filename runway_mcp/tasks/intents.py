"""What the ledger remembers of one wish to spend: the intent, from before the POST to the task's told end."""

import hashlib
import json
import secrets
import uuid
from dataclasses import dataclass
from enum import StrEnum

from runway_mcp.runway.models import ExtendRequest
from runway_mcp.tasks.plan import Plan

# How long an intent that has posted nothing may overstay its wait before it counts as left by a process that died.
WAITING_LEASE = 10.0
# The same for an intent whose POST is out: the POST is given up after 60 s.
POSTING_LEASE = 75.0
# How long an unclear submit is looked for before it is closed as unknown.
LOOKING_SECONDS = 600.0
# How long a finished film answers the same request after it was told.
TOLD_SECONDS = 120.0

_LARGEST_SEED = 4294967294


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
    the callback address.
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

    @property
    def is_settled(self) -> bool:
        """Whether the outcome of the submit itself is known."""
        return self.state in (State.ACCEPTED, State.REFUSED)


def draft(plan: Plan, *, now: float) -> Intent:
    """An intent for a plan, nothing posted yet; a seed and a replyRef are chosen where the caller gave none."""
    wish, identity = plan.wish, uuid.uuid4().hex
    return Intent(
        id=identity,
        twin_key=twin_key(plan),
        state=State.WAITING,
        created=now,
        account=plan.account,
        task_type=plan.model.task_type,
        source_asset_id=plan.source.asset_id,
        parent_task_id=plan.parent.task_id,
        text_prompt=wish.text_prompt,
        seconds=plan.seconds,
        explore_mode=wish.explore_mode,
        seed=wish.seed or 1 + secrets.randbelow(_LARGEST_SEED),
        own_seed=wish.seed is None,
        reply_ref=wish.reply_ref or f"runway-mcp-{identity}",
        own_ref=wish.reply_ref is None,
        cost=plan.cost,
        lease=now + WAITING_LEASE,
    )


def twin_key(plan: Plan) -> str:
    """The same for two wishes that ask for the same film, whatever they say of waiting, slots and callbacks."""
    wish = plan.wish
    asked = [plan.source.asset_id, wish.text_prompt, plan.seconds, wish.explore_mode, wish.reply_ref, wish.seed]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def request_of(plan: Plan, intent: Intent) -> ExtendRequest:
    """The body of the POST: the wish with the intent's seed and replyRef; Turbo takes no `seconds`."""
    wish = plan.wish
    fields = {
        "asset_id": plan.source.asset_id,
        "text_prompt": wish.text_prompt,
        "seconds": None if plan.model.turbo else plan.seconds,
        "seed": intent.seed,
        "explore_mode": wish.explore_mode or None,
        "reply_url": wish.reply_url,
        "reply_ref": intent.reply_ref,
        "max_jobs": wish.max_jobs,
    }
    return ExtendRequest.model_validate(fields)


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
