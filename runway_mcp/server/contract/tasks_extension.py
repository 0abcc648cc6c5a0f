"""The Tasks extension as a server announces it: its name, and what its requests take."""

from typing import Final

from mcp_types import RequestParams

EXTENSION: Final = "io.modelcontextprotocol/tasks"
"""The identifier of the extension."""


class TaskParams(RequestParams):
    """The parameters of all `tasks/` methods; input responses are not read, since no task here asks for input."""

    task_id: str
