"""Refusals of an extension by Runway: which of them say that the clip has none any more."""

import re
from dataclasses import replace

from runway_mcp.server.calls.running_call import Call
from runway_mcp.server.continued import continuations_of
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.spend.plan import Plan

_QUOTED = re.compile(r'"[^"]*"')
# What upstream says of the request's own values; a refusal in other words is one of the clip or of its model.
_OF_THE_REQUEST = re.compile(
    r"second|duration|length|too long|prompt|seed|replyurl|replyref|maxjobs|explore|parameter|credit", re.IGNORECASE
)

# What it says of a model that it offers no more. A refusal without such a word may pass: no other model is paid for it.
_OF_THE_MODEL = re.compile(r"gen.?3|no longer|task.?type|retire|deprecat|discontinu|migrat", re.IGNORECASE)


def refused_by_runway(call: Call, failure: Failure, plan: Plan) -> Failure:
    """The failure of a submit, as that of a clip without extension where Runway refuses to extend it for good.

    The next calls about the clip in this process then price a continuation at once.
    """
    if failure.unextendable is not None:
        return failure
    said = _QUOTED.search(failure.message)
    is_final = failure.kind == "invalid_request" and failure.about is None and failure.charged == "no"
    words = said[0] if said else ""
    if not is_final or _OF_THE_REQUEST.search(words) or not _OF_THE_MODEL.search(words):
        return failure
    why = f"Runway refused it{f': {said[0]}' if said else ''}"
    continuations_of(call.context).note_refused(plan.source.asset_id, why)
    return replace(failure, unextendable=why)
