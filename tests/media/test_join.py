"""Joining: every frame of every part, once, at its time, with its sound; or an error and no file."""

from array import array
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import av
import pytest
from anyio import CapacityLimiter
from anyio.lowlevel import checkpoint

from runway_mcp.media.errors import JoinFailed, UnreadableFilm
from runway_mcp.media.join.joining import join_films
from runway_mcp.media.join.parts import read_part, why_not_copied
from runway_mcp.media.join.verification import Expected, checksum, expected_copy, prove
from tests.kit.numbered import Form, number_in, numbered

pytestmark = pytest.mark.slow

LIMIT = 60.0


def shown(path: Path) -> tuple[list[int], list[float]]:
    """The numbers that the film shows, and the seconds between them."""
    container: Any = av.open(str(path))
    with container:
        frames = [(frame.time, number_in(frame.to_image())) for frame in container.decode(video=0)]
    steps = [round(second - first, 4) for (first, _), (second, _) in pairwise(frames)]
    return [number for _, number in frames], steps


def sound_seconds(path: Path) -> float | None:
    container: Any = av.open(str(path))
    with container:
        if not container.streams.audio:
            return None
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


@pytest.mark.parametrize(
    "form",
    [
        Form(),
        Form(group=1000),
        Form(b_frames=3),
        Form(b_frames=3, open_groups=True),
        Form(index="end", b_frames=2, sound=True),
        Form(index="fragments"),
        Form(sound=True),
    ],
)
async def test_equal_parts_are_copied_and_every_frame_is_there_once(
    tmp_path: Path, limiter: CapacityLimiter, form: Form
) -> None:
    lengths = (60, 37, 25)
    parts = [numbered(tmp_path / f"{length}.mp4", length, form) for length in lengths]

    joined = await join_films(parts, tmp_path / "film.mp4", limiter=limiter)

    numbers, steps = shown(tmp_path / "film.mp4")
    assert (joined.how, joined.why, joined.frames) == ("copied", (), 122)
    assert numbers == [*range(60), *range(37), *range(25)]
    assert {round(step, 3) for step in steps} == {0.042}
    assert [seam.at_seconds for seam in joined.seams] == [2.5, 4.042]
    assert joined.seconds == pytest.approx(122 / 24, abs=0.001)
    assert sound_seconds(tmp_path / "film.mp4") == (pytest.approx(122 / 24, abs=0.06) if form.sound else None)
    content = (tmp_path / "film.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


async def test_ten_parts_become_one_film(tmp_path: Path, limiter: CapacityLimiter) -> None:
    parts = [numbered(tmp_path / f"{number}.mp4", 20 + number, Form(b_frames=2, sound=True)) for number in range(10)]

    joined = await join_films(parts, tmp_path / "film.mp4", limiter=limiter)

    assert (joined.how, len(joined.seams)) == ("copied", 9)
    assert shown(tmp_path / "film.mp4")[0] == [frame for number in range(10) for frame in range(20 + number)]


ODD: dict[str, tuple[dict[str, Any], Form, tuple[str, ...]]] = {
    "other B-frames": ({}, Form(b_frames=3), ("encoder's parameters",)),
    "other size": ({"width": 640, "height": 384}, Form(), ("size", "encoder's parameters")),
    "upright": ({"width": 192, "height": 320}, Form(), ("size", "encoder's parameters")),
    "thirty a second": ({"rate": 30}, Form(), ("time base", "encoder's parameters")),
    "with sound": ({}, Form(sound=True), ("sound",)),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0)])
async def test_unlike_parts_are_encoded_once_and_every_frame_is_there_at_its_time(
    tmp_path: Path, limiter: CapacityLimiter, odd: str, order: tuple[int, ...]
) -> None:
    changes, form, why = ODD[odd]
    parts = [numbered(tmp_path / "plain.mp4", 48, Form()), numbered(tmp_path / "odd.mp4", 31, form, **changes)]
    rates = (24, changes.get("rate", 24))

    joined = await join_films([parts[each] for each in order], tmp_path / "film.mp4", limiter=limiter)

    numbers, steps = shown(tmp_path / "film.mp4")
    lengths = [(48, 31)[each] for each in order]
    assert (joined.how, joined.frames, set(why) <= set(joined.why)) == ("re-encoded", sum(lengths), True)
    expected_steps = [
        round(1 / rates[each], 3) for each, length in zip(order, lengths, strict=True) for _ in range(length)
    ]
    assert [round(step, 3) for step in steps] == expected_steps[:-1]
    if "upright" not in odd:
        assert numbers == [number for length in lengths for number in range(length)]
    last = read_part(parts[order[-1]])
    film = read_part(tmp_path / "film.mp4")
    assert (film.width, film.height, film.colours[2]) == (last.width, last.height, 1)
    assert sound_seconds(tmp_path / "film.mp4") == (pytest.approx(joined.seconds, abs=0.06) if form.sound else None)


async def test_frames_that_last_unequally_keep_their_times_in_a_copy(tmp_path: Path, limiter: CapacityLimiter) -> None:
    uneven = numbered(tmp_path / "uneven.mp4", 23, Form(uneven=True))
    even = numbered(tmp_path / "even.mp4", 17, Form())

    joined = await join_films([uneven, even, uneven], tmp_path / "film.mp4", limiter=limiter)

    numbers, steps = shown(tmp_path / "film.mp4")
    assert joined.how == "copied"
    assert numbers == [*range(23), *range(17), *range(23)]
    assert [round(24 * step) for step in steps] == [*UNEVEN, *[1] * 17, *UNEVEN[:-1]]


async def test_frames_that_last_unequally_keep_their_times_in_another_encoding(
    tmp_path: Path, limiter: CapacityLimiter
) -> None:
    uneven = numbered(tmp_path / "uneven.mp4", 23, Form(uneven=True))
    large = numbered(tmp_path / "large.mp4", 17, Form(), width=640, height=384, rate=30)

    joined = await join_films([uneven, large, uneven], tmp_path / "film.mp4", limiter=limiter)

    numbers, steps = shown(tmp_path / "film.mp4")
    assert joined.how == "re-encoded"
    assert numbers == [*range(23), *range(17), *range(23)]
    within = [5 * each for each in UNEVEN]
    assert [round(120 * step) for step in steps] == [*within, *[4] * 17, *within[:-1]]
    assert [round(120 * lasts) for lasts in told_lengths(tmp_path / "film.mp4")][:-1] == [
        round(120 * step) for step in steps
    ]


def told_lengths(path: Path) -> list[Fraction]:
    """How long each frame lasts by the file's table, which browsers believe when they seek, in seconds."""
    container: Any = av.open(str(path))
    with container:
        return [packet.duration * packet.time_base for packet in container.demux(video=0) if packet.size]


# How many times a 24th of a second each of 23 uneven frames is shown; the last one takes the usual time.
UNEVEN = [*[1, 2] * 11, 1]


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0)])
async def test_a_part_across_loses_only_its_sides_in_an_upright_film_and_the_other_way_round(
    tmp_path: Path, limiter: CapacityLimiter, order: tuple[int, ...]
) -> None:
    # By steps of eight the fields in the middle, which stay when the sides are cut off, tell one frame from the next.
    across = numbered(tmp_path / "across.mp4", 17, Form(), step=8)
    upright = numbered(tmp_path / "upright.mp4", 23, Form(), width=192, height=320, step=8)
    parts, lengths = (across, upright), (17, 23)

    await join_films([parts[each] for each in order], tmp_path / "film.mp4", limiter=limiter)

    is_upright = order[-1] == 1
    container: Any = av.open(str(tmp_path / "film.mp4"))
    with container:
        frames = [frame.to_image().convert("L") for frame in container.decode(video=0)]
    assert {frame.size for frame in frames} == {(192, 320) if is_upright else (320, 192)}
    seen = iter(frames)
    for each in order:
        cut = is_upright and each == 0
        for number in range(lengths[each]):
            assert middle_of(next(seen), cut=cut) == number % 8
    assert next(seen, None) is None


def middle_of(frame: Any, *, cut: bool) -> int:
    """The fields 3 to 5 of a frame; where its sides were `cut`, a field is as wide as on a height of 192."""
    width = 32 * frame.height / 192 if cut else frame.width / 10
    first = frame.width / 2 - 5 * width
    light = [frame.getpixel((round(first + (bit + 0.5) * width), frame.height // 2)) > 128 for bit in (3, 4, 5)]
    return sum(1 << place for place, is_bright in enumerate(light) if is_bright)


def heard(path: Path) -> str:
    """How loud each quarter of a second is, beginning 0.1 s into it for 0.05 s: `+` for the tone, `-` for silence."""
    samples: list[float] = []
    container: Any = av.open(str(path))
    with container:
        resampler = av.AudioResampler("flt", "mono", 48_000)
        for frame in container.decode(audio=0):
            for plain in resampler.resample(frame):
                samples += array("f", bytes(plain.planes[0])[: 4 * plain.samples])
    places = range(4800, len(samples) - 2400, 12_000)
    return "".join("+" if max(map(abs, samples[at : at + 2400])) > 0.2 else "-" for at in places)


SOUNDS: dict[str, tuple[list[Form], str, str]] = {
    "both sound": ([Form(sound=True), Form(sound=True)], "copied", "++++++++"),
    "the first longer than its picture": ([Form(sound=True, heard=(0, 40)), Form(sound=True)], "copied", "++++++++"),
    "the first is mute": ([Form(), Form(sound=True)], "re-encoded", "----++++"),
    "the second is mute": ([Form(sound=True), Form()], "re-encoded", "++++----"),
    "one in the middle is mute": ([Form(sound=True), Form(), Form(sound=True)], "re-encoded", "++++----++++"),
    "longer than its picture, before a mute one": ([Form(sound=True, heard=(0, 40)), Form()], "re-encoded", "++++----"),
    "shorter than its picture": (
        [Form(), Form(sound=True, heard=(0, 12)), Form(sound=True)],
        "re-encoded",
        "----++--++++",
    ),
    "later than its picture": ([Form(), Form(sound=True, heard=(12, 24)), Form()], "re-encoded", "------++----"),
}


@pytest.mark.parametrize("sounds", SOUNDS)
async def test_the_sound_of_every_part_is_heard_with_its_pictures_and_silence_where_there_is_none(
    tmp_path: Path, limiter: CapacityLimiter, sounds: str
) -> None:
    forms, how, expected = SOUNDS[sounds]
    parts = [numbered(tmp_path / f"{number}.mp4", 24, form) for number, form in enumerate(forms)]

    joined = await join_films(parts, tmp_path / "film.mp4", limiter=limiter)

    assert (joined.how, heard(tmp_path / "film.mp4")) == (how, expected)
    assert shown(tmp_path / "film.mp4")[0] == [*range(24)] * len(forms)


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """The film with this matrix of display in its header."""
    content = bytearray(path.read_bytes())
    a, b, c, d = (value * 65_536 for value in matrix)
    turn = b"".join(value.to_bytes(4, "big", signed=True) for value in (a, b, 0, c, d, 0, 0, 0, 2**30))
    at = content.index(b"tkhd") + 44
    content[at : at + len(turn)] = turn
    path.with_stem("turned").write_bytes(content)
    return path.with_stem("turned")


async def test_a_turned_part_stands_upright_in_the_film(tmp_path: Path, limiter: CapacityLimiter) -> None:
    plain = numbered(tmp_path / "plain.mp4", 24, Form())

    joined = await join_films([plain, turned(plain, (-1, 0, 0, -1))], tmp_path / "film.mp4", limiter=limiter)

    upside_down = [sum(1 << 9 - bit for bit in range(10) if number >> bit & 1) for number in range(24)]
    assert (joined.how, joined.why) == ("re-encoded", ("rotation",))
    assert shown(tmp_path / "film.mp4")[0] == [*range(24), *upside_down]


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (0, -1, 1, 0)])
async def test_a_film_that_ends_with_a_turned_part_is_upright_itself(
    tmp_path: Path, limiter: CapacityLimiter, matrix: tuple[int, int, int, int]
) -> None:
    plain = numbered(tmp_path / "plain.mp4", 32, Form())

    await join_films([plain, turned(plain, matrix)], tmp_path / "film.mp4", limiter=limiter)

    container: Any = av.open(str(tmp_path / "film.mp4"))
    with container:
        last = [frame.to_image().convert("L") for frame in container.decode(video=0)][-1]
    # Frame 31 has its left half bright, which is on top after a turn to the right.
    top_is_bright = last.getpixel((96, 20)) > last.getpixel((96, 300))
    assert (last.size, top_is_bright) == ((192, 320), matrix[1] > 0)


async def test_a_part_that_is_cut_short_makes_no_film(tmp_path: Path, limiter: CapacityLimiter) -> None:
    whole = numbered(tmp_path / "whole.mp4", 48, Form())
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:-300])

    with pytest.raises(UnreadableFilm, match="cut short"):
        await join_films([whole, tmp_path / "cut.mp4"], tmp_path / "film.mp4", limiter=limiter)
    assert not (tmp_path / "film.mp4").exists()


async def test_a_file_in_the_way_is_left_as_it_is(tmp_path: Path, limiter: CapacityLimiter) -> None:
    part = numbered(tmp_path / "part.mp4", 24, Form())
    (tmp_path / "film.mp4").write_bytes(b"mine")

    with pytest.raises(FileExistsError):
        await join_films([part, part], tmp_path / "film.mp4", limiter=limiter)
    assert (tmp_path / "film.mp4").read_bytes() == b"mine"


async def test_a_cancelled_join_leaves_no_file(tmp_path: Path) -> None:
    parts = [numbered(tmp_path / f"{rate}.mp4", 400, Form(), rate=rate) for rate in (24, 30)]
    limiter = CapacityLimiter(1)
    target = tmp_path / "film.mp4"

    async def begun() -> None:
        while not await anyio.Path(target).exists():
            await checkpoint()

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as group:

            async def join() -> None:
                await join_films(parts, target, limiter=limiter)

            group.start_soon(join)
            await begun()
            group.cancel_scope.cancel()
        while await anyio.Path(target).exists():
            await checkpoint()


def test_what_keeps_parts_from_being_copied_is_told_in_words(tmp_path: Path) -> None:
    plain = read_part(numbered(tmp_path / "a.mp4", 4, Form()))
    large = read_part(numbered(tmp_path / "b.mp4", 4, Form(sound=True), width=400, height=304))

    assert why_not_copied([plain, plain]) == ()
    assert why_not_copied([plain, large]) == ("size", "encoder's parameters", "sound")


def proof_of(film: Path, expected: Sequence[Expected]) -> int:
    return prove(film, expected, mark=checksum, same=bytes.__eq__, check=lambda: None).frames


def wrong_films(expected: list[Expected]) -> dict[str, tuple[list[Expected], str]]:
    swapped = [*expected[:3], expected[4], expected[3], *expected[5:]]
    late = [Expected(each.second + Fraction(1, 100), each.part, each.mark) for each in expected]
    return {
        "one frame too many": (expected[:-1], "goes on after 9 frames"),
        "one frame too few": ([*expected, expected[-1]], "ends after 10 frames"),
        "two frames swapped": (swapped, "frame 3 .* is not that of part 1"),
        "at other times": (late, "frame 0 .* is shown at 0.000 s"),
    }


@pytest.mark.parametrize("wrong", ["one frame too many", "one frame too few", "two frames swapped", "at other times"])
def test_a_film_that_is_not_what_its_parts_show_is_not_proven(tmp_path: Path, wrong: str) -> None:
    film = numbered(tmp_path / "film.mp4", 10, Form())
    right = [*expected_copy([film], [Fraction(0), Fraction(10, 24)], lambda: None)]
    expected, told = wrong_films(right)[wrong]

    assert proof_of(film, right) == 10
    with pytest.raises(JoinFailed, match=told):
        proof_of(film, expected)
