"""Pictures: colours as players show them, and sizes that models take."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from anyio import CapacityLimiter
from PIL import Image

from runway_mcp.media.errors import MediaMissing, require_media
from runway_mcp.media.pictures.frames import last_frame
from runway_mcp.media.pictures.stills import LARGEST_BYTES, encoded
from tests.kit.films import coloured
from tests.kit.numbered import Form, numbered
from tests.media.ranged import RangedFilm

RED_709, RED_601, RED_FULL_709 = (63, 102, 240), (81, 90, 240), (54, 99, 255)
TAGGED = "colorprim=bt709:transfer=bt709:colormatrix=bt709"


def read(jpeg: bytes) -> Image.Image:
    with Image.open(io.BytesIO(jpeg)) as image:
        image.load()
        return image


@pytest.mark.parametrize(
    ("planes", "width", "height", "tags"),
    [
        (RED_709, 1280, 768, ""),
        (RED_709, 1280, 768, TAGGED),
        (RED_709, 1280, 720, ""),
        (RED_709, 720, 1280, ""),
        (RED_709, 640, 360, TAGGED),
        (RED_601, 640, 360, ""),
        (RED_601, 1280, 718, ""),
        (RED_601, 1280, 720, "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m"),
        (RED_FULL_709, 1280, 720, f"{TAGGED}:fullrange=on"),
    ],
)
async def test_a_pure_red_stays_red(
    tmp_path: Path, limiter: CapacityLimiter, planes: tuple[int, int, int], width: int, height: int, tags: str
) -> None:
    film = coloured(tmp_path / "red.mp4", planes, width=width, height=height, tags=tags)

    picture = read((await last_frame(film, limiter=limiter)).jpeg)

    for place in ((5, 5), (picture.width // 2, picture.height // 2), (picture.width - 5, picture.height - 5)):
        pixel: Any = picture.getpixel(place)
        assert all(abs(one - other) <= 4 for one, other in zip(pixel, (255, 0, 0), strict=True)), pixel


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (1280, 768, (768, 461)),
        (768, 1280, (461, 768)),
        (1024, 1024, (768, 768)),
        (640, 360, (640, 360)),
        (2048, 16, (768, 6)),
    ],
)
async def test_a_frame_is_at_most_768_pixels_long_and_never_enlarged(
    tmp_path: Path, limiter: CapacityLimiter, width: int, height: int, size: tuple[int, int]
) -> None:
    film = coloured(tmp_path / "grey.mp4", (120, 128, 128), width=width, height=height)

    told = await last_frame(film, limiter=limiter)

    picture = read(told.jpeg)
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", size)
    assert (told.width, told.height) == size


@pytest.mark.parametrize("size", [(768, 461), (1568, 1568), (2000, 2000)])
def test_even_noise_stays_below_the_largest_size(size: tuple[int, int]) -> None:
    noise = Image.frombytes("RGB", size, os.urandom(size[0] * size[1] * 3))

    jpeg, picture = encoded(noise, aim=60_000)

    assert len(jpeg) <= LARGEST_BYTES == 100_000
    assert read(jpeg).size == picture.size


def test_a_picture_of_few_details_keeps_its_quality() -> None:
    plain = Image.linear_gradient("L").convert("RGB")

    assert encoded(plain, aim=60_000)[0] == encoded(plain, aim=100_000)[0]


@pytest.mark.parametrize("missing", ["av", "PIL"])
def test_without_one_of_its_libraries_one_sentence_tells_how_to_get_the_extra(missing: str) -> None:
    with pytest.raises(MediaMissing, match=r"pip install 'useapi-runway-mcp\[media\]', or uvx --from '"):
        require_media(find=lambda name: None if name == missing else name)


@pytest.mark.parametrize(
    ("matrix", "upright", "bright"),
    [((0, 1, -1, 0), (192, 320), "top"), ((0, -1, 1, 0), (192, 320), "bottom"), ((-1, 0, 0, -1), (320, 192), "right")],
)
async def test_a_film_that_is_turned_for_display_is_shown_upright(
    tmp_path: Path, limiter: CapacityLimiter, matrix: tuple[int, int, int, int], upright: tuple[int, int], bright: str
) -> None:
    # Frame 31 has its left half bright. The header's matrix says how a player turns it: clockwise first.
    content = bytearray(numbered(tmp_path / "film.mp4", 32, Form()).read_bytes())
    a, b, c, d = (value * 65_536 for value in matrix)
    turn = b"".join(value.to_bytes(4, "big", signed=True) for value in (a, b, 0, c, d, 0, 0, 0, 2**30))
    at = content.index(b"tkhd") + 44
    content[at : at + len(turn)] = turn

    picture = read((await last_frame(RangedFilm(bytes(content)), limiter=limiter)).jpeg).convert("L")

    wide, high = picture.size
    assert (wide, high) == upright
    halves = {
        "left": (0, 0, wide // 2, high),
        "right": (wide // 2, 0, wide, high),
        "top": (0, 0, wide, high // 2),
        "bottom": (0, high // 2, wide, high),
    }
    light = {side: sum(picture.crop(half).tobytes()) for side, half in halves.items()}
    assert max(light, key=lambda side: light[side]) == bright


@pytest.mark.slow
def test_without_the_extra_every_module_of_media_can_be_imported_and_a_picture_tells_how_to_get_it() -> None:
    program = (
        "import sys\n"
        "sys.modules['av'] = sys.modules['PIL'] = None\n"
        "import importlib, pkgutil, anyio, runway_mcp.media as media\n"
        "for module in pkgutil.iter_modules(media.__path__):\n"
        "    importlib.import_module(f'runway_mcp.media.{module.name}')\n"
        "from pathlib import Path\n"
        "from runway_mcp.media.pictures.frames import last_frame\n"
        "anyio.run(lambda: last_frame(Path(media.__file__), limiter=anyio.CapacityLimiter(1)))\n"
    )

    ended = subprocess.run(  # noqa: S603  our own program
        [sys.executable, "-c", program], capture_output=True, timeout=60, check=False, text=True
    )

    assert ended.stderr.splitlines()[-1].startswith(
        "runway_mcp.media.errors.MediaMissing: Pictures and joins of films need"
    )
