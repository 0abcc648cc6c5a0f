"""Plays the worked conversations against the stand-in, and writes them into `docs/conversations.md`.

    uv run python -m scripts.conversations

The real server answers a real client, on a clock that jumps over waits; what looks at films or makes them, which takes
its time, plays on a usual one. What is drawn at random (seeds, references, signatures of links) is shown as one and the
same, and so are folders and the hours at which links die.
"""

import json
import logging
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
from mcp_types import CallToolResult, TextContent

from runway_mcp.simulator.builders import seeded_world
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.media.clips import PaintedFilms
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient, structured
from tests.kit.clock import EPOCH, wall_clock
from tests.kit.server import open_client
from tests.kit.virtual_time import VirtualTimeLoop

PAGE: Final = Path(__file__).parent.parent / "docs" / "conversations.md"
RISE: Final = "The camera rises over the dunes"
LIFT: Final = "The fog lifts, the beam sweeps over the sea"
PACE: Final = 100.0

_MASKS: Final = (
    (re.compile(r"\?_jwt=[\w.-]+"), "?_jwt=..."),
    (re.compile(r"runway-mcp-[0-9a-f]{32}"), "runway-mcp-0123456789abcdef0123456789abcdef"),
    (re.compile(r"\(until (\d{4}-\d\d-\d\d)T[\d:]+Z\)"), r"(until \1)"),
    (re.compile(r"film_[a-z0-9]{16}"), "film_abcdefgh01234567"),
    (re.compile(r"(?<=Saved: )\S*/"), "/home/you/Videos/Runway/"),
    (re.compile(r"(?<=s_)[0-9a-f]{4}(?=\.mp4)"), "9dae"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "http://127.0.0.1"),
)
_SEED: Final = "2024051123"
# What differs with the version of the encoder: sizes, and how pictures compare.
_ENCODED: Final = re.compile(r"\b\d+\.\d\b|\b\d+(?= bytes)")
_HEAD: Final = """# Worked conversations

What a person says, what the agent calls, and what the server answers, in the text that an agent reads. The server is
the real one; a stand-in plays useapi.net, so the links lead nowhere. Long ids are as long as Runway's are; nobody has
to type them. This page is made by `uv run python -m scripts.conversations`, and a test compares it.
"""


@dataclass
class Notebook:
    """One conversation as it is written down; seeds that the server drew are shown as one and the same."""

    lines: list[str] = field(default_factory=list[str])
    seeds: set[str] = field(default_factory=set[str])

    def person(self, words: str) -> None:
        """What the person says."""
        self.lines += [f"> **You:** {words}", ""]

    def aside(self, words: str) -> None:
        """What happens, or what the agent says."""
        self.lines += [words, ""]

    async def call(self, client: ToolClient, tool: str, **arguments: Any) -> dict[str, Any]:
        """Makes a call and writes it down; returns the structured content, {} where there is none."""
        result = await client.call(tool, **arguments)
        notes = [note.message for note in client.told]
        self.answer(tool, arguments, result, notes)
        return structured(result) if result.structured_content is not None else {}

    def answer(self, tool: str, arguments: dict[str, Any], result: CallToolResult, notes: list[str]) -> None:
        """Writes down a call, and what came of it."""
        # How often a task is read differs by chance, and with it all but the first.
        progress = [f"... {note}" for note in notes[:1]] + ["..."] * (len(notes) > 1)
        (text,) = [block.text for block in result.content if isinstance(block, TextContent)]
        picture = ["(a picture)"] if len(result.content) > 1 else []
        if result.structured_content is not None and (seed := result.structured_content.get("seed")):
            self.seeds.add(str(seed))
        call = f"{tool} {json.dumps(arguments, ensure_ascii=False)}"
        self.lines += ["```text", call, "", *progress, *([""] if progress else []), *picture, text, "```", ""]

    def text(self) -> str:
        """All of it, with what is random masked."""
        text = "\n".join(self.lines)
        for seed in self.seeds:
            text = text.replace(seed, _SEED)
        for pattern, mask in _MASKS:
            text = pattern.sub(mask, text)
        return text


def _world(films: PaintedFilms | None = None) -> World:
    return seeded_world(clock=anyio.current_time, wall=wall_clock, pace=PACE, films=films)


async def _look(folder: Path, notes: Notebook, clip: str) -> None:
    """Looks at the end of a clip, on a clock that does not jump."""
    world = _world(PaintedFilms())
    for asset in world.assets:
        # The file alone is small: what is told of a clip is told by its asset, and large films take long to paint.
        asset.film = replace(asset.film, width=320, height=192) if asset.film else None
    async with running(world) as url, open_client(world, folder / "look", "auto", url=url) as client:
        # Whether a look takes long enough for a progress message is a matter of the machine.
        notes.answer("view_film", {"assetId": clip}, await client.call("view_film", assetId=clip), [])


async def _extend(folder: Path, notes: Notebook) -> str:
    """From a wish to a longer film; returns the clip's assetId."""
    world = _world()
    async with open_client(world, folder / "extend", "auto", wait_seconds=200) as client:
        notes.person("Take my beach clip and make it ten seconds longer. The camera rises over the dunes.")
        found = await notes.call(client, "list_assets", query="beach")
        clip: str = found["assets"][0]["assetId"]
        wish = {"assetId": clip, "text_prompt": RISE, "seconds": 10}
        priced = await notes.call(client, "extend_video", **wish, dry_run=True)
        notes.aside("[the look]")
        notes.aside(
            f"The agent says: that costs about {priced['credits']['cost']} credits, and the clip can be extended "
            f"{priced['lineage']['extensions_left']} more times afterwards."
        )
        notes.person("Do it.")
        next_step = priced["next_step"]
        film = await notes.call(client, next_step["tool"], **next_step["arguments"])
        notes.aside("A month later the same words are said again. They cost nothing, since that film exists:")
        await anyio.sleep(30 * 86_400)
        await notes.call(client, "extend_video", **wish)
        notes.aside(
            f"All of it was {client.posts} submit, of {world.charged[world.assets[0].email]} credits. The next step "
            f"of the film is priced by `{film['next_step']['tool']}` with `dry_run`, as the result says."
        )
    return clip


async def _recover(folder: Path, notes: Notebook) -> None:
    """The answer of a submit is lost, the network with it, and the host is closed; the film is there afterwards."""
    world = _world()

    async def go_dark() -> None:
        world.faults.append(Fault(method="GET", times=None, kind="reset"))

    world.faults += [
        Fault(method="POST", kind="delay_after", hold=go_dark),
        Fault(method="POST", kind="reset_after"),
    ]
    wish = {"assetId": world.asset_id(world.assets[0]), "text_prompt": RISE, "seconds": 10}
    async with open_client(world, folder / "recover", "auto") as client:
        notes.person("Ten seconds more of the beach, the camera rises.")
        notes.aside("The request reaches Runway, which starts the task. Then the network of this machine goes away:")
        await notes.call(client, "extend_video", **wish)
        notes.aside(
            "Nobody knows yet whether it was charged, so the server says so. It does not submit again, now or later. "
            "The laptop is closed; the server is killed with it. The next morning:"
        )
    await anyio.sleep(9 * 3600)
    world.faults.clear()
    async with open_client(world, folder / "recover", "auto") as client:
        notes.person("What became of my beach film?")
        notes.aside("The agent makes the identical call, as the result said:")
        await notes.call(client, "extend_video", **wish)
        posts = sum(count for request, count in world.requests.items() if request.startswith("POST"))
        charged = world.charged[world.assets[0].email]
        notes.aside(
            f"The server had found the task by its seed when it started. Useapi.net got {posts} submit, and Runway "
            f"took {charged} credits once."
        )


async def _continue(folder: Path, notes: Notebook) -> None:
    """A Gen-4 clip goes on by a current model, and both become one film; on a clock that does not jump."""
    began = time.monotonic()

    def now() -> float:
        return EPOCH + time.monotonic() - began

    world = seeded_world(clock=time.monotonic, wall=now, pace=1.0, films=PaintedFilms())
    settings = {"wait_seconds": 300, "save": "own", "save_dir": folder / "films", "poll_seconds": 0.2}
    network = httpx.AsyncHTTPTransport()
    async with (
        running(world) as url,
        open_client(world, folder / "data", "auto", url=url, now=now, transport=network, **settings) as client,
    ):
        notes.person("Make the lighthouse longer: the fog lifts.")
        found = await notes.call(client, "list_assets", query="lighthouse")
        clip = found["assets"][0]["assetId"]
        notes.aside(
            "Runway has no native extension for Gen-4. The dry run says what goes on instead, and at which price:"
        )
        wish = {"assetId": clip, "text_prompt": LIFT, "seconds": 5}
        priced = await notes.call(client, "extend_video", **wish, dry_run=True)
        notes.person("Fine, do that.")
        notes.aside("The call that names the model is the consent; without a model nothing is spent.")
        next_step = priced["next_step"]
        film = await notes.call(client, next_step["tool"], **next_step["arguments"])
        notes.aside(
            f"The film goes on by its id, `{film['film']['id']}`, as often as wanted. `view_film` shows its seams, "
            "`save_film` copies its file."
        )


Story = Callable[[Path, Notebook], Awaitable[str | None]]


def _played(story: Story, folder: Path, notes: Notebook) -> str | None:
    """Plays a story on the clock that jumps."""
    return anyio.run(story, folder, notes, backend_options={"loop_factory": VirtualTimeLoop})


def page() -> str:
    """The whole page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        extend, look, recover, onward = Notebook(), Notebook(), Notebook(), Notebook()
        clip = _played(_extend, folder, extend)
        anyio.run(_look, folder, look, clip or "")
        _played(_recover, folder, recover)
        anyio.run(_continue, folder / "continue", onward)
    parts = [
        _HEAD,
        "## Extend a clip\n",
        extend.text().replace("[the look]\n", "It looks at how the clip ends:\n\n" + look.text().rstrip() + "\n"),
        "## Recover after a lost answer\n",
        recover.text(),
        "## Continue a Gen-4 clip\n",
        onward.text(),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def comparable(text: str) -> str:
    """The page without what differs with the version of the encoder."""
    return _ENCODED.sub("~", text)


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} is written\n")
