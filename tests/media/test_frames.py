from pathlib import Path

import pytest
from PIL import Image

from runway_mcp.media.frames import AFTER, BEFORE, SEAM, Film, UnreadableFilm, read_film, save_strip
from tests.kit.films import BLACK, WHITE, film, sound


@pytest.mark.parametrize(("frames", "rate", "seconds"), [(24, 24, 1.0), (36, 24, 1.5), (1, 25, 0.04), (30, 30, 1.0)])
def test_a_films_length_is_counted_from_its_decoded_frames(
    tmp_path: Path, frames: int, rate: int, seconds: float
) -> None:
    path = film(tmp_path / "film.mp4", *([WHITE] * frames), rate=rate)
    assert read_film(path) == Film(seconds, frames, 64, 36)
    assert read_film(path).frames_per_second == pytest.approx(rate)


def test_a_film_whose_clock_starts_late_is_no_longer_for_it(tmp_path: Path) -> None:
    assert read_film(film(tmp_path / "film.mp4", *([WHITE] * 24), first_shown_at=48)).duration_seconds == 1.0


def test_a_cut_film_counts_only_what_decodes_or_is_unreadable(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4", *([WHITE] * 24)).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableFilm, match=r"cut\.mp4"):
        read_film(cut)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.mp4", b"<html>Access denied</html>"),
        ("empty.avi", b""),
        ("list.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfilm.mp4\n#EXT-X-ENDLIST\n"),
    ],
)
def test_what_is_no_film_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    film(tmp_path / "film.mp4", WHITE)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableFilm, match=name):
        read_film(tmp_path / name)


def test_a_missing_film_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFilm, match=r"gone\.mp4 cannot be read as a film: No such file"):
        read_film(tmp_path / "gone.mp4")


def test_a_file_of_sound_alone_is_no_film(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFilm, match="no video stream"):
        read_film(sound(tmp_path / "sound.mp4"))


def test_a_film_without_a_frame_is_no_film(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFilm, match="holds no picture"):
        read_film(film(tmp_path / "empty.avi"))


def test_the_strip_shows_the_frames_on_both_sides_of_the_seam(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", *([BLACK] * 24), *([WHITE] * 24))
    assert save_strip(path, tmp_path / "strip.png", seam_seconds=1.0, each_side=2, height=36) == 4
    with Image.open(tmp_path / "strip.png") as strip:
        strip.load()
    assert (strip.format, strip.mode) == ("PNG", "RGB")
    assert strip.size == (4 * (64 + 6) + 6 + 12, 36 + 4 * 6)
    centres = [6 + 32, 6 + 70 + 32, 6 + 140 + 12 + 32, 6 + 210 + 12 + 32]
    brightness = strip.convert("L").tobytes()
    assert [brightness[24 * strip.width + x] > 128 for x in centres] == [False, False, True, True]
    assert [strip.getpixel((x, strip.height - 9)) for x in centres] == [BEFORE, BEFORE, AFTER, AFTER]
    assert strip.getpixel((6 + 140 + 3, 24)) == SEAM


@pytest.mark.parametrize(("seam", "shown"), [(0.0, 3), (0.04, 3), (1.0, 2), (99.0, 2)])
def test_a_side_of_few_frames_shows_each_once_and_a_seam_at_the_end_leaves_the_other_empty(
    tmp_path: Path, seam: float, shown: int
) -> None:
    path = film(tmp_path / "film.mp4", *([BLACK] * 24))
    assert save_strip(path, tmp_path / "strip.png", seam_seconds=seam, each_side=2, height=36) == shown


def test_a_strip_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", WHITE)
    with pytest.raises(OSError, match="No such file"):
        save_strip(path, tmp_path / "gone" / "strip.png", seam_seconds=1.0)
