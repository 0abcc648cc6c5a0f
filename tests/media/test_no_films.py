"""What is no whole film gets no name and leaves nothing behind."""

from pathlib import Path

import pytest

from runway_mcp.media.errors import Cut, DeadLink, MediaError, NoFilm, TooLarge, Unreachable
from runway_mcp.media.fetch.client import Limits
from runway_mcp.media.files.keeping import Kept
from runway_mcp.simulator.links.faults import LinkFault
from tests.media.boxes import FTYP, MOOV, box
from tests.media.hosts import host_and_links
from tests.media.keeping import FILM, NAME, PART, files, kept


async def test_what_does_not_begin_as_a_film_is_given_up_at_once(tmp_path: Path) -> None:
    async with host_and_links(bytes(2_000_000)) as (host, links):
        host.spoil("endless")
        with pytest.raises(NoFilm):
            await kept(links, host, tmp_path)


NO_FILMS = [
    (LinkFault("wrong_type"), NoFilm),
    (LinkFault("wrong_type", content_type="video/mp4", body="<html>" + "x" * 100), NoFilm),
    (LinkFault("wrong_length", length=2_999_999), NoFilm),
    (LinkFault("wrong_length", length=3_000_008), NoFilm),
    (LinkFault("wrong_length", length=0), NoFilm),
    (LinkFault("wrong_length", length=5_000_001), TooLarge),
    (LinkFault("endless"), TooLarge),
    (LinkFault("status", status=204), NoFilm),
    (LinkFault("dead"), DeadLink),
    (LinkFault("status", status=500, times=None), Unreachable),
    (LinkFault("redirect", times=None), MediaError),
    (LinkFault("redirect", location="https://10.0.0.5/"), MediaError),
    (LinkFault("redirect", location="http://127.0.0.1:1/"), MediaError),
    (LinkFault("cut", after_bytes=0, times=None), Cut),
]


@pytest.mark.parametrize(("rule", "error"), NO_FILMS, ids=lambda each: getattr(each, "kind", ""))
async def test_what_is_no_whole_film_leaves_nothing_behind(
    tmp_path: Path, rule: LinkFault, error: type[MediaError]
) -> None:
    async with host_and_links(FILM, limits=Limits(most_bytes=5_000_000)) as (host, links):
        host.rules.append(rule)
        with pytest.raises(error) as caught:
            await kept(links, host, tmp_path)

    assert files(tmp_path) == []
    assert "_jwt" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [FTYP + MOOV, FTYP + box(b"mdat", bytes(1000)), b"\x1aE\xdf\xa3" + bytes(1000), bytes(11), b"x"]
)
async def test_a_file_that_is_no_mp4_with_an_index_gets_no_name(tmp_path: Path, content: bytes) -> None:
    async with host_and_links(content) as (host, links):
        with pytest.raises(NoFilm):
            await kept(links, host, tmp_path)

    assert files(tmp_path) == []


async def test_what_a_further_check_could_not_tell_is_told_with_the_film(tmp_path: Path) -> None:
    def unsure(_: Path) -> str:
        return "No decoder was free."

    async with host_and_links(FILM) as (host, links):
        told = await kept(links, host, tmp_path, check=unsure)

    assert told == Kept(tmp_path / NAME, len(FILM), new=True, warning="No decoder was free.")


async def test_a_further_check_may_refuse_a_film_before_it_has_its_name(tmp_path: Path) -> None:
    seen: list[tuple[Path, bytes]] = []

    def refuse(path: Path) -> None:
        seen.append((path, path.read_bytes()))
        raise NoFilm("Its last frame does not decode.")

    async with host_and_links(FILM) as (host, links):
        with pytest.raises(NoFilm, match="last frame"):
            await kept(links, host, tmp_path, check=refuse)

    assert seen == [(tmp_path / PART, FILM)]
    assert files(tmp_path) == []
