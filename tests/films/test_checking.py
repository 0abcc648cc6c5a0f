"""The look at both ends of a film: refuses what surely is none, and never for trouble of this machine."""

import errno
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio import from_thread
from anyio.to_thread import run_sync

from runway_mcp.films.checking import LIMITS, check_ends
from runway_mcp.media.errors import MediaMissing, NoFilm
from runway_mcp.media.pictures.decoding import opened
from runway_mcp.media.pictures.limits import Limits
from runway_mcp.media.pictures.reading import local_film
from tests.kit.films import WHITE, film
from tests.kit.numbered import Form, numbered
from tests.media.boxes import film as boxes


def test_a_film_of_which_both_ends_decode_passes_without_a_word(tmp_path: Path) -> None:
    for form in (Form(), Form(b_frames=2, index="end", sound=True), Form(index="fragments")):
        assert check_ends(numbered(tmp_path / "film.mp4", 48, form)) is None


@pytest.mark.parametrize("cut", [False, True])
def test_what_surely_is_no_film_is_refused(tmp_path: Path, cut: bool) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(numbered(path, 48, Form()).read_bytes()[:-300] if cut else boxes(4000))

    with pytest.raises(NoFilm, match="does not decode"):
        check_ends(path)


def trouble(error: Exception) -> Callable[[], None]:
    """What fails as the system fails that has no more to give."""

    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (PermissionError(errno.EACCES, "Permission denied"), "Permission denied"),
        (MemoryError(), "lacks memory or files"),
        (ImportError("av"), "lacks memory or files"),
    ],
)
def test_trouble_of_this_machine_is_told_and_refuses_no_film(tmp_path: Path, error: Exception, told: str) -> None:
    warning = check_ends(film(tmp_path / "film.mp4", WHITE), require=trouble(error))

    assert warning is not None
    assert told in warning


def test_a_file_that_is_moved_meanwhile_refuses_no_film(tmp_path: Path) -> None:
    warning = check_ends(tmp_path / "moved.mp4")

    assert warning is not None
    assert "No such file" in warning


@pytest.mark.parametrize(
    "limits", [Limits(seconds=-1), Limits(packet=10), Limits(pixels=64), Limits(samples=3), Limits(held=1000)], ids=repr
)
def test_a_film_that_costs_more_than_may_be_spent_is_not_refused_either(tmp_path: Path, limits: Limits) -> None:
    warning = check_ends(numbered(tmp_path / "film.mp4", 24, Form()), limits=limits)

    assert warning is not None
    assert "could not be told here" in warning


def test_a_codec_that_is_not_decoded_here_refuses_no_film(tmp_path: Path) -> None:
    assert check_ends(film(tmp_path / "film.mkv", WHITE, codec="ffv1")) is not None


def test_where_nothing_can_be_decoded_nothing_is_looked_at(tmp_path: Path) -> None:
    assert check_ends(tmp_path / "gone.mp4", require=trouble(MediaMissing())) is None


@pytest.mark.parametrize(("width", "height", "frames"), [(320, 192, 6), (2624, 1600, 1)])
def test_of_large_frames_only_the_keyframes_are_decoded(tmp_path: Path, width: int, height: int, frames: int) -> None:
    path = numbered(tmp_path / "film.mp4", 6, Form(group=100), width=width, height=height)

    with local_film(path, LIMITS) as file, opened(file, frugal=True) as looked_at:
        assert len(list(looked_at.frames(None, from_start=True))) == frames
    assert check_ends(path) is None


async def test_a_look_ends_when_its_caller_is_cancelled(tmp_path: Path) -> None:
    path = numbered(tmp_path / "film.mp4", 48, Form())
    with anyio.fail_after(60), anyio.CancelScope() as scope:

        def begun() -> None:
            from_thread.run_sync(scope.cancel)

        await run_sync(partial(check_ends, path, require=begun))
        pytest.fail("it went on to its end")

    assert scope.cancelled_caught
