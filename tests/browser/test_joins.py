"""Joined films in Chromium: every frame of every part at its time, and played to the end without an error."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import av
import pytest
from anyio import CapacityLimiter
from playwright.sync_api import BrowserContext, Page, Route

from runway_mcp.media.join.joining import Joined, join_films
from tests.kit.numbered import Form, number_in, numbered
from tests.kit.processes import environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]  # on a machine that is busy with something else

ORIGIN = "http://joins.test"
PATIENCE_MS = 60_000
PAGE = """<!doctype html><video id="film" muted preload="auto" src="/film.mp4"></video>
<canvas id="paper" width="320" height="192"></canvas>"""

# Seeks to the middle of each frame and reads the ten fields of its number.
NUMBERS = """async seconds => {
  const film = document.getElementById("film"), paper = document.getElementById("paper").getContext("2d");
  if (film.readyState < 1) await new Promise(done => film.addEventListener("loadedmetadata", done, {once: true}));
  const numbers = [];
  // The first frame may be presented before its seek or only at the next one, and is no later frame.
  const presentedAfter = before => new Promise(done => {
    const look = (_, {mediaTime}) => mediaTime > before ? done() : film.requestVideoFrameCallback(look);
    film.requestVideoFrameCallback(look);
  });
  for (const [place, second] of seconds.entries()) {
    const presented = place ? presentedAfter(seconds[place - 1]) : null;
    const sought = new Promise((done, fail) => {
      film.addEventListener("seeked", done, {once: true});
      film.addEventListener("error", () => fail(film.error.message), {once: true});
    });
    film.currentTime = second;
    await sought;
    // What is drawn is the frame that was presented last.
    await presented;
    paper.drawImage(film, 0, 0, 320, 192);
    const row = paper.getImageData(0, 96, 320, 1).data;
    numbers.push([...Array(10).keys()].reduce((sum, bit) => sum + (row[4 * (16 + 32 * bit)] > 128 ? 2 ** bit : 0), 0));
  }
  return numbers;
}"""

PLAYED = """async () => {
  const film = document.getElementById("film");
  film.currentTime = 0;
  film.playbackRate = 4;
  const ended = new Promise(done => {
    for (const each of ["ended", "error"]) film.addEventListener(each, done, {once: true});
  });
  await film.play();
  await ended;
  return [film.ended, film.error && film.error.message, film.currentTime, film.videoWidth, film.videoHeight];
}"""

PLAIN, SOUND = Form(), Form(sound=True)


def parts(*forms: Form, **changes: Any) -> Callable[[Path], list[Path]]:
    """Makes a part of an odd number of frames for each form."""

    def make(folder: Path) -> list[Path]:
        return [
            numbered(folder / f"{place}.mp4", 9 + 2 * place, form, first=100 * place, **changes)
            for place, form in enumerate(forms)
        ]

    return make


def unlike(form: Form = PLAIN, **changes: Any) -> Callable[[Path], list[Path]]:
    """Makes a plain part, one with other measures, and the plain one again."""

    def make(folder: Path) -> list[Path]:
        plain = numbered(folder / "plain.mp4", 9, PLAIN)
        return [plain, numbered(folder / "other.mp4", 13, form, first=100, **changes), plain]

    return make


JOINS: dict[str, tuple[Callable[[Path], list[Path]], str]] = {
    "equal settings": (parts(PLAIN, PLAIN, PLAIN), "copied"),
    "equal settings with B-frames": (parts(*[Form(b_frames=3)] * 3), "copied"),
    "other B-frames": (unlike(Form(b_frames=3)), "re-encoded"),
    "other size": (unlike(width=640, height=384), "re-encoded"),
    "24 with 30 frames a second": (unlike(rate=30), "re-encoded"),
    "variable frame rate, copied": (parts(Form(uneven=True), PLAIN, Form(uneven=True)), "copied"),
    "variable frame rate, encoded": (unlike(Form(uneven=True), width=640, height=384), "re-encoded"),
    "with sound": (parts(SOUND, SOUND, SOUND), "copied"),
    "with and without sound": (unlike(SOUND), "re-encoded"),
    "sound longer than its picture": (parts(Form(sound=True, heard=(0, 30)), SOUND, SOUND), "copied"),
    "upright": (parts(PLAIN, PLAIN, width=192, height=320), "copied"),
    "upright, other B-frames": (parts(PLAIN, Form(b_frames=3), width=192, height=320), "re-encoded"),
    "ten parts": (parts(*[PLAIN] * 10), "copied"),
}


def frames(path: Path) -> list[tuple[float, int]]:
    """The seconds and numbers of all frames, counted in the part itself."""
    container: Any = av.open(str(path))
    with container:
        return [(frame.time, number_in(frame.to_image())) for frame in container.decode(video=0)]


def shown_in(context: BrowserContext, film: Path) -> Page:
    """A page with the film, served as a host of films does it."""
    content = film.read_bytes()

    def served(route: Route) -> None:
        if not route.request.url.endswith(".mp4"):
            route.fulfill(body=PAGE, content_type="text/html")
            return
        start = int(route.request.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        route.fulfill(status=206, headers=headers, body=content[start:], content_type="video/mp4")

    context.route(f"{ORIGIN}/**", served)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{ORIGIN}/")
    return page


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Joined, list[int]]]:
    """All films with what is told of them and the numbers of their parts.

    They are joined in a thread, since the browser keeps an event loop running in the main one.
    """

    def made(folder: Path, make: Callable[[Path], list[Path]]) -> tuple[Path, Joined, list[int]]:
        parts_made = make(folder)
        join = partial(join_films, parts_made, folder / "film.mp4")

        async def joined() -> Joined:
            return await join(limiter=CapacityLimiter(1))

        told = anyio.run(joined)
        return folder / "film.mp4", told, [number for part in parts_made for _, number in frames(part)]

    with ThreadPoolExecutor(1) as thread:
        making = {name: thread.submit(made, tmp_path_factory.mktemp("join"), make) for name, (make, _) in JOINS.items()}
        return {name: each.result() for name, each in making.items()}


@pytest.mark.parametrize("join", JOINS)
def test_chromium_shows_every_frame_of_every_part_and_plays_to_the_end(
    context: BrowserContext, films: dict[str, tuple[Path, Joined, list[int]]], join: str
) -> None:
    film, joined, numbers = films[join]
    decoded = frames(film)
    page = shown_in(context, film)

    times = [second for second, _ in decoded] + [joined.seconds]
    seen = page.evaluate(NUMBERS, [(first + second) / 2 for first, second in pairwise(times)])
    ended, error, second, width, height = page.evaluate(PLAYED)

    assert joined.how == JOINS[join][1]
    assert [number for _, number in decoded] == numbers
    assert seen == numbers
    assert (ended, error) == (True, None)
    assert second == pytest.approx(joined.seconds, abs=0.1)
    assert (width < height) == join.startswith("upright")


def test_the_film_of_the_demo_plays_to_its_end(context: BrowserContext, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "runway_mcp", "demo", "--model", "gen4.5", "--pace", "0.5", "--out", str(tmp_path)]
    subprocess.run(command, env=environment(), capture_output=True, timeout=120, check=True)  # noqa: S603  our own
    (film,) = tmp_path.glob("*.mp4")

    ended, error, second, *size = shown_in(context, film).evaluate(PLAYED)

    assert (ended, error, size) == (True, None, [1280, 720])
    assert second == pytest.approx(10, abs=0.1)
