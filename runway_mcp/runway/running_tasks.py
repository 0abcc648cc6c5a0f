"""Models of a running task, as GET /scheduler/ and a 429 list it, and of the account under which it runs."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field

from runway_mcp.runway.fields import Id, Record, Text, plain_id


class RunningTask(Record):
    """A non-terminal task that was started through the API: its ids, and the reply fields of its submit."""

    task_id: Annotated[str, BeforeValidator(plain_id)] = Field(validation_alias="taskId", min_length=1)
    email: Text = None
    id: Id = None
    reply_url: Text = Field(default=None, validation_alias="replyUrl", repr=False)
    reply_ref: Text = Field(default=None, validation_alias="replyRef")


@dataclass(frozen=True)
class LinkedAccount:
    """A Runway account that is linked on useapi.net: its e-mail, and how many tasks it may run at once, if told.

    `is_broken` says that useapi.net reports an error of it.
    """

    email: str
    max_jobs: int | None
    is_broken: bool
