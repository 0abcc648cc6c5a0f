"""The player in the Inspector's web client, which connects in the 2025 era and shows pages under a strict policy."""

import base64
import json
import sys
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext, Frame, Page, expect

from tests.browser.hosts import PATIENCE_MS
from tests.kit.ports import free_ports
from tests.kit.processes import HttpServerProcess, environment, running
from tests.kit.stand_in import StandIn
from tests.suites.inspector import LAUNCHER
from tests.suites.node import Node

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="the Inspector is started by its path"),
]

READY = "up and running"
TOKEN = "T"


@pytest.fixture(scope="package")
def inspector(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The origin of the Inspector's web client, which keeps its state in a folder of the test."""
    client, sandbox = free_ports(2)
    env = environment(
        HOME=str(tmp_path_factory.mktemp("inspector")),
        HOST="127.0.0.1",
        CLIENT_PORT=str(client),
        MCP_SANDBOX_PORT=str(sandbox),
        MCP_AUTO_OPEN_ENABLED="false",
        MCP_INSPECTOR_API_TOKEN=TOKEN,
        MCP_INSPECTOR_SECRET_STORE="memory",
    )
    env["PATH"] = f"{node.program.parent}:{env['PATH']}"
    with running(node.command(LAUNCHER, "--web"), env) as program:
        assert program.process.stdout
        assert any(READY in line for line in program.process.stdout), "".join(program.told)
        yield f"http://127.0.0.1:{client}"


def test_the_inspector_shows_an_extension_from_its_progress_to_its_film_and_takes_its_message(
    inspector: str,
    context: BrowserContext,
    server: HttpServerProcess,
    stand_in: StandIn,
    clip: str,
    pictures: Path,
) -> None:
    stand_in.script(queue=0, duration=2)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.emulate_media(color_scheme="dark")
    arguments = {"assetId": clip, "text_prompt": "Seen by the Inspector"}

    page.goto(f"{inspector}/?{_deep_link(server.mcp, arguments)}")
    page.wait_for_selector('[data-app-status="ready"]')
    player = _player(page)

    expect(player.locator("#badge")).to_have_text("Ready")
    expect(player.locator("#parts li")).to_have_count(2)
    expect(player.locator(":root")).to_have_attribute("data-theme", "dark")
    player.get_by_role("button", name="Play the film").click()
    player.wait_for_function("() => document.getElementById('film').currentTime > 0.3")
    page.screenshot(path=pictures / "inspector.png")
    player.get_by_role("button", name="Extend by 5 s").click()
    expect(page.get_by_text("Please extend the Runway film").first).to_be_visible()


def _deep_link(url: str, arguments: dict[str, str]) -> str:
    """The query that connects to a server, calls `extend_video` and opens its page."""
    given = base64.urlsafe_b64encode(json.dumps(arguments).encode()).decode().rstrip("=")
    keys = {"serverUrl": url, "transport": "http", "autoConnect": TOKEN, "openApp": "extend_video"}
    return urlencode({**keys, "appArgs": given, "autoOpen": TOKEN})


def _player(page: Page) -> Frame:
    """The innermost frame, in which the page is."""
    for frame in page.frames:
        if frame.locator("#player").count():
            return frame
    raise AssertionError([frame.url for frame in page.frames])
