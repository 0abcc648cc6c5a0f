"""Joining: colours stay over every seam, and a seam tells how far it steps."""

from io import BytesIO
from pathlib import Path
from typing import Any

import av
import pytest
from anyio import CapacityLimiter
from PIL import Image

from runway_mcp.media.join.joining import join_films
from runway_mcp.media.pictures.start_frames import start_frame
from tests.kit.films import coloured

pytestmark = pytest.mark.slow

RED_709, RED_601 = (63, 102, 240), (81, 90, 240)


async def test_colours_stay_over_a_seam_of_unlike_matrices(tmp_path: Path, limiter: CapacityLimiter) -> None:
    small = coloured(tmp_path / "small.mp4", RED_601, width=640, height=360)
    large = coloured(tmp_path / "large.mp4", RED_709, width=1280, height=720)

    joined = await join_films([small, large, small, large], tmp_path / "film.mp4", limiter=limiter)

    container: Any = av.open(str(tmp_path / "film.mp4"))
    with container:
        pixels = [frame.to_image().getpixel((300, 300)) for frame in container.decode(video=0)]
    assert all(abs(one - other) <= 4 for pixel in pixels for one, other in zip(pixel, (255, 0, 0), strict=True)), pixels
    assert max(seam.colour for seam in joined.seams) <= 4


@pytest.mark.parametrize("tags", ["", "colormatrix=bt709"])
@pytest.mark.parametrize("planes", [(126, 128, 128), RED_709], ids=["grey", "red"])
async def test_ten_parts_that_went_on_from_each_other_keep_a_colour(
    tmp_path: Path, limiter: CapacityLimiter, planes: tuple[int, int, int], tags: str
) -> None:
    parts = [coloured(tmp_path / "part-0.mp4", planes, width=1280, height=720, tags=tags)]
    for number in range(1, 10):
        sent = await start_frame(parts[-1], limiter=limiter)
        colour: Any = Image.open(BytesIO(sent.png)).getpixel((640, 360))
        untyped: Any = av.VideoFrame
        made: Any = untyped.from_image(Image.new("RGB", (16, 16), colour)).reformat(
            format="yuv420p", dst_colorspace="ITU709"
        )
        levels = tuple(bytes(plane)[0] for plane in made.planes)
        path = tmp_path / f"part-{number}.mp4"
        parts.append(coloured(path, (levels[0], levels[1], levels[2]), width=1280, height=720, tags=tags))
    unlike = coloured(tmp_path / "unlike.mp4", planes, width=1104, height=832, tags=tags)

    copied = await join_films(parts, tmp_path / "copied.mp4", limiter=limiter)
    encoded = await join_films([unlike, *parts], tmp_path / "encoded.mp4", limiter=limiter)

    assert (copied.how, encoded.how) == ("copied", "re-encoded")
    for film in ("copied.mp4", "encoded.mp4"):
        seen = colours_of(tmp_path / film)
        assert all(abs(one - other) <= 5 for colour in seen for one, other in zip(colour, seen[0], strict=True)), seen


def colours_of(path: Path) -> list[tuple[int, ...]]:
    """The colour in the middle of each frame, by its tag and else as that of a film of this size."""
    container: Any = av.open(str(path))
    with container:
        frames = [
            frame.reformat(format="rgb24", src_colorspace="ITU709").to_image() for frame in container.decode(video=0)
        ]
    return [frame.getpixel((frame.width // 2, frame.height // 2)) for frame in frames]


async def test_a_seam_tells_how_far_it_steps_beside_the_motion_around_it(
    tmp_path: Path, limiter: CapacityLimiter
) -> None:
    dark = coloured(tmp_path / "dark.mp4", (60, 128, 128), width=64, height=48)
    light = coloured(tmp_path / "light.mp4", (160, 128, 128), width=64, height=48)

    joined = await join_films([dark, dark, light], tmp_path / "film.mp4", limiter=limiter)

    even, step = joined.seams
    assert (even.difference, even.motion, even.colour) == (0.0, 0.0, 0.0)
    assert (step.difference, step.colour) == (pytest.approx(116, abs=3), pytest.approx(116, abs=3))
    assert step.motion == 0.0
