"""Twelve wishes, each played by an agent that reads either structured content or text, and nothing else.

A wish ends with what was seen last; tests judge it, and `python -m tests.conversations` prints calls and characters.
"""

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
from mcp_types import CallToolResult, TextContent

from runway_mcp.simulator.builders import EMAIL, add_account, add_upload, add_video
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient, structured, text
from tests.kit.clock import wall_clock
from tests.kit.server import open_client
from tests.kit.upstream import extended_clips

Data = dict[str, Any]

RISE = "The camera rises slowly over the dunes. Warm evening light."

_NEXT = re.compile(r"^Next: (?P<tool>\w+) ", re.MULTILINE)
_ASSET = re.compile(r'^- "(?P<name>[^"]*)" \((?P<facts>.*)\): assetId (?P<id>\S+)$', re.MULTILINE)


class Agent:
    """Makes calls and counts what it writes and reads; `by_text` tells that it sees no structured content."""

    def __init__(self, client: ToolClient, *, by_text: bool) -> None:
        self.client = client
        self.by_text = by_text
        self.calls = 0
        self.characters = 0
        self.seen = ""
        self._data: Data = {}

    async def call(self, tool: str, **arguments: Any) -> "Agent":
        """Calls a tool; what came back is what the agent sees from now on."""
        self._see(await self.client.mcp.call_tool(tool, arguments), arguments)
        return self

    async def follow(self, **mine: Any) -> "Agent":
        """Makes the call that was named as the next, with what the wish adds to it."""
        tool, arguments = self.next_call()
        return await self.call(tool, **{**arguments, **mine})

    async def to_the_end(self) -> "Agent":
        """Waits for the film by the calls that are named."""
        while "get_task" in (self.next_call()[0] if self.has_next() else ""):
            await self.follow()
        return self

    def has_next(self) -> bool:
        """Whether a next call is named."""
        return _NEXT.search(self.seen) is not None if self.by_text else "next_step" in self._data

    def next_call(self) -> tuple[str, Data]:
        """The call that is named as the next."""
        if not self.by_text:
            return self._data["next_step"]["tool"], self._data["next_step"]["arguments"]
        match = _NEXT.search(self.seen)
        assert match is not None
        return match["tool"], json.JSONDecoder().raw_decode(self.seen[match.end() :])[0]

    def clips(self) -> list[tuple[str, str]]:
        """Name and assetId of each clip that is listed."""
        if self.by_text:
            return [(match["name"], match["id"]) for match in _ASSET.finditer(self.seen)]
        return [(asset["name"], asset["assetId"]) for asset in self._data["assets"]]

    def clip(self, words: str) -> str:
        """The assetId of the clip whose name holds the words."""
        return next(asset_id for name, asset_id in self.clips() if words in name)

    async def told(self, prompt: str, **arguments: str) -> str:
        """The text of a prompt."""
        message = (await self.client.mcp.get_prompt(prompt, arguments)).messages[0]
        assert isinstance(message.content, TextContent)
        self.characters += len(message.content.text)
        return message.content.text

    def _see(self, result: CallToolResult, arguments: Data) -> None:
        self.calls += 1
        self._data = structured(result)
        plain = json.dumps(self._data, ensure_ascii=False, separators=(",", ":"))
        self.seen = text(result) if self.by_text else plain
        self.characters += len(json.dumps(arguments, ensure_ascii=False)) + len(self.seen)


def a_library(pace: float = 90.0) -> World:
    """A clip of every sort, as people have them."""
    world = World(clock=anyio.current_time, wall=wall_clock, pace=pace)
    add_account(world, EMAIL)
    add_video(world, prompt="a quiet beach at dusk", age=900)
    add_video(world, model="gen3a_turbo", prompt="gulls over the pier", age=3600)
    extended_clips(world, *("the long way home, part " + part for part in ("0", "1", "2", "3")))
    add_video(world, model="gen4", prompt="a lighthouse in fog", seconds=5, age=10_800)
    add_upload(world, age=14_400)
    return world


async def beach_longer(agent: Agent) -> None:
    """Take my beach clip, make it ten seconds longer, the camera rises."""
    await agent.call("list_assets", query="beach")
    await agent.call("extend_video", assetId=agent.clip("beach"), text_prompt=RISE, seconds=10, dry_run=True)
    await (await agent.follow()).to_the_end()


async def which_and_how_far(agent: Agent) -> None:
    """Tell me which of my clips can be extended, and for how much to the longest."""
    await agent.call("list_assets", extendable_only=True)


async def turbo_ten(agent: Agent) -> None:
    """Make the gulls ten seconds longer."""
    await agent.call("list_assets", query="gulls")
    await agent.call("extend_video", assetId=agent.clip("gulls"), seconds=10, dry_run=True)
    await agent.follow()
    await (await agent.follow()).to_the_end()


async def fourth_extension(agent: Agent) -> None:
    """Make the last part of the long way home longer once more."""
    await agent.call("list_assets", query="long way home")
    await agent.call("extend_video", assetId=agent.clip("part 3"), text_prompt=RISE, dry_run=True)


async def other_models(agent: Agent) -> None:
    """Extend the lighthouse, or else my holiday."""
    await agent.call("list_assets")
    for clip in (agent.clip("lighthouse"), agent.clip("holiday")):
        await agent.call("extend_video", assetId=clip, dry_run=True)


async def forty_for_three_hundred(agent: Agent) -> None:
    """Make a film of forty seconds of the beach, for at most 300 credits."""
    await agent.call("list_assets", query="beach")
    await agent.call("extend_video", assetId=agent.clip("beach"), text_prompt=RISE, seconds=10, dry_run=True)
    await (await agent.follow()).to_the_end()
    while agent.has_next():
        await agent.follow(text_prompt=RISE, seconds=10)
        await (await agent.follow()).to_the_end()


async def impatient(agent: Agent) -> None:
    """The same, in a host that cuts every call off after two seconds."""
    await agent.call("list_assets", query="beach")
    wish = {"assetId": agent.clip("beach"), "text_prompt": RISE, "seconds": 10}
    with anyio.move_on_after(2):
        await agent.call("extend_video", **wish)
    await agent.call("extend_video", **wish)
    for _ in range(60):
        if not agent.has_next() or agent.next_call()[0] != "get_task":
            break
        await anyio.sleep(5)
        await agent.follow(wait_seconds=1)


async def two_alternatives(agent: Agent) -> None:
    """Two different ends for the beach."""
    await agent.call("list_assets", query="beach")
    clip = agent.clip("beach")
    await agent.call("extend_video", assetId=clip, text_prompt=RISE, dry_run=True)
    await (await agent.follow()).to_the_end()
    await agent.call("extend_video", assetId=clip, text_prompt=RISE, seed=2, dry_run=True)
    await (await agent.follow()).to_the_end()


async def confirm_and_cap(agent: Agent) -> None:
    """Ten seconds twice, where every spend is confirmed and a day allows 150 credits."""
    await agent.call("list_assets", query="beach")
    clip = agent.clip("beach")
    await agent.call("extend_video", assetId=clip, seconds=10, dry_run=True)
    await (await agent.follow()).to_the_end()
    await agent.call("extend_video", assetId=clip, seconds=10, seed=2, dry_run=True)


async def no_token(agent: Agent) -> None:
    """Extend my beach clip, where no token is set."""
    await agent.call("list_assets", query="beach")


async def yesterdays_film(agent: Agent) -> None:
    """Show me the film of yesterday again."""
    await beach_longer(agent)
    await anyio.sleep(31 * 3600)
    await agent.call("list_assets", query="beach rises")
    await agent.call("get_task", taskId=agent.clips()[0][1])


async def two_prompts(agent: Agent) -> None:
    """Both prompts, and the calls that they name."""
    extend = await agent.told("extend_clip", clip="the beach", wish="the camera rises")
    plan = await agent.told("plan_film", clip="the beach", story="dusk to night")
    agent.seen = f"{extend}\n{plan}"


Story = Callable[[Agent], Awaitable[None]]

WISHES: dict[str, tuple[Story, Data]] = {
    story.__name__: (story, settings)
    for story, settings in (
        (beach_longer, {}),
        (which_and_how_far, {}),
        (turbo_ten, {}),
        (fourth_extension, {}),
        (other_models, {}),
        (forty_for_three_hundred, {}),
        (impatient, {}),
        (two_alternatives, {}),
        (confirm_and_cap, {"max_credits_per_day": 150, "confirm_above": 0.0}),
        (no_token, {"token": None}),
        (yesterdays_film, {}),
        (two_prompts, {}),
    )
}
"""Every wish by its name, with the settings of the server that it meets."""


async def played(name: str, folder: Path, mode: str, *, by_text: bool) -> Agent:
    """The agent at the end of a wish."""
    story, settings = WISHES[name]
    async with open_client(a_library(), folder, mode, **settings) as client:
        agent = Agent(client, by_text=by_text)
        await story(agent)
        return agent
