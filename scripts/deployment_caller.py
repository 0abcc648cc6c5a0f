"""A caller of the deployment that `deployed` tries: extends a clip again and again, and repeats what is cut.

    python deployment_caller.py URL NAME TOKEN_FILE STOP_FILE

Runs by the packages of the deployed program alone. It extends until STOP_FILE is there, two films at least and six at
most, and prints one line of JSON: the films by their prompts, and how many calls were cut and repeated.
With `--again PROMPT` it makes one call and prints its result; with `--task ID` it asks for a task.
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
        """The structured content of a call; raises the last failure after twenty tries."""
        failure: Exception | None = None
        for _ in range(_TRIES):
            try:
                async with (
                    httpx2.AsyncClient(headers=self._headers, timeout=60) as http,
                    Client(streamable_http_client(self._url, http_client=http)) as client,
                ):
                    result = await client.call_tool(tool, arguments)
                    return result.structured_content or {}
            except Exception as error:  # noqa: BLE001  whatever cut it, an agent repeats the call
                self.cut += 1
                failure = error
                await anyio.sleep(0.5)
        raise RuntimeError(str(failure)) from failure

    async def clip(self) -> str:
        """The newest clip that can be extended."""
        listed = await self.call("list_assets", extendable_only=True, limit=50)
        return min(asset["assetId"] for asset in listed["assets"] if asset["extendable"] == "yes")

    async def film(self, clip: str, prompt: str) -> Mapping[str, Any]:
        """The end of an extension, followed as results say."""
        told = await self.call("extend_video", assetId=clip, text_prompt=prompt, wait_seconds=2)
        while told.get("status") not in ("SUCCEEDED", "FAILED", "CANCELLED"):
            if told.get("error", {}).get("retry") in ("now", "later"):
                await anyio.sleep(0.5)
            following = told.get(
                "next_step", {"tool": "extend_video", "arguments": {"assetId": clip, "text_prompt": prompt}}
            )
            told = await self.call(following["tool"], **{**following["arguments"], "wait_seconds": 2})
        return told


async def extend(caller: Caller, name: str, stop: Path) -> Mapping[str, Any]:
    """Extends until the file is there; the status, task and clip of each film by its prompt."""
    clip = await caller.clip()
    films: dict[str, Any] = {}
    while len(films) < FEWEST or not await anyio.Path(stop).exists():
        if len(films) < MOST:
            prompt = f"the dunes of {name}, take {len(films) + 1}"
            told = await caller.film(clip, prompt)
            films[prompt] = {"status": told["status"], "taskId": told.get("taskId")}
        else:
            last = next(reversed(films.values()))
            told = await caller.call("get_task", taskId=last["taskId"], wait_seconds=1)
            if told.get("status") != "SUCCEEDED":
                raise RuntimeError(told)
            await anyio.sleep(0.3)
    return {"films": films, "cut": caller.cut}


async def main() -> None:
    """Does what the command line says, and prints it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("name")
    parser.add_argument("token", type=Path)
    parser.add_argument("stop", type=Path)
    parser.add_argument("--again")
    parser.add_argument("--task")
    given = parser.parse_args()
    caller = Caller(given.url, given.token.read_text(encoding="ascii").strip())
    if given.again:
        told = await caller.call("extend_video", assetId=await caller.clip(), text_prompt=given.again, wait_seconds=5)
    elif given.task:
        told = await caller.call("get_task", taskId=given.task)
    else:
        told = await extend(caller, given.name, given.stop)
    print(json.dumps(told))  # noqa: T201  its answer


if __name__ == "__main__":
    anyio.run(main)
