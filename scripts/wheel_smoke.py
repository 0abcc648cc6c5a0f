"""Starts an installed `useapi-runway-mcp` without its extras, and asks it for its tools and its page in both eras.

To be run by the Python of the same environment: `python scripts/wheel_smoke.py path/to/useapi-runway-mcp`.
"""

import importlib.util
import subprocess
import sys
from typing import Literal

import anyio
from mcp import Client, StdioServerParameters

ERAS: dict[Literal["legacy", "auto"], str] = {"legacy": "2025-11-25", "auto": "2026-07-28"}
TOOLS = {"extend_video", "get_task", "list_assets"}


async def tools(command: str, mode: Literal["legacy", "auto"]) -> set[str]:
    """The names of the tools that the program lists to a client of one era; exits if their page is missing."""
    async with Client(StdioServerParameters(command=command), mode=mode) as client:
        listed = (await client.list_tools()).tools
        for page in {tool.meta["ui"]["resourceUri"] for tool in listed if tool.meta and "ui" in tool.meta}:
            (contents,) = (await client.read_resource(page)).contents
            if "<main" not in getattr(contents, "text", ""):
                sys.exit(f"{page} holds no page")
        return {tool.name for tool in listed}


def main(command: str) -> int:
    """Returns 0 if the program starts, lists its tools, and says in one line what the demo lacks."""
    present = [extra for extra in ("av", "PIL", "rich") if importlib.util.find_spec(extra)]
    if present:
        sys.exit(f"this environment has {present}, so it shows nothing")
    for mode, era in ERAS.items():
        found = anyio.run(tools, command, mode)
        if not found >= TOOLS:
            sys.exit(f"{era}: expected {sorted(TOOLS)}, got {sorted(found)}")
        sys.stdout.write(f"{era}: {', '.join(sorted(found))}\n")
    demo = subprocess.run([command, "demo"], check=False, capture_output=True, text=True)  # noqa: S603 - our own program
    if demo.returncode != 1 or demo.stderr.count("\n") != 1 or "[media]" not in demo.stderr:
        sys.exit(f"the demo ended with {demo.returncode}: {demo.stderr}")
    sys.stdout.write(f"demo: {demo.stderr}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
