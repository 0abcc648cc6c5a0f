"""Copies under another name: from the file that is there, by the rules of every kept film, or not at all."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from runway_mcp.media.errors import KeptElsewhere, NoFilm, NoRoom
from runway_mcp.media.fetch.answers import Version
from runway_mcp.media.files.copying import BLOCK_BYTES
from runway_mcp.media.files.folder import RESERVE_BYTES, Folder
from runway_mcp.media.files.keeping import Kept, keep_copy
from runway_mcp.media.files.parts import open_part
from tests.media.boxes import film
from tests.media.keeping import FILM, KEY, NAME, PART, files


def source(folder: Path, content: bytes = FILM) -> Kept:
    """A kept film in the folder."""
    (folder / NAME).write_bytes(content)
    return Kept(folder / NAME, len(content), new=False)


async def test_a_copy_has_every_byte_and_a_name_of_its_own(tmp_path: Path) -> None:
    received: list[int] = []

    told = await keep_copy(source(tmp_path), tmp_path, key=KEY, name="copy.mp4", told=lambda at, _: received.append(at))

    copy = tmp_path / "copy.mp4"
    assert told == Kept(copy, len(FILM), new=True)
    assert copy.read_bytes() == FILM
    assert copy.stat().st_nlink == 1
    assert files(tmp_path) == [NAME, "copy.mp4"]
    assert received == [len(FILM)]


@pytest.mark.parametrize(("there", "name"), [(b"mine", "copy-2.mp4"), (FILM, "copy.mp4")])
async def test_a_copy_overwrites_nothing_and_is_not_made_twice(tmp_path: Path, there: bytes, name: str) -> None:
    (tmp_path / "copy.mp4").write_bytes(there)

    told = await keep_copy(source(tmp_path), tmp_path, key=KEY, name="copy.mp4")

    assert told == Kept(tmp_path / name, len(FILM), new=there != FILM)
    assert (tmp_path / "copy.mp4").read_bytes() == there


def spoil(change: Callable[[Path], object]) -> Callable[[Path], Kept]:
    """A kept film to whose file something happened."""

    def spoilt(folder: Path) -> Kept:
        kept = source(folder)
        change(kept.path)
        return kept

    return spoilt


def linked(path: Path) -> None:
    path.rename(path.with_name("moved.mp4"))
    path.symlink_to(path.with_name("moved.mp4"))


def elsewhere(folder: Path) -> Kept:
    (folder / "other").mkdir()
    return source(folder / "other")


BAD: dict[str, Callable[[Path], Kept]] = {
    "gone": spoil(Path.unlink),
    "longer": spoil(lambda path: path.write_bytes(FILM + b"x")),
    "cut": spoil(lambda path: path.write_bytes(FILM[:-1])),
    "of other boxes": spoil(lambda path: path.write_bytes(FILM[:20] + bytes(len(FILM) - 20))),
    "a link": spoil(linked),
    "in another folder": elsewhere,
}


@pytest.mark.parametrize("bad", BAD)
async def test_a_file_that_is_not_what_was_kept_is_not_copied_and_what_had_come_of_the_film_stays(
    tmp_path: Path, bad: str
) -> None:
    kept = BAD[bad](tmp_path)
    with Folder(tmp_path) as folder:
        part = open_part(folder, KEY)
        part.begin(Version(len(FILM), '"a"'))
        part.write(FILM[:1000])
        part.leave()
        part.close()
    before = files(tmp_path)

    assert await keep_copy(kept, tmp_path, key=KEY, name="copy.mp4") is None
    assert files(tmp_path) == before
    assert (tmp_path / PART).read_bytes() == FILM[:1000]


async def test_a_copy_that_does_not_decode_is_none(tmp_path: Path) -> None:
    def refuse(_: Path) -> str | None:
        raise NoFilm("Its end does not decode.")

    assert await keep_copy(source(tmp_path), tmp_path, key=KEY, name="copy.mp4", check=refuse) is None
    assert files(tmp_path) == [NAME]


async def test_a_copy_needs_room_as_every_film(tmp_path: Path) -> None:
    kept = source(tmp_path)
    with pytest.raises(NoRoom):
        await keep_copy(kept, tmp_path, key=KEY, name="copy.mp4", free=lambda _: RESERVE_BYTES + len(FILM) - 1)

    assert files(tmp_path) == [NAME]


async def test_a_copy_waits_for_the_film_s_part_like_every_call(tmp_path: Path) -> None:
    kept = source(tmp_path)
    with Folder(tmp_path) as folder:
        part = open_part(folder, KEY)
        with pytest.raises(KeptElsewhere):
            await keep_copy(kept, tmp_path, key=KEY, name="copy.mp4")
        part.remove()
        part.close()


async def test_a_copy_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    kept = source(tmp_path, film(3 * BLOCK_BYTES))
    with anyio.CancelScope() as scope:

        def told(_: int, __: int | None) -> None:
            assert (tmp_path / PART).exists()
            scope.cancel()

        await keep_copy(kept, tmp_path, key=KEY, name="copy.mp4", told=told)

    assert scope.cancelled_caught
    assert files(tmp_path) == [NAME]
