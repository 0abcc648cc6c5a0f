import base64
import json

import pytest

from runway_mcp.runway.links import expiry_of, file_of, mime_type_of
from tests.runway.samples import SIGNED


def link(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"https://x.example/a.mp4?other=1&_jwt=e30.{payload}.c2ln"


@pytest.mark.parametrize(
    ("url", "ends"),
    [
        (SIGNED, "2024-07-28T00:00:00Z"),
        (link({"exp": 0}), "1970-01-01T00:00:00Z"),
        (link({"exp": 1722124800.75, "keyHash": "x"}), "2024-07-28T00:00:00Z"),
        (link({"exp": "1722124800"}), "2024-07-28T00:00:00Z"),
        (link({"exp": 1e30}), None),
        (link({"exp": None}), None),
        (link({}), None),
        (link([1]), None),
        ("https://x.example/a.mp4?_jwt=abc", None),
        ("https://x.example/a.mp4?_jwt=a.b.c", None),
        ("https://x.example/a.mp4?_jwt=a.ü.c", None),
        ("https://x.example/a.mp4", None),
        ("https://[x/a.mp4?_jwt=a.b.c", None),
        ("", None),
    ],
)
def test_a_signed_link_tells_when_it_dies(url: str, ends: str | None) -> None:
    assert expiry_of(url) == ends


@pytest.mark.parametrize(
    ("hints", "kind"),
    [
        (("mp4",), "video/mp4"),
        ((".MP4",), "video/mp4"),
        ((None, SIGNED), "video/mp4"),
        (("odd", "https://x.example/a.PNG?x=b.mp4"), "image/png"),
        (("", None, "beach, take 2.mov"), "video/quicktime"),
        (("https://[x/a.mp4",), None),
        (("film",), None),
        ((), None),
    ],
)
def test_the_first_telling_hint_gives_the_media_type(hints: tuple[str | None, ...], kind: str | None) -> None:
    assert mime_type_of(*hints) == kind


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (SIGNED, "film.mp4"),
        ("https://x.example/a/b.png?_jwt=a.b.c#d", "b.png"),
        ("https://x.example/a/", "a"),
        ("https://x.example/", None),
        ("https://x.example", None),
        ("https://[x/a.mp4", None),
        ("", None),
        (None, None),
    ],
)
def test_links_to_the_same_file_have_the_same_name_of_it(url: str | None, name: str | None) -> None:
    assert file_of(url) == name
