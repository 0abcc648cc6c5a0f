"""Doubled frames: a part that begins with the picture before it loses that picture once, and nothing else."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from anyio import CapacityLimiter

from runway_mcp.media.join.doubled_frames import MOST_DROPPED
from runway_mcp.media.join.joining import join_films
from tests.kit.numbered import Form, number_in, numbered

pytestmark = pytest.mark.slow


def shown(path: Path) -> tuple[list[int], set[float]]:
    """The numbers that a film shows, and the different steps between their times in ticks."""
    container: Any = av.open(str(path))
    with container:
        frames = [(frame.time, number_in(frame.to_image())) for frame in container.decode(video=0)]
    times = [time for time, _ in frames]
    return [number for _, number in frames], {round(b - a, 3) for a, b in pairwise(times)}


@pytest.mark.parametrize("form", [Form(), Form(group=1000), Form(sound=True), Form(index="fragments")])
async def test_a_picture_that_is_shown_twice_goes_once_where_packets_are_copied(
    tmp_path: Path, limiter: CapacityLimiter, form: Form
) -> None:
    parts = [numbered(tmp_path / f"{first}.mp4", 40, form, first=first) for first in (0, 39, 78)]

    joined = await join_films(parts, tmp_path / "film.mp4", limiter=limiter, undouble=True)

    assert (joined.how, joined.dropped, joined.frames) == ("copied", (1, 1), 118)
    numbers, steps = shown(tmp_path / "film.mp4")
    assert numbers == [*range(118)]
    assert steps == {0.042}
    assert joined.seconds == pytest.approx(118 / 24, abs=0.001)


@pytest.mark.parametrize("frames", range(40, 45))
async def test_between_frames_that_decode_only_together_few_go_before_a_seam_and_it_is_said(
    tmp_path: Path, limiter: CapacityLimiter, frames: int
) -> None:
    form = Form(b_frames=3, group=1000)
    parts = [numbered(tmp_path / "a.mp4", frames, form), numbered(tmp_path / "b.mp4", 40, form, first=frames - 1)]

    joined = await join_films(parts, tmp_path / "film.mp4", limiter=limiter, undouble=True)

    (dropped,) = joined.dropped
    numbers, steps = shown(tmp_path / "film.mp4")
    assert joined.how == "copied"
    assert 1 <= dropped <= MOST_DROPPED
    assert numbers == [*range(frames - dropped), *range(frames - 1, frames + 39)]
    assert steps == {0.042}


async def test_a_picture_that_is_shown_twice_goes_once_where_parts_are_encoded(
    tmp_path: Path, limiter: CapacityLimiter
) -> None:
    one = numbered(tmp_path / "a.mp4", 40, Form(sound=True))
    other = numbered(tmp_path / "b.mp4", 40, Form(), first=39, width=640, height=384)

    joined = await join_films([one, other], tmp_path / "film.mp4", limiter=limiter, undouble=True)

    assert (joined.how, joined.dropped, joined.frames) == ("re-encoded", (1,), 79)
    assert shown(tmp_path / "film.mp4")[0] == [*range(79)]


@pytest.mark.parametrize("form", [Form(), Form(b_frames=3)])
async def test_a_part_that_goes_on_with_the_next_picture_loses_nothing(
    tmp_path: Path, limiter: CapacityLimiter, form: Form
) -> None:
    parts = [numbered(tmp_path / f"{first}.mp4", 40, form, first=first) for first in (0, 40)]

    joined = await join_films(parts, tmp_path / "film.mp4", limiter=limiter, undouble=True)

    assert (joined.dropped, joined.frames) == ((), 80)
    assert shown(tmp_path / "film.mp4")[0] == [*range(80)]


async def test_nothing_is_looked_for_unless_it_is_asked(tmp_path: Path, limiter: CapacityLimiter) -> None:
    parts = [numbered(tmp_path / f"{first}.mp4", 40, Form(), first=first) for first in (0, 39)]

    joined = await join_films(parts, tmp_path / "film.mp4", limiter=limiter)

    assert (joined.dropped, joined.frames) == ((), 80)


async def test_a_part_of_one_picture_stays(tmp_path: Path, limiter: CapacityLimiter) -> None:
    parts = [numbered(tmp_path / "a.mp4", 1, Form()), numbered(tmp_path / "b.mp4", 40, Form())]

    joined = await join_films(parts, tmp_path / "film.mp4", limiter=limiter, undouble=True)

    assert shown(tmp_path / "film.mp4")[0] == [0, *range(40)]
    assert (joined.how, joined.dropped, joined.frames) == ("copied", (), 41)
