"""What tests hold the definitions of the tools to."""

MAIN_JOB = ("extend_video", "get_task", "list_assets", "view_film")
"""The tools of the main job, which name each other, and which instructions and prompts name."""

LONGEST_DEFINITIONS = 13_500
"""How long the five tools may be together, in characters; a further tool or argument adds what it is worth."""
