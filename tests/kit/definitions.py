"""What there is of tools, as tests count and allow for it, so that a further one is known to all of them."""

from pathlib import Path

from runway_mcp.server.tools.records import RECORDS
from runway_mcp.settings import Settings

LISTED_WHEREVER = [record.name for record in RECORDS if record.offered(Settings(data_dir=Path(), save="never"))]
"""The tools that are offered whatever the settings are, in the order in which they are listed."""

MAIN_JOB = ("extend_video", "get_task", "list_assets", "view_film")
"""The tools of the main job, which name each other, and which instructions and prompts name."""

LONGEST_DEFINITIONS = 13_500
"""How long the definitions of the five tools may be together, in characters; a sixth adds what it is worth."""
