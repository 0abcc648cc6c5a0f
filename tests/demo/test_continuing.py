"""`demo --model gen4.5` as its user runs it: a Gen-4 clip becomes one longer film with every frame of both parts."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import av
import pytest
from anyio import CapacityLimiter

from runway_mcp.media.join.verification import checksum
from runway_mcp.media.pictures.start_frames import start_frame
from runway_mcp.simulator.builders import seeded_world
from runway_mcp.simulator.media.clips import PaintedFilms
from runway_mcp.simulator.media.films import Film, started_by

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]  # on a machine that is busy with something else

SECONDS = 8
DECODE = """
import sys, av, av.logging
av.logging.set_level(av.logging.WARNING)
with av.open(sys.argv[1]) as film:
    print(sum(1 for _ in film.decode(video=0)))
"""


def demo(*options: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "runway_mcp", "demo", "--pace", "0.5", "--out", "here", *options]
    return subprocess.run(  # noqa: S603  our own program
        command, cwd=folder, env=os.environ, capture_output=True, timeout=120, check=False, text=True
    )


def marks(file: Any) -> Iterator[bytes]:
    """A mark of each frame, which only equal frames share."""
    untyped: Any = av
    with untyped.open(file) as container:
        yield from map(checksum, container.decode(video=0))


def parts_of_the_demo(folder: Path) -> tuple[list[bytes], list[bytes]]:
    """The frames of the stand-in's clip, and of what it makes from the clip's last frame, made here once more."""
    films, world = PaintedFilms(), seeded_world()
    clip = next(asset.film for asset in world.assets if asset.name.startswith("Gen-4"))
    assert clip is not None
    (folder / "clip.mp4").write_bytes(films.render(clip))
    sent = anyio.run(lambda: start_frame(folder / "clip.mp4", limiter=CapacityLimiter(1)))
    new = Film(len(world.tasks), SECONDS, width=clip.width, height=clip.height, start=started_by(sent.png))
    return list(marks(str(folder / "clip.mp4"))), list(marks(io.BytesIO(films.render(new))))


def test_the_demo_continues_a_clip_of_gen_4_into_one_film(tmp_path: Path) -> None:
    ended = demo("--model", "gen4.5", "--seconds", str(SECONDS), folder=tmp_path)

    assert (ended.returncode, ended.stderr) == (0, "")
    told = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    assert any(line.startswith("film runway://films/film_") for line in told)
    assert "parts 1 2 gen4, gen4.5" in told
    (film,) = (tmp_path / "here").glob("*.mp4")
    assert f"file here/{film.name}" in told
    before, after = parts_of_the_demo(tmp_path)
    # The new part begins with the picture that it was sent, so that the clip's own last one goes.
    assert list(marks(str(film))) == [*before[:-1], *after]
    decoded = subprocess.run(  # noqa: S603  our own program
        [sys.executable, "-c", DECODE, str(film)], capture_output=True, timeout=60, check=True, text=True
    )
    assert (decoded.stderr, int(decoded.stdout)) == ("", len(before) - 1 + len(after))


def test_eight_seconds_go_with_a_model_alone(tmp_path: Path) -> None:
    ended = demo("--seconds", "8", folder=tmp_path)

    assert ended.returncode == 2
    assert "--seconds 8 goes with --model gen4.5" in ended.stderr
    assert ended.stderr.count("\n") == 1
