"""The films: real, exact to the frame, and an extension goes on where its parent ended."""

import io
from fractions import Fraction
from typing import Any

import anyio
import av
import httpx
import pytest

from runway_mcp.simulator.builders import add_video, small_world
from runway_mcp.simulator.media.clips import MediaMissing, PaintedFilms
from runway_mcp.simulator.media.films import BlankFilms, Film, Form
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from tests.simulator.requests import extend

pytestmark = pytest.mark.slow

LIMIT = 50.0


def small(
    seconds: float = 10, added: tuple[int, ...] = (), *, scene: int = 0, tail: bool = False, form: Form | None = None
) -> Film:
    """A film that is quick to make."""
    return Film(scene, seconds, added, tail, width=320, height=192, form=form or Form())


@pytest.fixture(scope="module")
def films() -> PaintedFilms:
    return PaintedFilms()


def brightness(film: bytes) -> list[bytes]:
    """The brightness of every pixel, frame by frame."""
    container: Any = av.open(io.BytesIO(film))
    with container:
        return [luma(frame) for frame in container.decode(video=0)]


def luma(frame: Any) -> bytes:
    """The brightness of a frame's pixels, without what pads its rows."""
    raw, stride = bytes(frame.planes[0]), frame.planes[0].line_size
    return b"".join(raw[at : at + frame.width] for at in range(0, stride * frame.height, stride))


def difference(first: bytes, second: bytes) -> float:
    """How much two frames differ, in steps of 255, on average."""
    return sum(abs(one - other) for one, other in zip(first, second, strict=True)) / len(first)


def test_a_film_is_h264_of_its_size_and_exactly_as_long_as_it_says(films: PaintedFilms) -> None:
    film = Film()

    content = films.render(film)

    container: Any = av.open(io.BytesIO(content))
    with container:
        stream = container.streams.video[0]
        told = (stream.codec_context.name, stream.format.name, stream.width, stream.height, stream.average_rate)
        assert told == ("h264", "yuv420p", 1280, 768, 24)
        assert stream.duration * stream.time_base == Fraction(10)
        assert sum(1 for _ in container.decode(stream)) == film.frames == 240
    assert content.index(b"moov") < content.index(b"mdat")
    assert len(content) == films.size(film)


def test_an_extension_keeps_its_parent_and_goes_on_from_its_last_frame(films: PaintedFilms) -> None:
    parent = small()
    film = small(added=(5, 8))

    before = brightness(films.render(parent))
    after = brightness(films.render(film))

    assert (len(before), len(after)) == (240, 240 + 24 * 13)
    assert after[:240] == before
    for seam in (240, 360):
        assert difference(after[seam - 1], after[seam]) < 2
    assert difference(after[239], after[-1]) > 20


def test_a_tail_is_the_added_part_alone(films: PaintedFilms) -> None:
    whole = brightness(films.render(small(added=(5,))))
    tail = brightness(films.render(small(added=(5,), tail=True)))

    assert len(tail) == 120
    assert difference(tail[0], whole[240]) < 3


def test_a_film_is_the_same_however_often_and_wherever_it_is_made(films: PaintedFilms) -> None:
    film = small(1, scene=2)

    assert films.render(film) == films.render(film) == PaintedFilms().render(film)


FORMS = [
    Form(group=0),
    Form(group=24),
    Form(group=250),
    Form(index="end"),
    Form(index="fragments"),
    Form(colour="bt709"),
    Form(sound=True),
    Form(group=24, index="end", colour="bt709", sound=True),
    Form(index="fragments", sound=True),
    Form(group=0, sound=True, index="end"),
]


@pytest.mark.parametrize("form", FORMS)
def test_a_film_has_the_form_that_was_chosen_also_when_it_is_extended(films: PaintedFilms, form: Form) -> None:
    seconds = 11 if form.group == 250 else 3
    seam = 24 * seconds
    for film in (small(seconds, form=form), small(seconds, (5,), form=form)):
        content = films.render(film)
        container: Any = av.open(io.BytesIO(content))
        with container:
            stream = container.streams.video[0]
            keys = {number for number, entry in enumerate(stream.index_entries) if entry.is_keyframe}
            sounds = [each.duration * each.time_base for each in container.streams.audio]
            frames = [(frame.colorspace, luma(frame)) for frame in container.decode(stream)]
        step = form.group or 10**6
        added = range(seam, film.frames, step) if form.group else ()
        assert (len(content), keys) == (films.size(film), {*range(0, seam, step), *added})
        assert (len(frames), {colour for colour, _ in frames}) == (film.frames, {1 if form.colour == "bt709" else 2})
        assert [round(float(seconds), 1) for seconds in sounds] == ([film.duration] if form.sound else [])
        assert (content.index(b"moov") < content.index(b"mdat")) == (form.index != "end")
        assert (b"moof" in content) == (form.index == "fragments")
        assert difference(frames[seam - 1][1], frames[min(seam, film.frames - 1)][1]) < 2


def test_the_default_form_is_the_one_of_every_world() -> None:
    world = small_world(clips=1, form=Form(group=24))
    add_video(world)

    assert [asset.film.form for asset in world.assets if asset.film] == [Form(group=24), Form()]


def test_any_even_size_will_do(films: PaintedFilms) -> None:
    film = Film(scene=2, seconds=1, width=300, height=180)

    assert {len(frame) for frame in brightness(films.render(film))} == {300 * 180}


def test_old_films_are_made_again(films: PaintedFilms) -> None:
    shorts = [Film(scene=2, seconds=(1 + number) / 24, width=64, height=48) for number in range(30)]

    first = [films.render(film) for film in shorts]

    assert [films.render(film) for film in shorts] == first


@pytest.mark.parametrize("film", [small(), small(added=(5, 5), tail=True)])
def test_a_preview_is_a_jpeg_of_the_film_s_first_picture(films: PaintedFilms, film: Film) -> None:
    picture = films.preview(film)

    shown: Any = av.open(io.BytesIO(picture), format="mjpeg")
    with shown:
        frame = next(shown.decode(video=0))
    assert (picture[:2], frame.width, frame.height) == (b"\xff\xd8", 320, 192)
    assert difference(luma(frame.reformat(format="yuv420p")), brightness(films.render(film))[0]) < 12


def test_a_film_that_does_not_fit_its_promised_size_is_refused() -> None:
    class Tight(PaintedFilms):
        def size(self, film: Film) -> int:
            del film
            return 100

    with pytest.raises(ValueError, match="does not fit into 100"):
        Tight().render(small(1))


@pytest.mark.parametrize("missing", ["av", "PIL"])
def test_without_one_of_its_libraries_the_extra_is_named(missing: str) -> None:
    with pytest.raises(MediaMissing, match=r"pip install 'useapi-runway-mcp\[media\]'"):
        PaintedFilms(find=lambda name: None if name == missing else name)


def test_blanks_differ_and_have_the_size_they_say() -> None:
    films = BlankFilms()
    contents = {films.render(film) for film in (Film(), Film(scene=1), Film(added=(5,)))}

    assert {len(content) for content in contents} == {films.size(Film())}
    assert len(contents) == 3


async def test_a_task_s_film_is_made_and_served_while_the_loop_stays_free(films: PaintedFilms) -> None:
    world: World = small_world(clips=0, pace=0.05, films=films)
    source = add_video(world, scene=1, seconds=1, width=320, height=192)
    headers = {"Authorization": f"Bearer {world.token}"}

    with anyio.fail_after(LIMIT):
        async with running(world) as url, httpx.AsyncClient(base_url=url, headers=headers, timeout=LIMIT) as api:
            task_id = (await extend(api, world.asset_id(source))).json()["taskId"]
            while not (body := (await api.get(f"/tasks/{task_id}")).json())["artifacts"]:
                pass
            artifact = body["artifacts"][0]
            film, picture = [await api.get(link) for link in (artifact["url"], artifact["previewUrls"][0])]

    assert len(film.content) == int(artifact["fileSize"])
    assert len(brightness(film.content)) == 24 * 6 == round(artifact["metadata"]["duration"] * 24)
    assert picture.headers["content-type"] == "image/jpeg"
