"""Keeps films one after the other, as a process that can be killed: `python -m tests.media.keeper` with JSON on stdin.

The one line of stdin has `origin`, `folder`, and `films`: pairs of a key and a link. Says "ready" before it reads it;
then for each film "kept", "there" or the kind of its failure, each on a line of its own.
"""

import json
import sys
from functools import partial
from pathlib import Path

import anyio

from runway_mcp.media.errors import MediaError
from runway_mcp.media.fetch.client import open_links
from runway_mcp.media.files.keeping import keep


def say(word: str) -> None:
    """One line for whoever started this process."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def run(origin: str, folder: Path, films: list[tuple[str, str]]) -> None:
    """Keeps the films."""
    async with open_links(allowed_origin=origin) as links:
        for key, link in films:
            try:
                kept = await keep(links, link, folder, key=key, name=f"film_{key}.mp4")
            except MediaError as error:
                say(type(error).__name__)
            else:
                say("kept" if kept.new else "there")


if __name__ == "__main__":
    say("ready")
    told = json.loads(sys.stdin.readline())
    anyio.run(partial(run, told["origin"], Path(told["folder"]), told["films"]))
