"""What a call asked for beside its request, kept with a film until its create has left, for whoever goes on with it.

It lies in the film's working folder and not in the ledger, which holds no callback address. Blocks.
"""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from runway_mcp.films.continuing.workspace import make_workspace, workspace_of, write_whole
from runway_mcp.runway.models import Extension
from runway_mcp.tasks.spend.continuation import Continuation

_FILE: Final = "asked.json"
_KEPT: Final = ("max_jobs", "reply_url")


def keep_options(data_dir: Path, film_id: str, plan: Continuation) -> None:
    """Keeps maxJobs and replyUrl of a plan, in place of those before; raises `FolderRefused`, `DiskFull`."""
    told = {name: value for name in _KEPT if (value := getattr(plan.asked, name)) is not None}
    if told:
        write_whole(make_workspace(data_dir, film_id) / _FILE, json.dumps(told).encode())
        return
    with suppress(OSError):
        forget_options(data_dir, film_id)


def with_options(data_dir: Path, film_id: str, plan: Continuation) -> Continuation:
    """A plan that the ledger remembers, with what its call asked for beside its request, as far as that is known."""
    try:
        told: dict[str, Any] = json.loads((workspace_of(data_dir, film_id) / _FILE).read_text(encoding="utf-8"))
        kept = {name: told[name] for name in _KEPT if name in told}
        return replace(plan, asked=Extension.model_validate(plan.asked.model_dump() | kept))
    except (OSError, ValueError, TypeError, ValidationError):
        return plan


def forget_options(data_dir: Path, film_id: str) -> None:
    """Removes what was kept, if anything was; raises OSError."""
    (workspace_of(data_dir, film_id) / _FILE).unlink(missing_ok=True)
