from pathlib import Path

import pytest

from runway_mcp.demo.failures import DemoError
from runway_mcp.demo.films import compare, fetch
from tests.kit.films import BLACK, film
from tests.media.boxes import film as boxes
from tests.media.hosts import host_and_links


async def test_the_film_behind_a_link_is_saved_under_its_name(tmp_path: Path) -> None:
    async with host_and_links(boxes()) as (host, links):
        assert (await fetch(links, host.link(), tmp_path / "film.mp4")).read_bytes() == host.content


@pytest.mark.parametrize("link", ["http://127.0.0.1:9/film", None])
async def test_a_film_that_cannot_be_had_is_named(link: str | None, tmp_path: Path) -> None:
    async with host_and_links(boxes()) as (_, links):
        with pytest.raises(DemoError, match=r"film\.mp4 cannot be downloaded: "):
            await fetch(links, link, tmp_path / "film.mp4")


async def test_a_film_that_grew_as_asked_is_told_with_its_strip(tmp_path: Path) -> None:
    clip, longer = film(tmp_path / "a.mp4", *[BLACK] * 24), film(tmp_path / "b.mp4", *[BLACK] * 72)
    pair = await compare(clip, longer, tmp_path / "strip.png", seconds=2)
    assert (pair.before.frames, pair.after.frames, pair.grown) == (24, 72, 2.0)
    assert (tmp_path / "strip.png").exists()


async def test_a_film_that_did_not_grow_as_asked_is_refused(tmp_path: Path) -> None:
    clip = film(tmp_path / "a.mp4", *[BLACK] * 24)
    with pytest.raises(DemoError, match=r"the film grew by 0\.0 s, not by 5 s"):
        await compare(clip, clip, tmp_path / "strip.png", seconds=5)


async def test_a_page_in_place_of_a_film_is_refused(tmp_path: Path) -> None:
    clip, page = film(tmp_path / "a.mp4", *[BLACK] * 24), tmp_path / "b.mp4"
    page.write_bytes(b"<html>")
    with pytest.raises(DemoError, match=r"b\.mp4 cannot be compared: "):
        await compare(clip, page, tmp_path / "strip.png", seconds=5)


async def test_a_strip_that_cannot_be_saved_is_named(tmp_path: Path) -> None:
    clip, longer = film(tmp_path / "a.mp4", *[BLACK] * 24), film(tmp_path / "b.mp4", *[BLACK] * 48)
    with pytest.raises(DemoError, match=r"strip\.png cannot be saved: .*No such file"):
        await compare(clip, longer, tmp_path / "gone" / "strip.png", seconds=1)
