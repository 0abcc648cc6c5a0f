import pytest

from runway_mcp.media.errors import NoFilm
from runway_mcp.media.fetch.answers import Range, check_type, length_of, range_of, strong_etag


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("bytes 0-9/100", Range(0, 10, 100)),
        ("bytes 99-99/100", Range(99, 100, 100)),
        *((told, None) for told in ("", "bytes 0-9/*", "bytes */100", "bytes 10-9/100", "bytes 0-100/100")),
        *((told, None) for told in ("0-9/100", "items 0-9/100", "bytes 0-9/100, 20-29/100", "bytes \u0660-9/100")),
        ("bytes 0-9/" + "9" * 5000, None),
    ],
)
def test_a_range_is_believed_only_if_it_lies_in_its_file(told: str, expected: Range | None) -> None:
    assert range_of({"content-range": told}) == expected


@pytest.mark.parametrize(
    ("told", "expected"), [("10", 10), ("0", 0), ("", None), ("-1", None), ("1e3", None), ("9" * 5000, None)]
)
def test_a_length_is_a_plain_number(told: str, expected: int | None) -> None:
    assert length_of({"content-length": told}) == expected


@pytest.mark.parametrize(
    ("told", "strong"), [('"abc"', True), ('W/"abc"', False), ("", False), ("abc", False), ('"a"b"', False)]
)
def test_only_a_strong_tag_tells_bytes_apart(told: str, strong: bool) -> None:
    assert strong_etag({"etag": told}) == (told if strong else None)


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "Application/JSON", "image/png", "application/xml"])
def test_pages_pictures_and_data_are_no_films(kind: str) -> None:
    with pytest.raises(NoFilm):
        check_type({"content-type": kind})


def test_a_film_is_taken_with_any_other_type_but_not_compressed() -> None:
    for kind in ("video/mp4", "binary/octet-stream", "application/octet-stream", ""):
        check_type({"content-type": kind})
    with pytest.raises(NoFilm, match="encoding"):
        check_type({"content-type": "video/mp4", "content-encoding": "gzip"})
