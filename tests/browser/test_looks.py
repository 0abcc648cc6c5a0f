"""How the player looks: in both themes, at three widths, in one line, and with what the host says of its looks."""

from itertools import pairwise
from pathlib import Path

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
WIDTHS = (300, 620, 900)
LONGEST_LINE = 70
"""The height of one line, wrapped once, in pixels."""


@pytest.mark.parametrize(("theme", "background"), [("light", LIGHT), ("dark", DARK)])
def test_the_film_fits_its_frame_in_the_theme_of_the_host(
    host: Host, film: Json, pictures: Path, theme: str, background: str
) -> None:
    shown = host.open(live=True, result=result(film), theme=theme)

    expect(shown.frame.locator("#time")).to_have_text("0:00 / 0:20")
    expect(shown.frame.locator("#parts li")).to_have_count(3)
    expect(shown.frame.locator("body")).to_have_css("background-color", background)
    expect(shown.frame.get_by_role("button", name="Play the film")).to_be_visible()
    for width in WIDTHS:
        shown.page.set_viewport_size({"width": width, "height": 900})
        expect(shown.frame.locator("#player")).to_have_css("width", f"{width}px")
        assert not shown.overflows()
        shown.page.locator("iframe").screenshot(path=pictures / f"film-{theme}-{width}.png")


@pytest.mark.parametrize("width", [300, 900])
def test_a_dry_run_is_one_line(host: Host, width: int) -> None:
    shown = host.open(result=result(PRICED), width=width)

    expect(shown.frame.get_by_role("status").first).to_have_text(
        "Price check: 5 s more, about 50 credits. Nothing was submitted."
    )
    assert shown.size()[1] <= LONGEST_LINE
    assert shown.asked() == []


def test_a_twin_is_one_line_that_opens(host: Host, film: Json, pictures: Path) -> None:
    shown = host.open(live=True, result=result({**film, "twin": True}))
    expect(shown.frame.locator("#one-line-text")).to_contain_text("nothing new was charged")
    expect(shown.frame.get_by_role("article")).to_be_hidden()
    assert shown.size()[1] <= LONGEST_LINE
    assert shown.asked() == []
    shown.page.locator("iframe").screenshot(path=pictures / "twin.png")

    shown.frame.get_by_role("button", name="Show").click()

    expect(shown.frame.get_by_role("button", name="Play the film")).to_be_visible()
    expect(shown.frame.locator("#one-line")).to_be_hidden()


def test_the_colours_of_the_host_are_taken_and_follow_its_changes(host: Host) -> None:
    colour = "light-dark(rgb(1, 2, 3), rgb(4, 5, 6))"
    context = {"styles": {"variables": {"--color-background-primary": colour}}}
    shown = host.open(context=context)
    expect(shown.frame.locator("body")).to_have_css("background-color", "rgb(1, 2, 3)")
    expect(shown.frame.locator(":root")).to_have_attribute("data-theme", "light")

    shown.page.evaluate("context => changeContext(context)", {**context, "theme": "dark"})

    expect(shown.frame.locator(":root")).to_have_attribute("data-theme", "dark")
    expect(shown.frame.locator("body")).to_have_css("background-color", "rgb(4, 5, 6)")


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
