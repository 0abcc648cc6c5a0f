"""The player in a host: opened beside a call, looked at, and what it asked of the host and of the server."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import anyio
from mcp.client.client import Client
from playwright.sync_api import BrowserContext, FrameLocator, Page, Route

from runway_mcp.server.player.page import MIME_TYPE, page, page_meta
from runway_mcp.settings import Settings

ADDRESS = "http://127.0.0.1:9/"
"""Where the host's page and its way to the server are; nothing listens there, the browser is answered by the test."""

PATIENCE_MS = 60_000
"""How long a test may wait for anything, in milliseconds."""

SENDS = ("ui/message", "ui/open-link", "ui/download-file", "ui/update-model-context", "ui/request-display-mode")
"""What a host may refuse without harm."""

# The names of parts may be cut, since those who hear them hear them in full.
_OVERFLOWS = """root => {
  const told = root.scrollWidth > root.clientWidth ? ["page"] : [];
  for (const each of root.querySelectorAll("#player *:not(.visually-hidden):not(#bar *):not(svg *)")) {
    const box = each.getBoundingClientRect();
    const cut = each.matches(".button") && each.scrollWidth > each.clientWidth;
    const out = box.left < -0.5 || box.right > root.clientWidth + 0.5;
    if (box.width && (cut || out)) told.push(each.id || each.outerHTML);
  }
  return told;
}"""

Json = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """The player in a frame of the host's page."""

    page: Page
    told: Json | None
    frame: FrameLocator = field(repr=False)

    def heard(self, method: str) -> list[Json]:
        """The parameters of what the host was sent by this method, in order."""
        return [each["params"] for each in self._state()["heard"] if each["method"] == method]

    def asked(self) -> list[tuple[str, Json]]:
        """The tools that the page called, with their arguments."""
        return [(each["name"], each.get("arguments", {})) for each in self.heard("tools/call")]

    def complaints(self) -> list[str]:
        """What the host's bridge found wrong with messages of the page."""
        return self._state()["errors"]

    def passes(self, milliseconds: int) -> None:
        """Lets so much time pass on the page's clock, until what it asked for is answered."""
        self.page.clock.run_for(milliseconds)
        self.page.evaluate("settle()")

    def size(self) -> tuple[int, int]:
        """The width and height of what the page shows, in pixels."""
        box = self.frame.locator("#player").bounding_box()
        assert box is not None
        return round(box["width"]), round(box["height"])

    def overflows(self) -> list[str]:
        """What has too little room: the page itself, what juts out of it, and buttons that cut their words."""
        return self.frame.locator(":root").evaluate(_OVERFLOWS)

    def _state(self) -> Json:
        return cast("Json", self.page.evaluate("heardSoFar()"))


@dataclass(frozen=True)
class Host:
    """A host of MCP Apps on the official bridge, and the origin of the stand-in that films are loaded from."""

    context: BrowserContext
    script: str = field(repr=False)
    api: str
    server: str

    def open(
        self,
        *,
        call: Json | None = None,
        live: bool = False,
        width: int = 620,
        theme: str = "light",
        browser_theme: Literal["light", "dark"] = "light",
        virtual_clock: bool = False,
        **options: Any,
    ) -> Shown:
        """The player beside a call; `live` reads the page and all it asks for from the server.

        `theme` is the host's, `browser_theme` the browser's own. `virtual_clock` stops the page's timers; `options` are
        those of the host's program.
        """
        host = self.context.new_page()
        host.set_default_timeout(PATIENCE_MS)
        host.set_viewport_size({"width": width, "height": 900})
        host.emulate_media(color_scheme=browser_theme)
        if virtual_clock:
            host.clock.install(time=0)
            host.clock.pause_at(1)
        self.context.route(f"{ADDRESS}**", partial(_answered, self.server))
        host.goto(ADDRESS)
        host.add_script_tag(content=self.script)
        context = {"theme": theme, **options.pop("context", {})}
        call = call or {"name": "extend_video", "arguments": {"assetId": "a", "seconds": 5}}
        given = {"call": call, "page": _resource(self.api), **options, "context": context}
        if live:
            given["url"] = f"{ADDRESS}mcp"
        told = host.evaluate("options => openPlayer(options)", given)
        return Shown(host, told, host.frame_locator("iframe"))


def _answered(server: str, route: Route) -> None:
    """The host's own page, and the server under the page's origin."""
    request = route.request
    if not request.url.startswith(f"{ADDRESS}mcp"):
        route.fulfill(body="<!doctype html><title>host</title><body style='margin:0'>", content_type="text/html")
    elif request.method == "GET":
        route.fulfill(status=405)  # no stream for what the server begins: the test would wait for its end
    else:
        headers = {name: value for name, value in request.headers.items() if name != "origin"}
        route.fulfill(response=route.fetch(url=server, headers=headers))


def called(url: str, tool: str, **arguments: Any) -> Json:
    """What the server tells beside the browser; in a thread, since the browser keeps a loop running in this one."""

    async def call() -> Json:
        async with Client(url) as client:
            return cast("Json", (await client.call_tool(tool, arguments)).structured_content)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, call).result(PATIENCE_MS / 1000)


def position(shown: Shown) -> float:
    """Where the film stands, in seconds."""
    return float(shown.frame.locator("#film").evaluate("film => film.currentTime"))


def plays(shown: Shown) -> None:
    """Starts the film, and waits until it has gone on."""
    shown.frame.get_by_role("button", name="Play the film").click()
    film = shown.frame.locator("#film").element_handle()
    assert film is not None
    frame = film.owner_frame()
    assert frame is not None
    frame.wait_for_function("() => document.getElementById('film').currentTime > 0.3", timeout=PATIENCE_MS)


def result(structured: Mapping[str, Any], **fields: Any) -> Json:
    """A tool result that holds this structured content."""
    text = [{"type": "text", "text": str(structured.get("summary", ""))}]
    return {"content": text, "structuredContent": dict(structured), "isError": "error" in structured, **fields}


def without_signature(told: Json) -> Json:
    """The result of a film whose link is dead."""
    return {**told, "video": {**told["video"], "url": f"{told['video']['url'].partition('?')[0]}?_jwt=dead.dead.dead"}}


def document(told: Mapping[str, Any]) -> Json:
    """JSON as the contents of a resource."""
    return {"mimeType": "application/json", "text": json.dumps(told)}


def _resource(api: str) -> Json:
    settings = Settings(url=api, data_dir=Path())
    return {"uri": "ui://runway/player.html", "mimeType": MIME_TYPE, "text": page(), "_meta": page_meta(settings)}
