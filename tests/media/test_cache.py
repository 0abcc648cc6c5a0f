"""The cache of pictures: bounded, shared by processes, and never a reason to fail."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

from runway_mcp.media.pictures.cache import cached, keep, picture_key
from runway_mcp.media.pictures.stills import Picture, Shown


def picture(content: bytes = b"\xff\xd8 jpeg \n\n \xff\xd9", second: float = 9.958) -> Picture:
    return Picture(content, 768, 461, (Shown(second), Shown(second + 1, 2)))


async def test_what_is_kept_comes_back_as_it_was(tmp_path: Path) -> None:
    key = picture_key("asset", "last_frame", "etag")

    assert await cached(tmp_path / "new", key) is None
    assert await keep(tmp_path / "new", key, picture())
    assert await cached(tmp_path / "new", key) == picture()


def test_each_asset_view_and_version_has_a_name_of_its_own() -> None:
    told = [("a", "last", "1"), ("b", "last", "1"), ("a", "first", "1"), ("a", "last", "2"), ("al", "ast", "1")]

    names = [picture_key(*each) for each in told]

    assert len(set(names)) == len(told)
    assert all(name.isalnum() for name in names)
    assert names[0] == picture_key("a", "last", "1")


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda _: b"",
    "cut": lambda whole: whole[:-1],
    "its first byte changed": lambda whole: b"x" + whole[1:],
    "another file": lambda _: b"\n{}\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_entry_is_a_miss_and_can_be_kept_again(tmp_path: Path, damage: str) -> None:
    await keep(tmp_path, "key", picture())
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(DAMAGES[damage](entry.read_bytes()))

    assert await cached(tmp_path, "key") is None
    assert await keep(tmp_path, "key", picture())
    assert await cached(tmp_path, "key") == picture()


async def test_the_longest_unused_goes_first_and_a_look_is_a_use(tmp_path: Path) -> None:
    for age, key in enumerate(("first", "second", "third")):
        await keep(tmp_path, key, picture(bytes(1000)))
        (path,) = tmp_path.glob(f"{key}.*")
        os.utime(path, (1000 + age, 1000 + age))
    assert await cached(tmp_path, "first") is not None

    await keep(tmp_path, "fourth", picture(bytes(1000)), most=3 * 1300)

    there = [key for key in ("first", "second", "third", "fourth") if await cached(tmp_path, key) is not None]
    assert there == ["first", "third", "fourth"]


async def test_what_is_larger_than_the_whole_cache_leaves_nothing_behind(tmp_path: Path) -> None:
    await keep(tmp_path, "key", picture(bytes(1000)), most=500)

    assert await cached(tmp_path, "key") is None
    assert list(tmp_path.iterdir()) == []


async def test_only_old_unfinished_files_are_removed_and_no_file_of_another(tmp_path: Path) -> None:
    for name, age in (("old.part", 7200), ("new.part", 0), ("notes.txt", 7200)):
        (tmp_path / name).write_bytes(bytes(9000))
        past = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (past, past))

    await keep(tmp_path, "key", picture(), most=5000)

    assert {path.name for path in tmp_path.iterdir()} == {"new.part", "notes.txt", "key.picture"}


@pytest.mark.parametrize("blocked", ["a file in its place", "a folder under the name"])
async def test_a_folder_that_cannot_be_written_keeps_nothing_and_harms_nothing(tmp_path: Path, blocked: str) -> None:
    folder = tmp_path / "cache"
    if blocked == "a file in its place":
        folder.write_bytes(b"")
    else:
        (folder / "key.picture" / "inside").mkdir(parents=True)

    assert not await keep(folder, "key", picture())

    assert await cached(folder, "key") is None
    assert not [*tmp_path.rglob("*.part")]


@pytest.mark.slow
async def test_processes_that_keep_the_same_pictures_never_read_half_of_one(tmp_path: Path) -> None:
    program = (
        "import sys, anyio\n"
        "from pathlib import Path\n"
        "from runway_mcp.media.pictures.cache import cached, keep\n"
        "from runway_mcp.media.pictures.stills import Picture, Shown\n"
        "async def run(mark):\n"
        "    for number in range(200):\n"
        "        key = f'key{number % 7}'\n"
        "        await keep(Path(sys.argv[1]), key, Picture(mark * 20000, 1, 1, (Shown(0.0),)), most=90000)\n"
        "        found = await cached(Path(sys.argv[1]), key)\n"
        "        assert found is None or found.jpeg in (b'a' * 20000, b'b' * 20000)\n"
        "anyio.run(run, sys.argv[2].encode())\n"
    )

    async def other(mark: str) -> int:
        done = await anyio.run_process([sys.executable, "-c", program, str(tmp_path), mark], check=False)
        return done.returncode

    codes: list[int] = []

    async def run(mark: str) -> None:
        codes.append(await other(mark))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(run, "a")
            group.start_soon(run, "b")

    assert codes == [0, 0]
    held = await run_sync(lambda: sum(path.stat().st_size for path in tmp_path.iterdir()))
    assert 0 < held <= 90_000 + 25_000
