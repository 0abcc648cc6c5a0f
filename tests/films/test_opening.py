from pathlib import Path

import pytest

from runway_mcp.films.opening import open_films, origin_on_this_machine


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:8000/v1/runwayml", "http://127.0.0.1:8000"),
        ("http://127.0.0.9/v1", "http://127.0.0.9"),
        ("http://localhost:8000/v1", "http://localhost:8000"),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
        ("https://api.useapi.net/v1/runwayml", None),
        ("http://10.0.0.1/v1", None),
        ("http://127.0.0.1.example.com/v1", None),
        ("http://localhost.example.com/v1", None),
    ],
)
def test_links_to_the_apis_own_origin_are_followed_only_where_it_is_this_machine(url: str, origin: str | None) -> None:
    assert origin_on_this_machine(url) == origin


async def test_opening_writes_no_folder_and_makes_no_connection(tmp_path: Path) -> None:
    async with open_films(url="http://127.0.0.1:9/v1", data_dir=tmp_path / "data") as films:
        assert films.pictures == tmp_path / "data" / "frames"

    assert not list(tmp_path.iterdir())
