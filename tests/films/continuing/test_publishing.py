"""Publishing a joined film: under its name, whole, in place of nothing, and once however often it is tried."""

from pathlib import Path

import pytest

from runway_mcp.films.continuing.joining.publishing import published
from runway_mcp.media.errors import FolderRefused

NAME, FILM_ID = "beach_10s_1f3a.mp4", "film_0123456789abcdef"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A joined film in its working folder."""
    made = tmp_path / "film.mp4"
    made.write_bytes(b"a film")
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of films, which is not there yet."""
    return tmp_path / "films"


def test_a_film_gets_its_name_and_nothing_else_is_left_in_the_folder(film: Path, folder: Path) -> None:
    path = published(film, folder, NAME, FILM_ID)

    assert path == folder.resolve() / NAME
    assert path.read_bytes() == b"a film"
    assert [each.name for each in folder.iterdir()] == [NAME]


def test_a_film_that_is_published_again_is_found(film: Path, folder: Path) -> None:
    paths = {published(film, folder, NAME, FILM_ID) for _ in range(3)}

    assert len(paths) == 1
    assert [each.name for each in folder.iterdir()] == [NAME]


@pytest.mark.parametrize("other", [b"longer than it", b"4 film", b""])
@pytest.mark.parametrize("name", [NAME, NAME.upper().replace(".MP4", ".mp4")])
def test_another_file_of_that_name_stays_and_the_film_gets_a_number(
    film: Path, folder: Path, other: bytes, name: str
) -> None:
    folder.mkdir()
    (folder / name).write_bytes(other)

    path = published(film, folder, NAME, FILM_ID)

    assert path.name == "beach_10s_1f3a-2.mp4"
    assert (folder / name).read_bytes() == other


def test_a_link_in_the_way_is_not_followed(film: Path, folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (tmp_path / "elsewhere").write_bytes(b"a film")
    (folder / NAME).symlink_to(tmp_path / "elsewhere")

    assert published(film, folder, NAME, FILM_ID).name == "beach_10s_1f3a-2.mp4"


def test_what_a_killed_process_had_copied_is_not_believed(film: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / f"{FILM_ID}.part").write_bytes(b"a f")

    assert published(film, folder, NAME, FILM_ID).read_bytes() == b"a film"
    assert [each.name for each in folder.iterdir()] == [NAME]


def test_a_folder_that_is_a_file_is_told(film: Path, folder: Path) -> None:
    folder.write_bytes(b"")

    with pytest.raises(FolderRefused, match="films"):
        published(film, folder, NAME, FILM_ID)


def test_without_a_folder_the_film_stays_where_it_is(film: Path) -> None:
    assert published(film, None, NAME, FILM_ID) == film
