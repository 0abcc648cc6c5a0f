"""Requests of `extend_video`: which clip a call names, and which earlier request answers it."""

import anyio

from runway_mcp.runway.models import Extension
from runway_mcp.server.calls.running_call import Call
from runway_mcp.server.reads import READING_SECONDS, clip_id_of, earlier_of
from runway_mcp.tasks.catalogue import CreateModel
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.naming import is_id, spelling_of
from runway_mcp.tasks.spend.submit import ANSWER_PATIENCE

BY_NAME_ALONE = (
    "Runway does not tell now which clip that is, so this is told by what it was called then; give its assetId to be "
    "sure."
)
"""What a dry run says that is answered by a name alone, which may be another clip's by the time of the call."""


async def found_request(
    call: Call, asked: Extension, deadline: float, *, dry: bool, model: CreateModel | None = None
) -> tuple[Extension, str | None, Intent | None]:
    """The request with its clip's id, the caller's name for the clip, and the intent that answers it, if there is one.

    `model` is the one that continues the clip; None for an extension. An id is looked up in the ledger first, so that a
    paid film is returned even if its clip is gone or upstream fails. A name may belong to another clip by now, so
    upstream resolves it first.
    """
    reference, caller = asked.asset_id, call.context.caller
    spelling = spelling_of(reference, caller)
    if is_id(reference) and (earlier := await earlier_of(call.context, asked, dry=dry, model=model)) is not None:
        return asked, None, earlier
    try:
        seconds = reading_seconds(call, deadline, dry=dry)
        named = await clip_id_of(call.context, reference, seconds=seconds, by_film_names=False)
    except Failure as failure:
        if failure.kind not in ("not_found", "unavailable"):
            raise
        earlier = await earlier_of(call.context, of_clip(asked, spelling), dry=dry, model=model)
        if earlier is None:
            raise
        if dry:
            call.remark(BY_NAME_ALONE)
        return asked, None, earlier
    if named == reference:
        return asked, None, None
    resolved = of_clip(asked, named)
    return resolved, spelling, await earlier_of(call.context, resolved, dry=dry, model=model)


def of_clip(asked: Extension, asset_id: str) -> Extension:
    """The same request of another clip, or of the same by another of its names."""
    return asked.model_copy(update={"asset_id": asset_id})


def reading_seconds(call: Call, deadline: float, *, dry: bool) -> float:
    """How many seconds are left for reads; unless it is a dry run, the submit keeps those that it needs."""
    reserve = 0.0 if dry else ANSWER_PATIENCE
    return call.arrived + max(deadline - call.arrived - reserve, READING_SECONDS) - anyio.current_time()
