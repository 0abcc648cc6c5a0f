"""From a plan to what is written and sent for it: the intent, its twin key, the body of its POST."""

import hashlib
import json
import secrets
import uuid

from runway_mcp.runway.models import ExtendRequest
from runway_mcp.tasks.intents import WAITING_LEASE, Intent, State
from runway_mcp.tasks.plan import Plan

_LARGEST_SEED = 4294967294


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
