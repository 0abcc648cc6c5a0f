"""How the player looks: in both themes, at three widths, in one line, and with what the host says of its looks."""

from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.browser.hosts import Host, Json, result

pytestmark = pytest.mark.slow

DARK, LIGHT = "rgb(25, 25, 29)", "rgb(255, 255, 255)"
PRICED: Json = {
    "summary": "Nothing was submitted. Adding 5 s would cost about 50 credits.",
    "status": "DRY_RUN",
    "lineage": {"added_seconds": 5},
    "credits": {"cost": 50},
}
FAILED: Json = {
    "status": "FAILED",
    "error": {"kind": "generation_failed", "message": "The generation failed. " * 8, "charged": "unknown"},
}
REFUSED = {"tools/call": "refused", "ui/message": "refused"}
STATES: dict[str, tuple[Json, Json]] = {
    "film": ({}, REFUSED),
    "running": ({"status": "RUNNING", "progress": 0.4, "video": None}, REFUSED),
    "failed": ({**FAILED, "video": None}, REFUSED),
    "forbidden": ({}, REFUSED),
    "twin": ({"twin": True}, REFUSED),
    "saved": ({"saved": {"path": "/films/" + "a-very-long-name_" * 12 + ".mp4", "size_bytes": 1}}, REFUSED),
}
REACHED = [
    "Play the film",
    "Position in the film",
    "First clip, from 0 to 10 s",
    "Extension 1, from 10 s to 15 s",
    "Extension 2, from 15 s to 20 s",
    "Play",
    "Open",
    "Download",
    "the camera rises over the dunes",
    "5",
    "Extend by 5 s, about 50 credits",
]
WIDTHS = (300, 620, 900)
LONGEST_LINE = 70
"""The height of one line, wrapped once, in pixels."""


@pytest.mark.parametrize(
    ("theme", "browser_theme", "background"), [("light", "dark", LIGHT), ("dark", "light", DARK)], ids=["light", "dark"]
)
def test_the_film_fits_its_frame_in_the_theme_of_the_host_whatever_the_browsers(
    host: Host, film: Json, pictures: Path, theme: str, browser_theme: Literal["light", "dark"], background: str
) -> None:
    shown = host.open(live=True, result=result(film), theme=theme, browser_theme=browser_theme)

    expect(shown.frame.locator("#time")).to_have_text("0:00 / 0:20")
    expect(shown.frame.locator("#parts li")).to_have_count(3)
    expect(shown.frame.locator("body")).to_have_css("background-color", background)
    expect(shown.frame.get_by_role("button", name="Play the film")).to_be_visible()
    for width in WIDTHS:
        shown.page.set_viewport_size({"width": width, "height": 900})
        expect(shown.frame.locator("#player")).to_have_css("width", f"{width}px")
        assert shown.overflows() == []
        shown.page.locator("iframe").screenshot(path=pictures / f"film-{theme}-{width}.png")


@pytest.mark.parametrize("width", [300, 900])
def test_a_dry_run_is_one_line(host: Host, width: int) -> None:
    shown = host.open(result=result(PRICED), width=width)

    expect(shown.frame.get_by_role("status").first).to_have_text(
        "Price check: 5 s more, about 50 credits. Nothing was submitted."
    )
    assert shown.size()[1] <= LONGEST_LINE
    assert shown.asked() == []


@pytest.mark.parametrize("state", STATES)
def test_nothing_juts_out_of_the_frame_at_any_width(host: Host, film: Json, state: str) -> None:
    told, script = STATES[state]
    shown = host.open(result=result({**film, **told}), script=script, forbids=state == "forbidden")
    if state == "film":
        expect(shown.frame.locator("#parts li")).to_have_count(2)
        shown.frame.get_by_role("button", name="Extend by 5 s").click()
        expect(shown.frame.get_by_label("Text to copy")).to_be_visible()

    for width in range(300, 901, 50):
        shown.page.set_viewport_size({"width": width, "height": 900})
        expect(shown.frame.locator("#player")).to_have_css("width", f"{width}px")
        assert shown.overflows() == []


def test_a_dry_run_is_one_line_before_its_answer_too_and_when_it_fails(host: Host) -> None:
    call = {"name": "extend_video", "arguments": {"assetId": "a", "dry_run": True}}
    line = "#one-line-text"
    shown = host.open(call=call)
    expect(shown.frame.locator(line)).to_have_text("Pricing an extension…")

    refused = {"summary": "No.", "error": {"kind": "invalid_request", "message": "This clip cannot be extended."}}
    failed = host.open(call=call, result=result(refused))

    expect(failed.frame.locator(line)).to_have_text("Price check: This clip cannot be extended.")
    expect(failed.frame.get_by_role("article")).to_be_hidden()


def test_a_twin_is_one_line_that_opens(host: Host, film: Json, pictures: Path) -> None:
    twin = {**film, "twin": True, "credits": {**film["credits"], "cost": 0}}
    shown = host.open(live=True, result=result(twin))
    expect(shown.frame.locator("#one-line-text")).to_contain_text("nothing new was charged")
    expect(shown.frame.get_by_role("article")).to_be_hidden()
    assert shown.size()[1] <= LONGEST_LINE
    assert shown.asked() == []
    shown.page.locator("iframe").screenshot(path=pictures / "twin.png")

    shown.frame.get_by_role("button", name="Show").click()

    expect(shown.frame.get_by_role("button", name="Play the film")).to_be_visible()
    expect(shown.frame.locator("#one-line")).to_be_hidden()
    expect(shown.frame.get_by_role("heading")).to_be_focused()
    expect(shown.frame.get_by_role("button", name="Extend by 5 s, about 50 credits")).to_be_visible()


def test_the_colours_of_the_host_are_taken_and_follow_its_changes(host: Host) -> None:
    colour = "light-dark(rgb(1, 2, 3), rgb(4, 5, 6))"
    context = {"styles": {"variables": {"--color-background-primary": colour}}}
    shown = host.open(context=context)
    expect(shown.frame.locator("body")).to_have_css("background-color", "rgb(1, 2, 3)")
    expect(shown.frame.locator(":root")).to_have_attribute("data-theme", "light")

    shown.page.evaluate("context => changeContext(context)", {**context, "theme": "dark"})

    expect(shown.frame.locator(":root")).to_have_attribute("data-theme", "dark")
    expect(shown.frame.locator("body")).to_have_css("background-color", "rgb(4, 5, 6)")


def test_all_of_the_player_is_reached_and_used_with_the_keyboard_alone(host: Host, film: Json) -> None:
    shown = host.open(live=True, result=result(film))
    expect(shown.frame.locator("#parts li")).to_have_count(3)
    shown.frame.get_by_role("button", name="Play the film").focus()
    keys = shown.page.keyboard
    focused = shown.frame.locator(":focus")

    for name in REACHED:
        assert focused.evaluate("each => each.ariaLabel || each.placeholder || each.value || each.textContent") == name
        keys.press("Tab")
        if name != REACHED[-1]:
            expect(focused).to_have_css("outline-style", "solid")

    shown.frame.get_by_role("radio", name="5 s").focus()
    keys.press("ArrowRight")
    expect(shown.frame.get_by_role("radio", name="10 s")).to_be_checked()
    shown.frame.get_by_role("button", name="Extend by 10 s").focus()
    keys.press("Enter")
    expect(shown.frame.locator("#note")).to_contain_text("Asked")
    shown.frame.get_by_role("slider").focus()
    keys.press("Space")
    expect(shown.frame.get_by_role("button", name="Pause")).to_be_visible()
    shown.frame.get_by_role("button", name="Pause").focus()
    keys.press("Enter")
    expect(shown.frame.get_by_role("button", name="Play", exact=True)).to_be_visible()


def test_whoever_wants_less_motion_gets_none(host: Host) -> None:
    shown = host.open()
    moving = shown.frame.locator("#bar > div")
    expect(moving).to_have_css("animation-name", "wander")

    shown.page.emulate_media(reduced_motion="reduce")

    expect(moving).to_have_css("animation-name", "none")


def test_the_host_is_told_the_height_once_for_each_change(host: Host, film: Json) -> None:
    shown = host.open(result=result(film), script={"tools/call": "refused"}, virtual_clock=True)
    expect(shown.frame.locator("#time")).to_have_text("0:00 / 0:20")

    shown.passes(1000)
    shown.passes(1000)

    told = [each["height"] for each in shown.heard("ui/notifications/size-changed")]
    assert told
    assert told[-1] == pytest.approx(shown.size()[1], abs=1)
    assert all(before != after for before, after in pairwise(told))


def test_a_host_that_can_show_it_larger_is_asked_to(host: Host, film: Json) -> None:
    shown = host.open(result=result(film), context={"availableDisplayModes": ["inline", "fullscreen"]})

    shown.frame.get_by_role("button", name="Show larger").click()

    expect(shown.frame.get_by_role("button", name="Show smaller")).to_be_visible()
    assert shown.heard("ui/request-display-mode") == [{"mode": "fullscreen"}]


def test_who_hears_the_player_hears_all_of_it(host: Host, film: Json) -> None:
    shown = host.open(live=True, result=result(film))
    expect(shown.frame.locator("#parts li")).to_have_count(3)

    expect(shown.frame.get_by_role("main")).to_match_aria_snapshot("""
      - main:
        - article:
          - heading [level=1]
          - status: The film is ready.
          - region "Film":
            - button "Play the film"
            - slider "Position in the film"
            - list "Parts of the film":
              - listitem:
                - button "First clip, from 0 to 10 s"
              - listitem:
                - button "Extension 1, from 10 s to 15 s"
              - listitem:
                - button "Extension 2, from 15 s to 20 s"
            - button "Play"
          - region "About the film":
            - status
            - alert
            - paragraph
            - paragraph: /20 s/
            - button "Open"
            - button "Download"
            - paragraph: /1 extension left/
            - group /1 extension left/:
              - textbox "What happens next?"
              - group "Add":
                - radio "5 s" [checked]
                - radio "10 s"
              - button /Extend by 5 s/
            - status
    """)
