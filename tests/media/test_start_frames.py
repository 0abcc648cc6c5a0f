"""The start frame: the last one of a film, as it is, to the step; and the same file each time."""

import hashlib
import io
from pathlib import Path
from typing import Any

import av
import pytest
from anyio import CapacityLimiter
from PIL import Image

from runway_mcp.media.errors import UnreadableFilm
from runway_mcp.media.pictures.start_frames import StartFrame, exact, start_frame
from tests.kit.films import coloured, film, sound
from tests.kit.numbered import Form, number_in, numbered
from tests.media.ranged import RangedFilm

FRAMES = 60
TAGGED = "colorprim=bt709:transfer=bt709:colormatrix=bt709"


def read(frame: StartFrame) -> Image.Image:
    with Image.open(io.BytesIO(frame.png)) as image:
        image.load()
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (frame.width, frame.height))
        return image


FORMS = {
    "one keyframe": Form(group=1000),
    "B-frames in short groups": Form(group=12, b_frames=3),
    "open groups": Form(group=24, b_frames=3, open_groups=True),
    "index at the end": Form(index="end", b_frames=2),
    "fragments": Form(index="fragments", b_frames=2),
    "sound that goes on after the picture": Form(sound=True, heard=(0, FRAMES + 24), b_frames=2),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
async def test_it_is_the_very_last_frame_in_its_own_size(tmp_path: Path, limiter: CapacityLimiter, form: Form) -> None:
    path = numbered(tmp_path / "film.mp4", FRAMES, form, width=640, height=360)
    for source in (path, RangedFilm(path)):
        frame = await start_frame(source, limiter=limiter)

        assert number_in(read(frame)) == FRAMES - 1
        assert (frame.width, frame.height, frame.second) == (640, 360, pytest.approx((FRAMES - 1) / 24, abs=0.001))


async def test_the_same_film_gives_the_same_file_and_another_frame_another_digest(
    tmp_path: Path, limiter: CapacityLimiter
) -> None:
    one, other = film(tmp_path / "one.mp4", 90, 100), film(tmp_path / "other.mp4", 90, 101)

    first, again, different = [await start_frame(each, limiter=limiter) for each in (one, one, other)]

    pixels = read(first).tobytes()
    assert first == again
    assert first.digest == hashlib.sha256(b"64 x 36\n" + pixels).hexdigest()
    assert different.digest != first.digest


RED_709, RED_601 = (63, 102, 240), (81, 90, 240)


@pytest.mark.parametrize(
    ("planes", "width", "height", "tags"),
    [
        (RED_709, 1280, 720, ""),
        (RED_709, 640, 360, TAGGED),
        (RED_601, 640, 360, ""),
        (RED_601, 1280, 720, "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m"),
    ],
)
async def test_colours_are_read_by_the_tag_and_else_by_the_size(
    tmp_path: Path, limiter: CapacityLimiter, planes: tuple[int, int, int], width: int, height: int, tags: str
) -> None:
    path = coloured(tmp_path / "red.mp4", planes, width=width, height=height, tags=tags)

    pixel: Any = read(await start_frame(path, limiter=limiter)).getpixel((width // 2, height // 2))

    assert all(abs(one - other) <= 2 for one, other in zip(pixel, (255, 0, 0), strict=True)), pixel


COLOURS = [(60, 128, 128), (126, 128, 128), (200, 128, 128), (120, 90, 160), (150, 110, 120), (80, 140, 110)]


@pytest.mark.parametrize("planes", COLOURS)
def test_a_colour_is_the_same_after_ten_frames_that_went_on_from_each_other(planes: tuple[int, int, int]) -> None:
    frame = av.VideoFrame(1280, 720, "yuv420p")
    for plane, level in zip(frame.planes, planes, strict=True):
        plane.update(bytes([level]) * plane.buffer_size)
    for _ in range(10):
        picture: Any = exact(frame)
        untyped: Any = av.VideoFrame
        frame = untyped.from_image(picture).reformat(format="yuv420p", dst_colorspace="ITU709")

    levels = [bytes(plane)[plane.line_size * 3 + 7] for plane in frame.planes]
    assert all(abs(one - other) <= 1 for one, other in zip(levels, planes, strict=True)), levels


@pytest.mark.parametrize(
    ("matrix", "upright", "bright", "dark"),
    [
        ((0, 1, -1, 0), (192, 320), (96, 20), (96, 300)),
        ((0, -1, 1, 0), (192, 320), (96, 300), (96, 20)),
        ((-1, 0, 0, -1), (320, 192), (300, 96), (20, 96)),
    ],
)
async def test_a_film_that_is_turned_for_display_gives_an_upright_picture(
    tmp_path: Path,
    limiter: CapacityLimiter,
    matrix: tuple[int, int, int, int],
    upright: tuple[int, int],
    bright: tuple[int, int],
    dark: tuple[int, int],
) -> None:
    # Frame 31 has its left half bright. The header's matrix says how a player turns it: clockwise first.
    path = numbered(tmp_path / "film.mp4", 32, Form())
    content = bytearray(path.read_bytes())
    a, b, c, d = (value * 65_536 for value in matrix)
    turn = b"".join(value.to_bytes(4, "big", signed=True) for value in (a, b, 0, c, d, 0, 0, 0, 2**30))
    at = content.index(b"tkhd") + 44
    content[at : at + len(turn)] = turn
    path.write_bytes(content)

    picture = read(await start_frame(path, limiter=limiter))

    lights: list[Any] = [picture.convert("L").getpixel(place) for place in (bright, dark)]
    assert (picture.size, lights[0] > 150 > lights[1]) == (upright, True)


@pytest.mark.parametrize("size", [(64, 36), (32, 32), (960, 960), (36, 64)])
async def test_with_a_size_it_covers_that_and_is_cropped_around_its_middle(
    tmp_path: Path, limiter: CapacityLimiter, size: tuple[int, int]
) -> None:
    path = numbered(tmp_path / "film.mp4", 5, Form(), width=640, height=360)

    frame = await start_frame(path, size=size, limiter=limiter)
    whole = read(await start_frame(path, limiter=limiter))

    picture = read(frame)
    middle: Any = picture.convert("L").getpixel((size[0] // 2, size[1] // 2))
    expected: Any = whole.convert("L").getpixel((320, 180))
    assert picture.size == size
    assert abs(middle - expected) < 40


async def test_a_film_without_a_picture_has_no_start_frame(tmp_path: Path, limiter: CapacityLimiter) -> None:
    with pytest.raises(UnreadableFilm):
        await start_frame(sound(tmp_path / "sound.mp4"), limiter=limiter)
