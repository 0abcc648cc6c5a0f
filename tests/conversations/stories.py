"""The ten conversations: each a world, a wish, and how it goes; the same in both eras of the protocol.

A story ends with its scene, which tests judge and `python -m tests.conversations` prints.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import anyio

from runway_mcp.simulator.builders import add_video
from runway_mcp.simulator.world import World
from tests.conversations.host import Data, Host, Made, Wish, best_match, characters
from tests.kit.server import open_client
from tests.kit.upstream import virtual_world

PATIENT = 600
"""The setting of a server whose host waits for as long as a film takes, in seconds."""

RISE = "The camera rises slowly over the dunes. Warm evening light."


@dataclass(frozen=True)
class Scene:
    """What a conversation came to: its last result, every call in order, and the world that it has changed.

    `films` is how many extensions were wanted, `plain` that nothing stood in their way and the host waits long enough.
    """

    world: World
    made: list[Made]
    last: Data
    films: int = 1
    plain: bool = False

    @property
    def written(self) -> int:
        """Characters of all arguments that the model wrote."""
        return sum(characters(each.arguments) for each in self.made)

    @property
    def read(self) -> int:
        """Characters of all structured content that the model read."""
        return sum(characters(each.result) for each in self.made if each.result is not None)

    @property
    def credits(self) -> int:
        """Credits that were charged."""
        return sum(self.world.charged.values())


async def fuzzy_name(folder: Path, mode: str) -> Scene:
    """The clip is the 37th of sixty, and its name is misspelt."""
    world = virtual_world(pace=180, clips=0)
    names = ["morning market", "old harbour lantern", "glass city", "fox in snow", "paper boats", "night train"]
    for number in range(60):
        prompt = "harbour lanterns at night" if number == 36 else f"{names[number % 6]} take {number}"
        add_video(world, prompt=prompt, age=600.0 * (number + 1))
    async with open_client(world, folder, mode, wait_seconds=PATIENT) as client:
        host = Host(client.mcp, Wish("harbor lantens at night", {"text_prompt": RISE, "seconds": 10}))
        return Scene(world, host.made, await host.extend(), plain=True)


async def to_the_cap(folder: Path, mode: str) -> Scene:
    """Three extensions in a row, until Runway's limit."""
    world = virtual_world(pace=90)
    async with open_client(world, folder, mode, wait_seconds=PATIENT) as client:
        host = Host(client.mcp, Wish("clip 0", {"text_prompt": RISE, "seconds": 10}))
        film = await host.extend()
        while "next_step" in film:
            film = await host.onward(await host.follow(film, **host.wish.says))
        return Scene(world, host.made, film, films=3, plain=True)


async def busy_slots(folder: Path, mode: str) -> Scene:
    """The account's only slot is taken for a while by somebody else."""
    world = virtual_world(pace=110, clips=2, max_jobs=1)
    async with open_client(world, folder / "other", mode) as other, open_client(world, folder, mode) as client:
        await other.extend(world.assets[1], wait_seconds=0)
        host = Host(client.mcp, Wish("clip 0", {"text_prompt": RISE}))
        return Scene(world, host.made, await host.extend(), films=2)


async def moderation(folder: Path, mode: str) -> Scene:
    """The first prompt is refused, and the person has another."""
    world = virtual_world(pace=30)
    wish = Wish("clip 0", {"text_prompt": "something forbidden"}, rewordings=(RISE,))
    async with open_client(world, folder, mode) as client:
        host = Host(client.mcp, wish)
        return Scene(world, host.made, await host.extend())


async def out_of_credits(folder: Path, mode: str) -> Scene:
    """Ten seconds are too dear, five are not."""
    world = virtual_world(pace=30, used=2190)
    async with open_client(world, folder, mode) as client:
        host = Host(client.mcp, Wish("clip 0", {"text_prompt": RISE, "seconds": 10}))
        priced = await host.price(await host.find())
        shorter = await host.follow(priced)
        return Scene(world, host.made, await host.onward(shorter))


async def host_times_out(folder: Path, mode: str) -> Scene:
    """The host cuts the call off that submits, and makes it again."""
    world = virtual_world(pace=140)
    async with open_client(world, folder, mode) as client:
        host = Host(client.mcp, Wish("clip 0", {"text_prompt": RISE}))
        step = (await host.price(await host.find()))["next_step"]
        assert await host.call(step["tool"], step["arguments"], cut_after=20) is None
        return Scene(world, host.made, await host.onward(await host.sure(step["tool"], step["arguments"])))


async def restart(folder: Path, mode: str) -> Scene:
    """The server dies twice: while it submits, and while the film is waited for."""
    world = virtual_world(pace=140)
    async with open_client(world, folder, mode) as client:
        host = Host(client.mcp, Wish("clip 0", {"text_prompt": RISE}))
        step = (await host.price(await host.find()))["next_step"]
        assert await host.call(step["tool"], step["arguments"], cut_after=10) is None
    async with open_client(world, folder, mode) as client:
        host.client = client.mcp
        running = await host.sure(step["tool"], step["arguments"])
    async with open_client(world, folder, mode) as client:
        host.client = client.mcp
        return Scene(world, host.made, await host.onward(running))


async def wrong_account(folder: Path, mode: str) -> Scene:
    """The person has an address wrong, and two accounts are linked."""
    world = virtual_world(pace=30, accounts=2)
    add_video(world, email="director-1@example.com", prompt="clip of the studio")
    wish = Wish("clip studio", {"text_prompt": RISE}, account="director-1", email="directer@example.com")
    async with open_client(world, folder, mode) as client:
        host = Host(client.mcp, wish)
        return Scene(world, host.made, await host.extend())


async def in_parallel(folder: Path, mode: str) -> Scene:
    """Two clips of one listing are extended at the same time."""
    world = virtual_world(pace=100, clips=2)
    async with open_client(world, folder, mode) as client:
        first = Host(client.mcp, Wish("clip 0", {"text_prompt": RISE}))
        clips = [await first.find()]
        second = first.beside(Wish("clip 1", {"text_prompt": RISE}))
        clips += filter(None, [best_match(second.wish.clip, (first.made[0].result or {})["assets"])])
        films: list[Data] = []

        async def extend(host: Host, clip: Data) -> None:
            films.append(await host.onward(await host.price(clip)))

        async with anyio.create_task_group() as both:
            for host, clip in zip((first, second), clips, strict=True):
                both.start_soon(extend, host, clip)
        assert films[0]["video"]["assetId"] != films[1]["video"]["assetId"]
        made = sorted([*first.made, *second.made], key=lambda each: each.began)
        return Scene(world, made, films[1], films=2)


async def show_again(folder: Path, mode: str) -> Scene:
    """The film is of yesterday, and so is its link."""
    world = virtual_world(clips=3)
    add_video(world, prompt="the long way home", extended=2, age=20 * 3600.0)
    async with open_client(world, folder, mode) as client:
        host = Host(client.mcp, Wish("the long way home"))
        clip = await host.find()
        await host.sure("get_task", {"taskId": clip["assetId"]})
        await anyio.sleep(31 * 3600)
        return Scene(world, host.made, await host.sure("get_task", {"taskId": clip["assetId"]}), films=0, plain=True)


Story = Callable[[Path, str], Awaitable[Scene]]

STORIES: dict[str, Story] = {
    story.__name__: story
    for story in (
        fuzzy_name,
        to_the_cap,
        busy_slots,
        moderation,
        out_of_credits,
        host_times_out,
        restart,
        wrong_account,
        in_parallel,
        show_again,
    )
}
"""Every conversation by its name."""
