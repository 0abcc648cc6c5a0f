"""Drafts of a submit: from a plan to its intent and to the body of its POST."""

import secrets
import uuid

from runway_mcp.runway.models import LARGEST_SEED, Submission
from runway_mcp.tasks.intents import GENERATED_REFERENCE, Intent, State
from runway_mcp.tasks.spend.plan import Plan
from runway_mcp.tasks.spend.priced import PricedRequest

_TOKEN_BYTES = 24


def draft(plan: PricedRequest, *, caller: str = "", calls_back: bool = False, upstream: float | None = None) -> Intent:
    """A new intent for a plan, without a POST; makes a seed and a replyRef if the caller gave none.

    `upstream` is the time on upstream's clock, if known: no task of the intent is older. With `calls_back` and no
    replyUrl it also gets an unguessable callback token. The ledger sets its times and its claim.
    """
    asked, identity = plan.asked, uuid.uuid4().hex
    return Intent(
        id=identity,
        caller=caller,
        idempotency_key=plan.key(caller).given,
        state=State.WAITING,
        created=0.0,
        account=plan.account,
        task_type=plan.model.name,
        source_asset_id=plan.source.asset_id,
        parent_task_id=plan.parent.task_id if plan.parent else None,
        request=plan.request,
        seed=asked.seed or 1 + secrets.randbelow(LARGEST_SEED),
        seed_generated=asked.seed is None,
        reply_ref=asked.reply_ref or f"{GENERATED_REFERENCE}{identity}",
        reply_ref_generated=asked.reply_ref is None,
        cost=plan.cost,
        extended_count=plan.lineage.extended_count,
        source_name=plan.source.name,
        lease=0.0,
        claim="",
        posted=upstream,
        steps=plan.steps,
        callback_token=secrets.token_urlsafe(_TOKEN_BYTES) if calls_back and not asked.reply_url else None,
    )


def submission_of(plan: Plan, intent: Intent, *, callbacks: str | None = None) -> Submission:
    """The plan's submission with the intent's seed and replyRef; `callbacks` as in `identified`."""
    return identified(plan.submission, plan, intent, callbacks=callbacks)


def identified(
    submission: Submission, plan: PricedRequest, intent: Intent, *, callbacks: str | None = None
) -> Submission:
    """A submission with what names its intent: seed, replyRef and replyUrl.

    `callbacks` is the address of our own callbacks, which the intent's token completes to a replyUrl.
    """
    own_url = f"{callbacks}{intent.callback_token}" if callbacks and intent.callback_token else None
    identity = {"seed": intent.seed, "reply_ref": intent.reply_ref, "reply_url": plan.asked.reply_url or own_url}
    return submission.model_copy(update=identity)
