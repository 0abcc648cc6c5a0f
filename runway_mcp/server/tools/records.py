"""All tools."""

from typing import Any

from runway_mcp.server.tools.extend_video import EXTEND_VIDEO
from runway_mcp.server.tools.get_task import GET_TASK
from runway_mcp.server.tools.list_assets import LIST_ASSETS
from runway_mcp.server.tools.record import ToolRecord
from runway_mcp.server.tools.save_film import SAVE_FILM
from runway_mcp.server.tools.view_film import VIEW_FILM

RECORDS: tuple[ToolRecord[Any], ...] = (EXTEND_VIDEO, GET_TASK, LIST_ASSETS, VIEW_FILM, SAVE_FILM)
"""Every tool, in the order in which hosts list them."""
