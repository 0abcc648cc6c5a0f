"""Asks the person behind a host before credits are spent, in the way of the host's protocol.

Under 2026-07-28 the question is the answer of the call, and the host makes the call again with the person's answer; in
the 2025 protocols the question is a request in the middle of the call. What ties question and answer together is a
quote: the ledger takes it once, for the arguments that it was made for. Under 2026-07-28 it travels sealed.
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
    "properties": {"ok": {"type": "boolean", "title": "Spend the credits", "description": "Submits the extension."}},
    "required": ["ok"],
}

# A person has at least so long to answer, however short the wait of the call is, in seconds.
_THINKING_SECONDS = 20.0

Reply = Literal["yes", "no", "unasked", "unanswered"] | InputRequiredResult
"""What the person says; `unasked` if the host cannot ask, `unanswered` if no answer came in time; a result is the
question itself.
"""


@dataclass(frozen=True)
class EarlierReply:
    """What a person answered to the question that an earlier call of the same arguments returned."""

    quote: str
    agreed: bool


@dataclass(frozen=True)
class Person:
    """The person behind the host of one call."""

    ctx: RequestContext
    params: CallToolRequestParams

    def answered(self) -> EarlierReply | None:
        """The answer that this call brings along; the state around it was sealed by this process."""
        if not self.params.request_state:
            return None
        state: dict[str, Any] = json.loads(self.params.request_state)
        return EarlierReply(str(state["quote"]), _agrees((self.params.input_responses or {}).get(_QUESTION)))

    async def ask(self, question: str, quote: Quote, *, deadline: float) -> Reply:
        """Asks whether to spend what the quote covers; waits until the deadline, and for twenty seconds at least."""
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
