"""The film in the player: its seams, its link, and what stands in for it where the host forbids it."""

import base64
import io
import re
import urllib.request
from collections import deque
from functools import partial
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Request, Route, expect

from tests.browser.hosts import Host, Json, Shown, called, plays, position, result, without_signature
from tests.kit.stand_in import StandIn

pytestmark = pytest.mark.slow

CLOUDFRONT = "https://*.cloudfront.net/**"
SAME = 5.0
"""How far a frame of a film may be from the same frame as a JPEG in other pixels, of 255."""

MOVES = [
    ("End", 20),
    ("PageUp", 15),
    ("PageUp", 10),
    ("ArrowRight", 11),
    ("PageDown", 15),
    ("ArrowLeft", 14),
    ("Home", 0),
]


def ranged(content: bytes, route: Route) -> None:
    """Answers with the range of the film that was asked for, as CloudFront does."""
    start = int(route.request.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
    headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
    route.fulfill(status=206, headers=headers, body=content[start:], content_type="video/mp4")


def fetched(link: str) -> bytes:
    """The file behind a link of the stand-in."""
    with urllib.request.urlopen(link, timeout=10) as answer:  # noqa: S310  the stand-in's
        return answer.read()


def ends(link: str) -> tuple[Image.Image, Image.Image]:
    """The first and the last frame of the film behind a link, decoded from its start to its end."""
    container: Any = av.open(io.BytesIO(fetched(link)))
    with container:
        frames = container.decode(video=0)
        first = next(frames).to_image()
        (last,) = deque(frames, maxlen=1)
        return first, last.to_image()


def drawn(shown: Shown) -> Image.Image:
    """The picture that the page has drawn by itself."""
    link = shown.frame.locator("#frame").evaluate("canvas => canvas.toDataURL('image/png')")
    return Image.open(io.BytesIO(base64.b64decode(link.partition(",")[2])))


def difference(drawn: Image.Image, other: Image.Image) -> float:
    """How far two pictures are apart, in the pixels of the first: the mean over all of them and all colours, of 255."""
    same = other.convert("RGB")
    same.thumbnail(drawn.size)
    return sum(ImageStat.Stat(ImageChops.difference(drawn.convert("RGB"), same)).mean) / 3


def test_the_film_plays_and_its_seams_stand_on_the_timeline(host: Host, film: Json, pictures: Path) -> None:
    shown = host.open(live=True, result=result(film), width=820)

    expect(shown.frame.get_by_role("list", name="Parts of the film").get_by_role("button")).to_have_text(
        ["clip 10 s", "+5 s", "+5 s"]
    )
    expect(shown.frame.locator("#words")).to_have_text("“a quiet beach at dusk”")
    plays(shown)
    # Its last part would be over before a busy machine comes to look at it.
    shown.frame.locator("#film").evaluate("film => { film.playbackRate = 0.1; }")
    expect(shown.frame.get_by_role("button", name="Pause")).to_be_visible()
    shown.frame.get_by_role("button", name="Extension 2, from 15 s to 20 s").click()
    expect(shown.frame.locator("#words")).to_have_text("“Gulls cross the frame”")
    assert position(shown) >= 15
    shown.frame.get_by_role("button", name="Pause").click()
    shown.frame.get_by_role("slider").press("ArrowRight")
    shown.frame.get_by_role("heading").click()  # without the ring of the focus, for the picture
    expect(shown.frame.locator("#film")).to_have_js_property("seeking", value=False)
    shown.page.locator("iframe").screenshot(path=pictures / "third-part.png")
    assert shown.complaints() == []


def test_the_timeline_is_a_slider_that_the_keyboard_moves(host: Host, film: Json) -> None:
    shown = host.open(live=True, result=result(film))
    slider = shown.frame.get_by_role("slider", name="Position in the film")
    expect(slider).to_have_attribute("aria-valuetext", "0 s of 20 s, first clip")
    expect(shown.frame.locator("#parts li")).to_have_count(3)

    for key, second in MOVES:
        slider.press(key)
        expect(slider).to_have_attribute("aria-valuenow", str(second))
    slider.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "20 s of 20 s, extension 2")


def test_a_click_on_the_timeline_goes_to_that_second(host: Host, film: Json) -> None:
    shown = host.open(live=True, result=result(film))
    expect(shown.frame.locator("#parts li")).to_have_count(3)

    shown.frame.locator("#track .part").nth(1).click()

    assert position(shown) == pytest.approx(12.5, abs=0.3)


def test_a_dead_link_is_replaced_by_a_fresh_one_and_the_film_plays(host: Host, film: Json) -> None:
    shown = host.open(live=True, result=result(without_signature(film)))

    plays(shown)

    assert ("get_task", {"taskId": film["taskId"], "wait_seconds": 0}) in shown.asked()
    assert shown.heard("resources/read") == []


def test_where_the_task_tells_no_other_link_the_films_resource_gives_one(host: Host, film: Json) -> None:
    dead = without_signature(film)
    shown = host.open(live=True, result=result(dead), script={"tools/call": result(dead)})

    plays(shown)

    assert [each["uri"] for each in shown.heard("resources/read")] == [film["video"]["uri"]]


def test_a_film_whose_links_all_fail_leaves_its_facts(host: Host, film: Json) -> None:
    dead = without_signature(film)
    script = {"tools/call": result(dead)}
    shown = host.open(result=result(dead), script=script)

    expect(shown.frame.locator("#phase")).to_contain_text("could not be loaded")
    expect(shown.frame.locator("#facts")).to_have_text(re.compile(r"^20 s · 1280 . 768 · Gen-3 Alpha · seed 7$"))
    expect(shown.frame.locator("#left")).to_contain_text("1 extension left")
    expect(shown.frame.get_by_role("button", name="Open")).to_be_visible()


def test_a_host_that_forbids_films_shows_the_real_last_frame_and_the_facts(
    host: Host, film: Json, pictures: Path
) -> None:
    first, last = ends(film["video"]["url"])

    shown = host.open(live=True, result=result(film), forbids=True)

    expect(shown.frame.get_by_role("img", name="Last frame of the film")).to_be_visible()
    expect(shown.frame.locator("#phase")).to_contain_text("does not play films here")
    expect(shown.frame.locator("#facts")).to_contain_text("20 s")
    expect(shown.frame.locator("#film")).to_be_hidden()
    assert [each["uri"] for each in shown.heard("resources/read")] == [f"{film['video']['uri']}/frames/last"]
    assert difference(drawn(shown), last) < SAME < difference(drawn(shown), first)
    shown.page.locator("iframe").screenshot(path=pictures / "forbidden.png")


def test_while_it_runs_such_a_host_shows_the_real_last_frame_of_the_clip(
    host: Host, stand_in: StandIn, clip: str, pictures: Path
) -> None:
    stand_in.script(queue=0, duration=600)
    call = {"name": "extend_video", "arguments": {"assetId": clip, "text_prompt": "Fog rolls in"}}

    shown = host.open(live=True, call=call, forbids=True)

    expect(shown.frame.get_by_role("img", name="Last frame of the clip that is extended")).to_be_visible()
    expect(shown.frame.get_by_alt_text("Last preview")).to_be_hidden()
    link = called(host.server, "list_assets", query="quiet beach", links=True)
    source = next(each for each in link["assets"] if each["assetId"] == clip)
    first, last = ends(source["url"])
    assert difference(drawn(shown), last) < SAME < difference(drawn(shown), first)
    shown.page.locator("iframe").screenshot(path=pictures / "running-forbidden.png")


def test_a_server_that_decodes_no_films_has_runways_own_preview_shown(host: Host, film: Json) -> None:
    uri = film["video"]["uri"]
    script = {"resources": {f"{uri}/frames/last": "refused"}}

    shown = host.open(live=True, result=result(film), script=script, forbids=True)

    expect(shown.frame.get_by_role("img", name="Preview of the film")).to_be_visible()
    preview = Image.open(io.BytesIO(fetched(film["video"]["preview_urls"][-1])))
    assert difference(drawn(shown), preview) < SAME


def test_a_frame_of_the_clip_that_comes_late_never_stands_in_for_the_film(host: Host, film: Json) -> None:
    source = film["lineage"]["source_assetId"]
    running = {**film, "status": "RUNNING", "video": None}
    script = {
        "resources": {f"runway://assets/{source}/frames/last": "held"},
        "tools/call": [result(film)],
    }
    shown = host.open(live=True, result=result(running), script=script, forbids=True, virtual_clock=True)
    shown.passes(5_000)
    frame = shown.frame.get_by_role("img", name="Last frame of the film")
    expect(frame).to_be_visible()
    before = drawn(shown)

    shown.page.evaluate("releaseHeld()")
    shown.passes(1_000)

    expect(frame).to_be_visible()
    assert difference(drawn(shown), before) == 0


def test_a_server_without_pictures_leaves_the_facts(host: Host, film: Json) -> None:
    shown = host.open(live=True, result=result(film), script={"resources/read": "refused"}, forbids=True)

    expect(shown.frame.locator("#phase")).to_contain_text("does not play films here")
    expect(shown.frame.locator("#frame")).to_be_hidden()
    expect(shown.frame.get_by_role("button", name="Download")).to_be_visible()


def test_films_of_runways_hosts_play_and_those_of_others_do_not(host: Host, film: Json) -> None:
    host.context.route(CLOUDFRONT, partial(ranged, fetched(film["video"]["url"])))
    script = {"tools/call": "refused"}

    def elsewhere(origin: str) -> Shown:
        return host.open(
            result=result({**film, "video": {**film["video"], "url": f"{origin}/film.mp4"}}), script=script
        )

    plays(elsewhere("https://d1abc.cloudfront.net"))
    expect(elsewhere("https://cloudfront.example.com").frame.locator("#phase")).to_contain_text("does not play films")


def test_the_page_loads_nothing_but_the_film_and_pictures_of_it(host: Host, film: Json) -> None:
    loaded: list[Request] = []
    host.context.on("request", lambda request: loaded.append(request))  # noqa: PLW0108  the browser marks its listeners

    plays(host.open(live=True, result=result(film)))

    kinds = {each.resource_type for each in loaded if "/files/" in each.url}
    assert {each.resource_type for each in loaded} <= {"document", "fetch", *kinds}
    assert kinds <= {"media", "image"}
    assert not [each.url for each in loaded if not re.match(r"(about|http://127\.0\.0\.1):", each.url)]


def test_after_the_teardown_the_film_stands_still(host: Host, film: Json) -> None:
    shown = host.open(live=True, result=result(film))
    plays(shown)

    assert shown.page.evaluate("tearDown()") == {}

    assert shown.frame.locator("#film").evaluate("film => film.paused")
