"""How long the end of a hosted server may take, by its own bounds, as operators are told, and until it is killed."""

import re
from pathlib import Path

import pytest

from runway_mcp.serve import DRAIN_SECONDS
from runway_mcp.server.app import HOSTED_GRACE
from runway_mcp.server.trace_export import FLUSH_SECONDS
from runway_mcp.server.transport.serving import GRACE_SECONDS, LIMIT_SECONDS
from runway_mcp.tasks.store.leases import GIVING_BACK_SECONDS

ROOT = Path(__file__).parents[2]
# Two leases, of a read and of a film, are given back one after the other. The rest is the end of the database's
# connections (1 s) and of the process. With a database that hangs within a statement it may take longer.
REST = 1.5
LONGEST = DRAIN_SECONDS + GRACE_SECONDS + LIMIT_SECONDS + HOSTED_GRACE + 2 * GIVING_BACK_SECONDS + FLUSH_SECONDS + REST
TOLD = 35
"""Within how many seconds operators are told that it ends."""

KILLED = 40
"""After how many seconds it is killed."""


def text_of(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def test_all_bounds_together_leave_a_margin_before_what_is_told_and_before_the_kill() -> None:
    assert LONGEST + 2 <= TOLD
    assert TOLD + 5 <= KILLED


@pytest.mark.parametrize(
    "file", ["deploy/useapi-runway-mcp@.service", "deploy/manifest.yaml", "docs/deploy.md", "docs/http.md"]
)
def test_operators_are_told_the_same_everywhere(file: str) -> None:
    assert re.findall(r"\bends within (\d+)\b", text_of(file)) == [str(TOLD)]


@pytest.mark.parametrize(
    ("file", "setting"),
    [
        ("deploy/useapi-runway-mcp@.service", r"^TimeoutStopSec=(\d+)$"),
        ("deploy/manifest.yaml", r"^ +terminationGracePeriodSeconds: (\d+)$"),
    ],
)
def test_it_is_killed_no_sooner(file: str, setting: str) -> None:
    assert re.findall(setting, text_of(file), re.MULTILINE) == [str(KILLED)]
