import time
import unicodedata
from itertools import islice

import pytest

from runway_mcp.media.files.names import MOST_BYTES, film_name, folded, given_name, is_safe, numbered, short_id

FILM = "user:1-runwayml:me@x.example-asset:1f3a0c4e-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("label", "more", "name"),
    [
        ("Beach at dusk", {"extensions": 2, "seconds": 20.0}, "beach-at-dusk_ext2_20s_1f3a.mp4"),
        ("Beach at dusk", {}, "beach-at-dusk_1f3a.mp4"),
        ("Beach at dusk", {"extensions": 0, "seconds": 10.4}, "beach-at-dusk_10s_1f3a.mp4"),
        ("", {}, "film_1f3a.mp4"),
        ("../../etc/passwd", {}, "etc-passwd_1f3a.mp4"),
        ("..\\..\\boot.ini", {}, "boot-ini_1f3a.mp4"),
        ("CON", {}, "con_1f3a.mp4"),
        ('a<b>c:d"e/f\\g|h?i*j\x00k\nl', {}, "a-b-c-d-e-f-g-h-i-j-k-l_1f3a.mp4"),
        ("  -- dots... and_lines --  ", {}, "dots-and-lines_1f3a.mp4"),
        ("Мост 海辺 हिन्दी", {}, "мост-海辺-हिन्दी_1f3a.mp4"),
        (unicodedata.normalize("NFD", "Café"), {}, "café_1f3a.mp4"),
        ("\u202egnp.exe \u200b\ufe0f🎬", {}, "gnp-exe_1f3a.mp4"),
        ("word " * 30, {}, "word-word-word-word-word-word-word-word-word_1f3a.mp4"),
        ("x" * 500, {"extensions": 3, "seconds": 40.0}, f"{'x' * 48}_ext3_40s_1f3a.mp4"),
        ("海" * 500, {}, f"{'海' * 16}_1f3a.mp4"),
    ],
)
def test_a_film_s_name_tells_what_it_is_and_is_safe(label: str, more: dict[str, float], name: str) -> None:
    told = film_name(label, FILM, **more)  # pyright: ignore[reportArgumentType]  the table's columns

    assert told == name
    assert is_safe(told)


@pytest.mark.parametrize("seconds", [1e300, float("inf"), float("nan"), -5.0])
def test_a_length_that_no_film_has_is_not_in_its_name(seconds: float) -> None:
    assert film_name("dunes", FILM, seconds=seconds) == film_name("dunes", FILM)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("My Film", "My-Film.mp4"),
        ("My Film.mp4", "My-Film.mp4"),
        ("My Film.MP4", "My-Film.mp4"),
        ("film.mov", "film-mov.mp4"),
        ("/tmp/x", "x.mp4"),  # noqa: S108  a name, not a place
        ("C:\\Windows\\x", "x.mp4"),
        ("../..", "film.mp4"),
        ("NUL", "NUL_.mp4"),
        ("com1.mp4", "com1_.mp4"),
        ("aux ", "aux_.mp4"),
        ("", "film.mp4"),
        ("y" * 300, f"{'y' * 95}.mp4"),
    ],
)
def test_a_name_that_the_user_chose_is_made_safe(given: str, name: str) -> None:
    assert given_name(given) == name
    assert is_safe(given_name(given))


@pytest.mark.parametrize(
    "name",
    [
        *("", ".mp4", "film", "film.", "film.mp4.exe", "film.MP4", "film.mp4 ", "../film.mp4", "a/b.mp4", "a\\b.mp4"),
        *("-film.mp4", "_film.mp4", "con.mp4", "LPT9.mp4", "a b.mp4", "a:b.mp4", "a\n.mp4", "a\u202e.mp4"),
        *("x" * 97 + ".mp4", "e\u0301.mp4", "\udcff.mp4"),
    ],
)
def test_what_is_no_safe_name_is_known_as_such(name: str) -> None:
    assert not is_safe(name)


def test_a_name_that_is_taken_gets_a_number_and_stays_safe() -> None:
    long = f"{'x' * 96}.mp4"
    names = [*islice(numbered("film.mp4"), 3), *islice(numbered(long), 11)]

    assert names[:3] == ["film.mp4", "film-2.mp4", "film-3.mp4"]
    assert names[-1] == f"{'x' * 93}-11.mp4"
    assert all(is_safe(name) and len(name.encode()) <= MOST_BYTES for name in names)
    assert len({folded(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("one", "other"), [("Film.mp4", "fILM.mp4"), ("\u00e9t\u00e9", "E\u0301TE\u0301"), ("STRASSE", "straße")]
)
def test_names_that_some_system_takes_for_one_are_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_the_short_id_is_the_uuid_s_beginning_and_of_any_other_id_its_digest_s() -> None:
    assert short_id(FILM) == "1f3a"
    assert short_id("film_abcdefgh") != short_id("film_abcdefgi")
    assert len(short_id("")) == 4


def test_a_label_with_countless_marks_on_a_letter_is_read_in_little_time() -> None:
    began = time.process_time()

    assert is_safe(film_name("e" + "\u0301\u0316" * 20_000, FILM))
    assert time.process_time() - began < 0.5
