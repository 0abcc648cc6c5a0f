"""Prints how many calls and characters each conversation and wish takes: `python -m tests.conversations`."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio

from tests.conversations.stories import STORIES, Scene, Story
from tests.conversations.wishes import WISHES, Agent, played
from tests.kit.virtual_time import VirtualTimeLoop

ERAS = {"auto": "2026-07-28", "legacy": "2025-11-25"}

_WISHES = "{:<26}{:<12}{:>6}{:>12}"
_COLUMNS = "{:<16}{:<12}{:>6}{:>9}{:>8}{:>9}{:>7}{:>9}"


def play(story: Story, mode: str) -> Scene:
    """Plays a conversation on a loop whose waits cost nothing."""

    async def in_a_folder() -> Scene:
        with tempfile.TemporaryDirectory() as folder:
            return await story(Path(folder), mode)

    return anyio.run(in_a_folder, backend="asyncio", backend_options={"loop_factory": VirtualTimeLoop})


def table() -> Iterator[str]:
    """Every conversation in both eras: calls, characters that the model writes and reads, time, films, credits."""
    yield _COLUMNS.format("conversation", "era", "calls", "written", "read", "seconds", "films", "credits")
    for name, story in STORIES.items():
        for mode, era in ERAS.items():
            scene = play(story, mode)
            took = f"{scene.made[-1].ended - scene.made[0].began:.0f}"
            yield _COLUMNS.format(
                name, era, len(scene.made), scene.written, scene.read, took, scene.films, scene.credits
            )


def wishes() -> Iterator[str]:
    """Every wish, read as structured content and as text: calls, and characters written and read."""
    yield _WISHES.format("wish", "read as", "calls", "characters")

    async def in_a_folder(name: str, *, by_text: bool) -> Agent:
        with tempfile.TemporaryDirectory() as folder:
            return await played(name, Path(folder), "auto", by_text=by_text)

    for name in WISHES:
        for by_text in (False, True):
            agent = anyio.run(
                partial(in_a_folder, name, by_text=by_text),
                backend="asyncio",
                backend_options={"loop_factory": VirtualTimeLoop},
            )
            yield _WISHES.format(name, "text" if by_text else "structured", agent.calls, agent.characters)


if __name__ == "__main__":
    for line in (*table(), "", *wishes()):
        print(line)  # noqa: T201  this is its output
