"""A task as the API lists it while it runs: in GET /scheduler/ and in the 429 of a full account."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from runway_mcp.runway.fields import Record, Text, text


class RunningTask(Record):
    """A task started through the API that has not ended: its ids and what its submitter attached to it."""

    task_id: Annotated[str, BeforeValidator(text)] = Field(validation_alias="taskId", min_length=1)
    email: Text = None
    id: Text = None
    reply_url: Text = Field(default=None, validation_alias="replyUrl", repr=False)
    reply_ref: Text = Field(default=None, validation_alias="replyRef")
