"""Asks the user before credits are spent, by an elicitation form.

Under 2026-07-28 the call returns the question, and the host repeats the call with the answer; in the 2025 protocols the
question is a request during the call. The question carries a quote, which can be used once, for its own arguments.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    ElicitRequest,
    ElicitRequestedSchema,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)

from runway_mcp.server.context import RequestContext
from runway_mcp.tasks.policy import Quote

_MODERN = "2026-07-28"
_QUESTION = "spend"
_FORM: ElicitRequestedSchema = {
    "type": "object",
    "properties": {
        "ok": {"type": "boolean", "title": "Spend the credits", "description": "Submits this request to Runway."}
    },
    "required": ["ok"],
}

# The least time that the user has to answer, in seconds, however short the wait of the call is.
_THINKING_SECONDS = 20.0

Reply = Literal["yes", "no", "unasked", "unanswered"] | InputRequiredResult
"""The user's answer; `unasked` if the host cannot ask, `unanswered` if too late; a result is the question."""


@dataclass(frozen=True)
class EarlierReply:
    """The user's answer to the question that an earlier call of the same arguments returned."""

    quote: str
    agreed: bool


@dataclass(frozen=True)
class Person:
    """The user behind the host of one call."""

    ctx: RequestContext
    params: CallToolRequestParams

    def answered(self) -> EarlierReply | None:
        """The answer that this call carries, sealed by a server with the same keys; None if it carries none."""
        if not self.params.request_state:
            return None
        state: dict[str, Any] = json.loads(self.params.request_state)
        return EarlierReply(str(state["quote"]), _agrees((self.params.input_responses or {}).get(_QUESTION)))

    async def ask(self, question: str, quote: Quote, *, deadline: float) -> Reply:
        """Asks whether to spend what the quote covers; waits until the deadline, and 20 seconds at least."""
        if not self._can_fill_forms():
            return "unasked"
        if self.ctx.protocol_version == _MODERN:
            ask = ElicitRequest(params=ElicitRequestFormParams(message=question, requested_schema=_FORM))
            return InputRequiredResult(input_requests={_QUESTION: ask}, request_state=json.dumps({"quote": quote.id}))
        if not self.ctx.session.can_send_request:
            return "unasked"
        with anyio.move_on_after(max(_THINKING_SECONDS, deadline - anyio.current_time())):
            try:
                answer = await self.ctx.session.elicit_form(question, _FORM, related_request_id=self.ctx.request_id)
            except MCPError:
                return "unasked"
            return "yes" if _agrees(answer) else "no"
        return "unanswered"

    def _can_fill_forms(self) -> bool:
        capabilities = self.ctx.session.client_capabilities
        elicitation = capabilities.elicitation if capabilities else None
        return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _agrees(answer: object) -> bool:
    return isinstance(answer, ElicitResult) and answer.action == "accept" and (answer.content or {}).get("ok") is True
