"""Films that begin with an image: real, in the form that was chosen, and the image is their first frame."""

import io
import os
from fractions import Fraction
from itertools import pairwise
from typing import Any

import anyio
import av
import httpx
import pytest
from PIL import Image

from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.media.clips import PaintedFilms
from runway_mcp.simulator.media.films import End, Film, Form, Start, started_by
from runway_mcp.simulator.run import running
from tests.simulator.requests import create, png, upload

pytestmark = pytest.mark.slow

LIMIT = 50.0


@pytest.fixture(scope="module")
def films() -> PaintedFilms:
    return PaintedFilms()


def decoded(film: bytes) -> list[Any]:
    """The frames of the film."""
    container: Any = av.open(io.BytesIO(film))
    with container:
        return list(container.decode(video=0))


def shown(frame: Any) -> bytes:
    """The frame as players show it, tiny, in RGB."""
    matrix = "ITU709" if frame.colorspace == 2 and frame.height >= 720 else None
    return frame.to_image(width=32, height=20, src_colorspace=matrix, interpolation="AREA").tobytes()


def difference(first: bytes, second: bytes) -> float:
    """How much two pictures differ, in steps of 255, on average."""
    return sum(abs(one - other) for one, other in zip(first, second, strict=True)) / len(first)


def view(films: PaintedFilms, width: int = 320, height: int = 192) -> bytes:
    """A picture of something, as a PNG: the last frame of a film of the stand-in."""
    file = io.BytesIO()
    last = decoded(films.render(Film(seconds=1, width=width, height=height)))[-1]
    last.to_image(src_colorspace="ITU709" if height >= 720 else None).save(file, "PNG")
    return file.getvalue()


def begun(picture: bytes, *, width: int = 320, height: int = 192, form: Form | None = None, seconds: int = 2) -> Film:
    return Film(seconds=seconds, width=width, height=height, form=form or Form(), start=started_by(picture))


def small(picture: bytes, size: tuple[int, int]) -> bytes:
    with Image.open(io.BytesIO(picture)) as image:
        assert image.size == size
        whole: Any = image.convert("RGB")
        return whole.resize((32, 20), Image.Resampling.BOX).tobytes()


@pytest.mark.parametrize(("width", "height"), [(320, 192), (1280, 720), (64, 36)])
@pytest.mark.parametrize("colour", ["untagged", "bt709"])
def test_the_first_frame_is_the_picture_and_the_view_moves_on_from_it(
    films: PaintedFilms, width: int, height: int, colour: Any
) -> None:
    picture = view(films, width, height)

    frames = decoded(films.render(begun(picture, width=width, height=height, form=Form(colour=colour))))

    assert len(frames) == 48
    assert difference(shown(frames[0]), small(picture, (width, height))) < 5
    assert difference(shown(frames[0]), shown(frames[1])) < 2
    assert difference(shown(frames[0]), shown(frames[-1])) > 4


def test_a_first_frame_that_is_similar_has_moved_on(films: PaintedFilms) -> None:
    picture = view(films)
    start = Start("x", picture, later=True)

    first = decoded(films.render(Film(seconds=2, width=320, height=192, start=start)))[0]

    assert 0.5 < difference(shown(first), small(picture, (320, 192))) < 8


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_a_picture_of_another_shape_is_cropped_or_stretched(films: PaintedFilms, fit: Any) -> None:
    halves = Image.new("RGB", (200, 400), (10, 10, 10))
    halves.paste((240, 240, 240), (0, 0, 200, 50))
    file = io.BytesIO()
    halves.save(file, "PNG")

    film = Film(seconds=1, width=200, height=200, start=started_by(file.getvalue(), fit=fit))
    first = decoded(films.render(film))[0].to_image()

    bright = [first.getpixel((100, y))[1] > 128 for y in (5, 20, 40)]
    assert bright == ([False, False, False] if fit == "crop" else [True, True, False])


def test_a_picture_that_cannot_be_read_is_grey(films: PaintedFilms) -> None:
    first = decoded(films.render(begun(png()[:-30])))[0].to_image().getpixel((9, 9))

    assert all(abs(each - 96) < 4 for each in first)


def extradata(film: bytes) -> bytes:
    container: Any = av.open(io.BytesIO(film))
    with container:
        return container.streams.video[0].codec_context.extradata


@pytest.mark.parametrize("encoder", ["usual", "other"])
def test_its_parameter_sets_are_those_of_other_films_of_its_size_or_others(films: PaintedFilms, encoder: Any) -> None:
    source = Film(seconds=1, width=320, height=192)
    film = begun(view(films), form=Form(encoder=encoder))

    assert (extradata(films.render(film)) == extradata(films.render(source))) == (encoder == "usual")


@pytest.mark.parametrize("form", [Form(rate=30), Form(rate=25, sound=True), Form(encoder="other", sound=True, rate=30)])
def test_it_has_the_rate_and_the_sound_of_its_form(films: PaintedFilms, form: Form) -> None:
    film = begun(view(films), form=form)
    content = films.render(film)

    container: Any = av.open(io.BytesIO(content))
    with container:
        stream = container.streams.video[0]
        sounds = [round(float(each.duration * each.time_base), 1) for each in container.streams.audio]
        times = [frame.pts * frame.time_base for frame in container.decode(stream)]
    assert (stream.average_rate, len(times)) == (form.rate, 2 * form.rate)
    assert {after - before for before, after in pairwise(times)} == {Fraction(1, form.rate)}
    assert sounds == ([2.0] if form.sound else [])
    assert len(content) == films.size(film)


@pytest.mark.parametrize("picture", [True, False])
@pytest.mark.parametrize(("end", "lightest", "darkest"), [("black", 4, 0), ("white", 255, 250)])
def test_a_film_may_end_in_black_or_white(
    films: PaintedFilms, picture: bool, end: End, lightest: int, darkest: int
) -> None:
    start = started_by(view(films)) if picture else None
    film = Film(seconds=2, width=320, height=192, form=Form(end=end), start=start)
    plain = Film(seconds=2, width=320, height=192, start=start)

    frames, others = decoded(films.render(film)), decoded(films.render(plain))

    assert all(darkest <= level <= lightest for level in shown(frames[-1]))
    assert difference(shown(frames[23]), shown(others[23])) < 2 < difference(shown(frames[36]), shown(others[36]))


def test_a_film_may_end_in_a_blur_and_an_extension_of_it_too(films: PaintedFilms) -> None:
    form = Form(end="blur")
    for added in ((), (5,)):
        film = Film(seconds=2, added=added, width=320, height=192, form=form)
        frames = decoded(films.render(film))
        plain = decoded(films.render(Film(seconds=2, added=added, width=320, height=192)))
        assert edges(frames[-1]) < 0.3 * edges(plain[-1])
        assert edges(frames[-26]) > 0.8 * edges(plain[-26])


def edges(frame: Any) -> int:
    """How sharply the light turns along the frame's rows."""
    light: bytes = frame.to_image().convert("L").tobytes()
    return sum(
        (before - 2 * here + after) ** 2 for before, here, after in zip(light, light[1:], light[2:], strict=False)
    )


def test_even_noise_fits_into_the_size_that_was_promised(films: PaintedFilms) -> None:
    file = io.BytesIO()
    Image.frombytes("RGB", (640, 360), os.urandom(640 * 360 * 3)).save(file, "PNG")
    film = begun(file.getvalue(), width=640, height=360)

    content = films.render(film)

    assert (len(content), len(decoded(content))) == (films.size(film), 48)


def test_a_film_is_the_same_however_often_it_is_made(films: PaintedFilms) -> None:
    film = begun(view(films), form=Form(end="blur"))

    assert films.render(film) == PaintedFilms().render(film)


async def test_a_picture_goes_in_over_a_socket_and_its_film_comes_out(films: PaintedFilms) -> None:
    world = small_world(clips=0, pace=0.05, films=films)
    world.switch(created_size="tiny")
    picture = view(films, 64, 36)
    headers = {"Authorization": f"Bearer {world.token}"}

    with anyio.fail_after(LIMIT):
        async with running(world) as url, httpx.AsyncClient(base_url=url, headers=headers, timeout=LIMIT) as api:
            image = await upload(api, picture)
            task_id = (await create(api, image, aspect_ratio="16:9")).json()["taskId"]
            while not (body := (await api.get(f"/tasks/{task_id}")).json())["artifacts"]:
                pass
            film = await api.get(body["artifacts"][0]["url"])
            sent = await api.get(body["options"]["init_image"])

    frames = decoded(film.content)
    assert sent.content == picture
    assert len(film.content) == int(body["artifacts"][0]["fileSize"])
    assert (len(frames), frames[0].width, frames[0].height) == (120, 64, 36)
    assert difference(shown(frames[0]), small(picture, (64, 36))) < 5
