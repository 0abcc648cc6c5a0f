"""A caller of the deployment that `deployed` tries: extends a clip again and again, and repeats what is cut.

    python deployment_caller.py URL NAME TOKEN_FILE STOP_FILE

Runs by the packages of the deployed program alone. It extends until STOP_FILE is there, two films at least and six at
most, then continues the clip by another model, so that a film is joined, and looks at it. It prints one line of JSON:
the films by their prompts, the type of the picture, and how many calls were cut and repeated.
With `--again CLIP PROMPT` it makes one call and prints its result; with `--task ID` it asks for a task.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import anyio
import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ImageContent

FEWEST: Final = 2
MOST: Final = 6
_TRIES: Final = 20


class Caller:
    """A caller, who connects anew for each call, and repeats one that is cut off; `cut` counts those."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"authorization": f"Bearer {token}"}
        self.cut = 0

    async def call(self, tool: str, **arguments: Any) -> Mapping[str, Any]:
        """The structured content of a call."""
        return (await self.result(tool, **arguments)).structured_content or {}

    async def result(self, tool: str, **arguments: Any) -> CallToolResult:
        """The result of a call; raises RuntimeError with the last failure after twenty tries."""
        failure: Exception | None = None
        for _ in range(_TRIES):
            try:
                async with (
                    httpx2.AsyncClient(headers=self._headers, timeout=60) as http,
                    Client(streamable_http_client(self._url, http_client=http)) as client,
                ):
                    return await client.call_tool(tool, arguments)
            except Exception as error:  # noqa: BLE001  whatever cut it, an agent repeats the call
                self.cut += 1
                failure = error
                await anyio.sleep(0.5)
        raise RuntimeError(str(failure)) from failure

    async def clip(self) -> str:
        """The newest clip that can be extended."""
        listed = await self.call("list_assets", extendable_only=True, limit=50)
        return min(asset["assetId"] for asset in listed["assets"] if asset["extendable"] == "yes")

    async def film(self, **wanted: Any) -> Mapping[str, Any]:
        """The end of an extension, followed as results say; raises RuntimeError where a repeat is of no use."""
        told = await self.call("extend_video", **wanted, wait_seconds=2)
        while told.get("status") not in ("SUCCEEDED", "FAILED", "CANCELLED"):
            if "error" in told:
                if told["error"]["retry"] == "after_change":
                    raise RuntimeError(told)
                await anyio.sleep(0.5)
            following = told.get("next_step", {"tool": "extend_video", "arguments": wanted})
            told = await self.call(following["tool"], **{**following["arguments"], "wait_seconds": 2})
        return told

    async def picture(self, clip: str) -> str:
        """The type of the picture of a clip's last frame; empty without one."""
        blocks = (await self.result("view_film", assetId=clip)).content
        return "".join(block.mime_type for block in blocks if isinstance(block, ImageContent))


async def extend(caller: Caller, name: str, stop: Path) -> Mapping[str, Any]:
    """Extends until the file is there; the status, task and clip of each film by its prompt."""
    clip = await caller.clip()
    films: dict[str, Any] = {}
    while len(films) < FEWEST or not await anyio.Path(stop).exists():
        if len(films) < MOST:
            prompt = f"the dunes of {name}, take {len(films) + 1}"
            films[prompt] = _summed_up(await caller.film(assetId=clip, text_prompt=prompt))
        else:
            last = next(reversed(films.values()))
            told = await caller.call("get_task", taskId=last["taskId"], wait_seconds=1)
            if told.get("status") != "SUCCEEDED":
                raise RuntimeError(told)
            await anyio.sleep(0.3)
    prompt = f"{name} goes on with another model"
    films[prompt] = _summed_up(await caller.film(assetId=clip, text_prompt=prompt, model="gen4.5", seconds=5))
    return {"clip": clip, "films": films, "picture": await caller.picture(clip), "cut": caller.cut}


def _summed_up(told: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"status": told["status"], "taskId": told.get("taskId")}


async def main() -> None:
    """Does what the command line says, and prints it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("name")
    parser.add_argument("token", type=Path)
    parser.add_argument("stop", type=Path)
    parser.add_argument("--again", nargs=2)
    parser.add_argument("--task")
    given = parser.parse_args()
    caller = Caller(given.url, given.token.read_text(encoding="ascii").strip())
    if given.again:
        clip, prompt = given.again
        told = await caller.call("extend_video", assetId=clip, text_prompt=prompt, wait_seconds=5)
    elif given.task:
        told = await caller.call("get_task", taskId=given.task)
    else:
        told = await extend(caller, given.name, given.stop)
    print(json.dumps(told))  # noqa: T201  its answer


if __name__ == "__main__":
    anyio.run(main)
