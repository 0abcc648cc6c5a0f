"""Prints how many calls and characters each conversation takes: `python -m tests.conversations`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio

from tests.conversations.stories import STORIES, Scene, Story
from tests.virtual_time import VirtualTimeLoop

ERAS = {"auto": "2026-07-28", "legacy": "2025-11-25"}

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


if __name__ == "__main__":
    for line in table():
        print(line)  # noqa: T201  this is its output
