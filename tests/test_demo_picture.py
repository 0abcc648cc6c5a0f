import html
import re

import pytest

from runway_mcp.server.tools.records import RECORDS
from tests.kit.processes import ROOT

pytest.importorskip("pty", reason="the demo's picture is drawn where there are such terminals")

from scripts.demo_picture import drawn, left_standing

PICTURE = (ROOT / "docs/demo.svg").read_text(encoding="utf-8")


def words(picture: str) -> str:
    """All that can be read in an SVG."""
    return html.unescape(" ".join(re.findall(r"<text[^>]*>([^<]*)</text>", picture))).replace("\xa0", " ")


def test_what_a_moving_bar_drew_over_is_gone() -> None:
    output = "one\r\n\x1b[?25l 10 %\r\n\x1b[1A\r\x1b[2K 90 %\r\n\x1b[?25htwo\x1b[1Athree"

    assert left_standing(output) == ["one", " 90 %three", "two"]


def test_the_picture_loads_nothing_and_keeps_the_words() -> None:
    picture = drawn(["\x1b[1;36m 1\x1b[0m  a <step>"])

    assert "$ uv run useapi-runway-mcp demo" in " ".join(words(picture).split())
    assert "a <step>" in words(picture)
    assert not re.search(r"url\((?!#)|@import|font-face", picture)


def test_the_picture_in_the_readme_shows_the_tools_of_today_and_nothing_of_a_machine() -> None:
    told = words(PICTURE)

    assert [record.name for record in RECORDS if record.name not in told] == []
    assert "view_film shows the frame with which the clip ends" in told
    assert "runway-demo/strip.png" in told
    assert not re.search(r"/(tmp|home|root|Users|work)/", told)
