"""A browser, the hosts in it, and a server with films of the stand-in behind them.

Without Chromium or without npm's packages these tests are skipped, unless `BROWSER_TESTS=required`, as in CI.
"""

import os
import shutil
from collections.abc import Generator
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any, NoReturn

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.browser.hosts import PATIENCE_MS, Host, called
from tests.kit.processes import ROOT, HttpServerProcess, http_server_process, serve_command, server_environment
from tests.kit.stand_in import StandIn, open_stand_in
from tests.suites.node import Node, installed

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# The sandbox does not start for root. The host's page is answered by the test, so the browser takes it for a public
# one, which may load nothing from this machine.
# A sandboxed frame in a process of its own may run its page before the virtual clock is there.
ARGUMENTS = ("--no-sandbox", "--disable-features=LocalNetworkAccessChecks,IsolateSandboxedIframes")
PICTURES = ROOT / "screenshots"

# The sync API of the browser keeps an event loop running in this thread, so nothing of it may outlive this package.
per_package = pytest.fixture(scope="package")


@per_package
def browser() -> Generator[Browser]:
    """Chromium, without a window."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        _go_without("there is no Chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS])
        expect.set_options(timeout=PATIENCE_MS)
        yield chromium
        chromium.close()


@per_package
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Node with the packages of the hosts, in the folder `BROWSER_PACKAGES` if that is set."""
    kept = os.environ.get("BROWSER_PACKAGES")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("browser-node")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return installed(folder, Path(__file__).parent)
    except (RuntimeError, TimeoutExpired) as error:
        _go_without(str(error))


@per_package
def host_script(node: Node) -> str:
    """The host's program, bundled for the browser."""
    built = node.folder / "host.js"
    bundle = node.command("node_modules/esbuild/bin/esbuild", "host.mjs", "--bundle", "--minify", "--format=iife")
    ended = node.run([*bundle, f"--outfile={built}", "--log-level=error"], seconds=60)
    assert ended.returncode == 0, ended.stderr
    return built.read_text(encoding="utf-8")


@per_package
def stand_in() -> Generator[StandIn]:
    """The stand-in, whose tasks end at once unless they are scripted."""
    with open_stand_in(pace=0.2, painted=True) as upstream:
        yield upstream


@per_package
def server(stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Generator[HttpServerProcess]:
    """The real server over HTTP."""
    env = server_environment(stand_in.url, tmp_path_factory.mktemp("browser-data"))
    with http_server_process(serve_command("http"), env) as served:
        yield served


@per_package
def clip(stand_in: StandIn) -> str:
    """The assetId of a clip of 10 s."""
    return stand_in.clip()


@per_package
def film(server: HttpServerProcess, clip: str) -> dict[str, Any]:
    """The result of an extension of an extension, which has one left."""
    told, source = dict[str, Any](), clip
    for words in ("The camera rises over the dunes, slowly, toward the light", "Gulls cross the frame"):
        wish = {"assetId": source, "seconds": 5, "seed": 7, "text_prompt": words}
        told = called(server.mcp, "extend_video", **wish, wait_seconds=30)
        source = told["video"]["assetId"]
    return told


@pytest.fixture
def context(browser: Browser) -> Generator[BrowserContext]:
    """A fresh profile of the browser, since a virtual clock holds for all pages of one."""
    opened = browser.new_context(device_scale_factor=1)
    yield opened
    opened.unroute_all(behavior="ignoreErrors")
    opened.close()


@pytest.fixture
def host(context: BrowserContext, host_script: str, stand_in: StandIn, server: HttpServerProcess) -> Host:
    """A host of MCP Apps."""
    return Host(context, host_script, stand_in.url, server.mcp)


@pytest.fixture(scope="session")
def pictures() -> Path:
    """The folder in which the run keeps its screenshots."""
    PICTURES.mkdir(exist_ok=True)
    return PICTURES


def _go_without(why: str) -> NoReturn:
    """Ends a fixture: skips what needs it, or fails where these tests are required."""
    if os.environ.get("BROWSER_TESTS") == "required":
        pytest.fail(why)
    pytest.skip(why)
