"""The parts that results of tasks share: error, credits, lineage, and what tells of an earlier submit."""

from typing import Any

from runway_mcp.runway.models import Credits, Task
from runway_mcp.server.contract.outputs import Candidate, CreditsOutput, ErrorOutput, LineageOutput
from runway_mcp.server.contract.results.assets import cut
from runway_mcp.server.contract.results.text import LONGEST_NAME
from runway_mcp.server.contract.uris import task_uri
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.lineage import Lineage
from runway_mcp.tasks.policy import iso
from runway_mcp.tasks.recall import date_of

OTHER_TAKE = "For another take give another `seed`."
"""What a duplicate says last."""

LOOK = "view_film shows the last frame, from which it goes on."
"""What a dry run without a prompt says last."""

UNTOLD_LENGTH = "Runway does not tell the clip's length; view_film shows at which second it ends"
"""What a dry run says in place of a length."""

_PLAN_UNSEEN = (
    " Whether the account has that plan shows only when it is submitted; without it Runway refuses, at no cost."
)


def explore_plan(seen: Intent | None) -> str:
    """What a dry run of explore mode says after its price: whether the account has the plan, if that was `seen`.

    No read of upstream tells the plan; a film of this account that was made so does.
    """
    if seen is None:
        return _PLAN_UNSEEN
    return f" The account has that plan: a film was made so on {date_of(seen)}."


def error_output(failure: Failure, *, harmless: bool = False) -> ErrorOutput:
    """The error of a failure; `harmless` says that a repeat of the call does no harm, whatever the failure."""
    return ErrorOutput(
        kind=failure.kind,
        message=failure.message,
        charged=failure.charged,
        retry_safe=failure.retry_safe or harmless,
        retry=failure.repeat,
        retry_after_seconds=failure.retry_after,
    )


def credits_output(cost: int | None, balance: Credits | None) -> CreditsOutput | None:
    """An estimated cost and what is left on the account; None if neither is known."""
    remaining = balance.remaining if balance else None
    return None if cost is None and remaining is None else CreditsOutput(cost=cost, remaining=remaining)


def credits_in_words(cost: int, remaining: int | None = None) -> str:
    """A cost marked as an estimate, for a sentence: "about 50 credits (an estimate)"."""
    left = f", {remaining} are left" if remaining is not None else ""
    return f"about {cost} credits (an estimate{left})" if cost else "no credits (explore mode, on an Unlimited plan)"


def lineage_output(lineage: Lineage | None, *, failed: bool = False, name: str | None = None) -> LineageOutput | None:
    """The lineage of the resulting film; of a failure only the source, if that is known.

    The source's name is left out where it is the `name` of the film itself.
    """
    if lineage is None or (failed and lineage.source_asset_id is None):
        return None
    source = cut(lineage.source_name, LONGEST_NAME)
    source = None if source == name else source
    if failed:
        return LineageOutput(source_asset_id=lineage.source_asset_id, source_name=source)
    return LineageOutput(
        source_asset_id=lineage.source_asset_id,
        extended_count=lineage.extended_count,
        extensions_left=lineage.extensions_left,
        added_seconds=lineage.added_seconds,
        source_name=source,
        longest_seconds=lineage.longest.seconds if lineage.longest else None,
        cost_to_longest=lineage.longest.cost if lineage.longest else None,
    )


def submitted_facts(intent: Intent | None) -> dict[str, Any]:
    """What identifies a submit on Runway's site, as fields of a result; empty without one."""
    if intent is None:
        return {}
    return {
        "model": intent.task_type,
        "created_at": iso(intent.created),
        "text_prompt": intent.text_prompt,
        "seed": intent.seed,
        "reply_ref": intent.reply_ref,
    }


def submitted_on(intent: Intent) -> str:
    """When an earlier request was submitted, for the end of a sentence."""
    return f"this request was submitted before, on {date_of(intent)}."


def candidate_output(task: Task) -> Candidate:
    """A task that an unclear submit may have made."""
    return Candidate(
        task_id=task.task_id, task_uri=task_uri(task.task_id), status=task.status, created_at=task.created_at
    )
