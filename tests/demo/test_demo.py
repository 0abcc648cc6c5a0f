"""The demo as its user runs it: the real server, the real stand-in, real films."""

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from anyio import CapacityLimiter

from runway_mcp.media.pictures.measures import read_film

pytestmark = pytest.mark.slow

MISLEADING = {
    "USEAPI_TOKEN": "user:1-mine",
    "USEAPI_URL": "http://127.0.0.1:9",
    "RUNWAY_MCP_WAIT_SECONDS": "forever",
    "FORCE_COLOR": "1",
}


@pytest.mark.parametrize("seconds", [5, 10])
def test_the_demo_makes_a_film_longer_whatever_its_user_has_set(seconds: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "runway_mcp", "demo", "--pace", "1", "--seconds", str(seconds), "--out", "here"]
    ended = subprocess.run(  # noqa: S603  our own program
        command, cwd=tmp_path, env=os.environ | MISLEADING, capture_output=True, timeout=150, check=False, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {"\x1b", "\r"}.isdisjoint(ended.stdout)
    told = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    assert f"duration 10.0 s {10 + seconds}.0 s +{seconds}.0 s" in told
    assert any(line.endswith(f"{seconds * 10} spent, {seconds * 10} estimated") for line in told)
    assert any(line.startswith("task runway://tasks/user:") for line in told)
    assert any(line.startswith("asset runway://assets/user:") for line in told)
    (kept,) = (tmp_path / "here").glob("the-camera-rises-*.mp4")
    assert kept.name.split("_")[1:3] == ["ext1", f"{10 + seconds}s"]
    assert f"film here/{kept.name}" in told
    assert {path.name for path in (tmp_path / "here").iterdir()} == {kept.name, "strip.png", "last-frame.jpg"}
    film = anyio.run(lambda: read_film(kept, limiter=CapacityLimiter(1)))
    assert film.duration_seconds == 10 + seconds
    assert (tmp_path / "here" / "last-frame.jpg").read_bytes().startswith(b"\xff\xd8")
    assert (tmp_path / "here" / "strip.png").read_bytes().startswith(b"\x89PNG")
