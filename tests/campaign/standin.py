"""The stand-in as a process of its own, steered over its stdin and stdout with lines of JSON.

`open` makes a fresh world on a fresh port; a POST may be held there when it arrives or when it was accepted, until
`release`. `truth` tells what was accepted. It ends when its stdin does.
"""

import asyncio
import json
import sys
from typing import Any

import anyio

from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.library import small_world
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World

# A POST is let go after so many seconds even if nobody releases it.
LONGEST_HOLD = 20.0


async def main() -> None:
    """Serves worlds until stdin ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        await _serve(order, reader)


async def _serve(order: dict[str, Any], reader: asyncio.StreamReader) -> None:
    """One world, from its `open` to its `close`."""
    world = small_world(pace=order["pace"])
    release = anyio.Event()

    async def hold() -> None:
        say({"event": order["hold"]})
        with anyio.move_on_after(LONGEST_HOLD):
            await release.wait()

    if order["hold"]:
        kind = "delay" if order["hold"] == "arrived" else "delay_after"
        world.faults.append(Fault(method="POST", path_prefix="/gen3/extend", kind=kind, hold=hold))
    for rule in order["faults"]:
        world.faults.append(Fault(**rule))
    world.switch(**order["switches"])
    async with running(world) as url:
        say({"url": url, "token": world.token, "assetId": world.asset_id(world.assets[0])})
        while line := await reader.readline():
            order = {**order, **json.loads(line)}
            if order["op"] == "release":
                release.set()
            elif order["op"] == "truth":
                say({"accepted": truth_of(world), "posts": world.requests["POST /gen3/extend"]})
            else:
                break


def truth_of(world: World) -> list[dict[str, Any]]:
    """What was accepted, with what each POST sent."""
    return [
        {
            "taskId": world.task_id(task),
            "text_prompt": task.options["text_prompt"],
            "seed": task.options["seed"],
            "replyRef": task.reply_ref,
            "cost": task.cost,
        }
        for task in world.accepted
    ]


def say(message: dict[str, Any]) -> None:
    """Tells the campaign something."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(main)
