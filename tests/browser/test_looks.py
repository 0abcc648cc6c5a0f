import pytest
from pathlib import Path
from playwright.sync_api import expect
from tests.browser.hosts import Host, result
pytestmark = pytest.mark.slow

@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [300, 620, 900])
def test_x(host: Host, film, pictures: Path, theme, width) -> None:
    shown = host.open(live=True, result=result(film), theme=theme, width=width)
    expect(shown.frame.locator("#time")).to_have_text("0:00 / 0:20")
    expect(shown.frame.locator("#parts li")).to_have_count(3)
    shown.page.locator("iframe").screenshot(path=pictures / f"film-{theme}-{width}.png")
    assert not shown.overflows()
    assert shown.complaints() == []
