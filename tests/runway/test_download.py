"""Downloads: a whole file or none, without the token, and no message with the link."""

import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx
import pytest

from runway_mcp.runway import errors
from runway_mcp.runway.client import RunwayClient
from tests.runway.samples import SIGNED, TOKEN, Respond, client_of

FILM = bytes(range(256)) * 1000


def stream(*chunks: bytes | Exception, status: int = 200, **headers: str) -> Respond:
    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for chunk in chunks:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(status, headers=named, stream=Body())


async def test_a_film_is_saved_under_its_name_and_its_length_told(tmp_path: Path) -> None:
    seen: list[httpx.Request] = []
    target = tmp_path / "film.mp4"
    target.write_bytes(b"an older film")
    async with client_of(stream(FILM[:1000], FILM[1000:], content_length=str(len(FILM))), seen=seen) as client:
        assert await client.download(SIGNED, target) == len(FILM)

    assert target.read_bytes() == FILM
    assert list(tmp_path.iterdir()) == [target]
    assert str(seen[0].url) == SIGNED
    assert "authorization" not in seen[0].headers
    assert TOKEN not in str(seen[0].headers.raw)


async def test_a_film_without_a_promised_length_is_saved_too(tmp_path: Path) -> None:
    for answer in (stream(FILM), stream(FILM, content_length="unknown"), stream(FILM, content_length="9" * 5000)):
        async with client_of(answer) as client:
            assert await client.download(SIGNED, tmp_path / "film.mp4") == len(FILM)


async def test_the_length_of_an_encoded_film_is_not_the_files(tmp_path: Path) -> None:
    async with client_of(stream(FILM, content_length="5", content_encoding="identity")) as client:
        assert await client.download(SIGNED, tmp_path / "film.mp4") == len(FILM)


FAILURES: list[tuple[Respond | Exception, type[errors.RunwayError], str]] = [
    *((stream(b"no", status=status), errors.NotFound, "link has died") for status in (401, 403, 404, 410)),
    *((stream(b"no", status=status), errors.Unavailable, f"HTTP {status}") for status in (429, 500, 503, 599)),
    *((stream(b"no", status=status), errors.UnexpectedResponse, f"HTTP {status}") for status in (302, 304, 400, 600)),
    (stream(b"<html>", content_type="text/html; charset=utf-8"), errors.UnexpectedResponse, "no file"),
    (stream(), errors.UnexpectedResponse, "empty"),
    (stream(FILM, content_length=str(len(FILM) + 1)), errors.Unavailable, "fell short"),
    (stream(FILM, httpx.ReadError(SIGNED)), errors.Unavailable, "connection was lost"),
    (stream(FILM, httpx.RemoteProtocolError(SIGNED)), errors.Unavailable, "connection was lost"),
    (stream(FILM, httpx.ReadTimeout(SIGNED)), errors.Unavailable, "in time"),
    (httpx.ConnectError(SIGNED), errors.Unavailable, "no connection"),
    (httpx.ConnectError(""), errors.Unavailable, "no connection"),
    (httpx.LocalProtocolError(SIGNED), errors.Unavailable, "broke off"),
]


@pytest.mark.virtual_time
@pytest.mark.parametrize(("answer", "error", "words"), FAILURES)
async def test_a_download_that_fails_leaves_nothing_behind(
    answer: Respond | Exception, error: type[errors.RunwayError], words: str, tmp_path: Path
) -> None:
    target = tmp_path / "film.mp4"
    target.write_bytes(b"an older film")
    async with client_of(answer) as client:
        with pytest.raises(errors.RunwayError, match=words) as caught:
            await client.download(SIGNED, target)

    assert type(caught.value) is error
    assert target.read_bytes() == b"an older film"
    assert list(tmp_path.iterdir()) == [target]
    assert "_jwt" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.virtual_time
async def test_a_download_that_broke_off_begins_again(tmp_path: Path) -> None:
    seen: list[httpx.Request] = []
    again = stream(b"no", status=503, retry_after="9")
    async with client_of(stream(FILM, httpx.ReadError("x")), again, stream(FILM), seen=seen) as client:
        began = anyio.current_time()
        assert await client.download(SIGNED, tmp_path / "film.mp4") == len(FILM)

        assert 9.5 <= anyio.current_time() - began <= 10.1
    assert (tmp_path / "film.mp4").read_bytes() == FILM
    assert len(seen) == 3


async def test_a_dead_link_is_asked_once(tmp_path: Path) -> None:
    seen: list[httpx.Request] = []
    async with client_of(stream(b"", status=403), seen=seen) as client:
        with pytest.raises(errors.NotFound):
            await client.download(SIGNED, tmp_path / "film.mp4")

    assert len(seen) == 1


@pytest.mark.parametrize("url", ["", "film.mp4", "file:///etc/passwd", "https://me:pw@x.example/a", "http://a:port"])
async def test_what_is_no_link_is_not_opened(url: str, tmp_path: Path) -> None:
    seen: list[httpx.Request] = []
    async with client_of(stream(FILM), seen=seen) as client:
        with pytest.raises(errors.UnexpectedResponse, match="no absolute"):
            await client.download(url, tmp_path / "film.mp4")

    assert seen == []


async def test_a_disk_that_refuses_is_told_as_it_is(tmp_path: Path) -> None:
    async with client_of(stream(FILM)) as client:
        with pytest.raises(FileNotFoundError):
            await client.download(SIGNED, tmp_path / "nowhere" / "film.mp4")


@pytest.mark.virtual_time
async def test_a_cancelled_download_leaves_nothing_behind(tmp_path: Path) -> None:
    async def endless(_: httpx.Request) -> httpx.Response:
        async def drops() -> AsyncIterator[bytes]:
            while True:
                yield FILM
                await anyio.sleep(1)

        return httpx.Response(200, content=drops())

    async with RunwayClient(url="http://api.example", token=TOKEN, transport=httpx.MockTransport(endless)) as client:
        with anyio.move_on_after(100) as scope:
            await client.download(SIGNED, tmp_path / "film.mp4")

    assert scope.cancelled_caught
    assert list(tmp_path.iterdir()) == []
