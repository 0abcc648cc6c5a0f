"""Why a file is called otherwise than was wished for."""

import pytest

from runway_mcp.films.naming import wanted_asset, why_called
from runway_mcp.runway.models import Asset, Metadata

FILM = "user:1-runwayml:me@example.com-asset:1f3a0000-0000-4000-8000-000000000001"

UNSAFE = "what is unsafe in file names on some systems was replaced or left out"
CUT = "the name was too long and was cut"
TAKEN = "another file has that name"


@pytest.mark.parametrize(
    ("wish", "file", "why"),
    [
        ("beach", "beach.mp4", None),
        ("beach.MP4", "beach.mp4", None),
        ("o\u0301le", "\u00f3le.mp4", None),
        ("Beach", "beach.mp4", None),
        ("my beach", "my-beach.mp4", UNSAFE),
        ("../beach", "beach.mp4", UNSAFE),
        ("...", "film.mp4", UNSAFE),
        ("con", "con_.mp4", UNSAFE),
        ("b" * 200, f"{'b' * 95}.mp4", CUT),
        ("beach", "beach-2.mp4", TAKEN),
        ("my beach", "my-beach-2.mp4", f"{UNSAFE}, and {TAKEN}"),
        (None, "beach_20s_1f3a.mp4", None),
        (None, "beach_20s_1f3a-2.mp4", TAKEN),
    ],
)
def test_a_file_that_is_called_otherwise_than_was_wished_for_has_a_reason(
    wish: str | None, file: str, why: str | None
) -> None:
    film = Asset(asset_id=FILM, name="Beach.mp4", metadata=Metadata(duration=20.0))
    wanted = wanted_asset(film, caller="", name=wish)

    assert why_called(file, wanted=wanted.name, wish=wish) == why
