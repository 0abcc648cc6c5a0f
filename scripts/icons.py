"""Draws the icons of the bundle, `bundle/icon-*.png`: a film whose last frames are being added.

uv run python -m scripts.icons
"""

from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

BUNDLE = Path(__file__).parent.parent / "bundle"
SIZES: Final = (512, 128, 48)

_SIDE: Final = 1024
_NIGHT, _FILM, _PAPER, _DUSK, _ORANGE = "#101820", "#26323f", "#f4efe6", "#7fa7c9", "#ff8a3d"


def drawn() -> Image.Image:
    """The icon at its largest: two frames that are there, and a third, in orange, with an arrow onwards."""
    image = Image.new("RGBA", (_SIDE, _SIDE), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, _SIDE - 1, _SIDE - 1), radius=220, fill=_NIGHT)
    draw.rectangle((0, 260, _SIDE, 764), fill=_FILM)
    for left in range(52, _SIDE, 124):
        for top in (288, 688):
            draw.rounded_rectangle((left, top, left + 56, top + 48), radius=12, fill=_NIGHT)
    for left, colour in ((60, _DUSK), (370, _DUSK), (680, _ORANGE)):
        draw.rounded_rectangle((left, 368, left + 284, 656), radius=28, fill=colour)
    for left in (60, 370):
        draw.polygon([(left + 24, 632), (left + 142, 470), (left + 260, 632)], fill=_NIGHT)
    draw.rectangle((724, 490, 830, 534), fill=_PAPER)
    draw.polygon([(818, 428), (930, 512), (818, 596)], fill=_PAPER)
    return image


def main() -> None:
    """Writes every size."""
    icon = drawn()
    for side in SIZES:
        path = BUNDLE / f"icon-{side}.png"
        size = (side, side)
        icon.resize(size, Image.Resampling.LANCZOS).save(path, optimize=True)  # pyright: ignore[reportUnknownMemberType]  Pillow names a type of numpy's


if __name__ == "__main__":
    main()
