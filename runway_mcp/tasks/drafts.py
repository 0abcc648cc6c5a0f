"""From a plan to what is written and sent for it: the intent, its twin key, the body of its POST."""

import hashlib
import json
import secrets
import uuid

from runway_mcp.runway.models import ExtendRequest
from runway_mcp.tasks.intents import WAITING_LEASE, Intent, State
from runway_mcp.tasks.plan import Plan

_LARGEST_SEED = 4294967294
_TOKEN_BYTES = 24


def draft(plan: Plan, *, now: float, calls_back: bool = False) -> Intent:
    """An intent for a plan, nothing posted yet; a seed and a replyRef are chosen where the caller gave none.

    With `calls_back` a wish without a replyUrl gets a callback token too, which nobody can guess.
    """
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
        callback_token=secrets.token_urlsafe(_TOKEN_BYTES) if calls_back and not wish.reply_url else None,
    )


def twin_key(plan: Plan) -> str:
    """The same for two wishes that ask for the same film, whatever they say of waiting, slots and callbacks."""
    wish = plan.wish
    asked = [plan.source.asset_id, wish.text_prompt, plan.seconds, wish.explore_mode, wish.reply_ref, wish.seed]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def request_of(plan: Plan, intent: Intent, *, callbacks: str | None = None) -> ExtendRequest:
    """The body of the POST: the wish with the intent's seed and replyRef; Turbo takes no `seconds`.

    `callbacks` is the address of our own callbacks, which the intent's token completes to a replyUrl.
    """
    wish = plan.wish
    own_url = f"{callbacks}{intent.callback_token}" if callbacks and intent.callback_token else None
    fields = {
        "asset_id": plan.source.asset_id,
        "text_prompt": wish.text_prompt,
        "seconds": None if plan.model.turbo else plan.seconds,
        "seed": intent.seed,
        "explore_mode": wish.explore_mode or None,
        "reply_url": wish.reply_url or own_url,
        "reply_ref": intent.reply_ref,
        "max_jobs": wish.max_jobs,
    }
    return ExtendRequest.model_validate(fields)
