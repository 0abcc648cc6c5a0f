"""The unit of systemd, judged by systemd itself: Debian's package `systemd`, which CI installs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runway_mcp.settings import Settings, variables

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "useapi-runway-mcp@.service"
TEXT = UNIT.read_text(encoding="utf-8")
PROGRAM = "/opt/useapi-runway-mcp/bin/useapi-runway-mcp"
MOST_EXPOSED = 15
"""The exposure that the unit may have, of 100, as `systemd-analyze security` counts it."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and os.environ.get("SYSTEMD_TESTS") != "required",
    reason="there is no systemd-analyze",
)


def analyzed(unit: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What systemd-analyze says of a unit."""
    command = ["systemd-analyze", "--no-pager", *words, str(unit)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603  systemd's own


def instance(folder: Path, text: str = TEXT) -> Path:
    """The unit as an instance of it, whose program is there."""
    unit = folder / "useapi-runway-mcp@8001.service"
    unit.write_text(text.replace(PROGRAM, sys.executable), encoding="utf-8")
    return unit


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    told = analyzed(instance(tmp_path), "verify", "--man=no")
    assert (told.returncode, told.stderr) == (0, "")


@needs_systemd
def test_systemd_finds_a_key_that_it_does_not_know(tmp_path: Path) -> None:
    told = analyzed(instance(tmp_path, TEXT.replace("ProtectSystem=", "ProtectSytem=")), "verify", "--man=no")
    assert "Unknown key 'ProtectSytem'" in told.stderr


@needs_systemd
@pytest.mark.parametrize(
    ("text", "code"), [(TEXT, 0), (re.sub(r"^(Protect|Private|Restrict)\w+=.*\n", "", TEXT, flags=re.MULTILINE), 1)]
)
def test_the_service_is_as_little_exposed_as_systemd_can_make_it(text: str, code: int, tmp_path: Path) -> None:
    told = analyzed(instance(tmp_path, text), "security", "--offline=true", f"--threshold={MOST_EXPOSED}")
    assert told.returncode == code, told.stdout


def test_a_replica_that_nobody_stopped_is_started_again_whatever_ended_it() -> None:
    assert re.findall(r"^Restart=(.*)$", TEXT, re.MULTILINE) == ["always"]
    assert re.findall(r"^StartLimitIntervalSec=(.*)$", TEXT, re.MULTILINE) == ["0"]


def test_what_the_unit_sets_are_settings() -> None:
    set_here = set(re.findall(r"^Environment=(RUNWAY_MCP_\w+)=", TEXT, re.MULTILINE))
    assert set_here
    assert set_here <= {variable.name for variable in variables().values()}


def test_the_figures_of_an_instance_are_where_the_settings_take_them(tmp_path: Path) -> None:
    (metrics,) = re.findall(r"^Environment=RUNWAY_MCP_METRICS=(.*)$", TEXT, re.MULTILINE)
    assert Settings(data_dir=tmp_path, metrics=metrics.replace("%i", "8001")).metrics == "127.0.0.1:18001"
