"""The stand-in for useapi.net with room for all that is started: `python -m tests.kit.stand_in_program --pace 1`.

The library is the one that people meet; the account takes as many tasks at once as come, and can pay for them.
Its films are blank unless `--painted` asks for films that play.
"""

import argparse
from functools import partial

import anyio

from runway_mcp.simulator.builders import seeded_world
from runway_mcp.simulator.media.clips import PaintedFilms
from runway_mcp.simulator.media.films import Films
from runway_mcp.simulator.run import simulate
from runway_mcp.simulator.world import World

ROOM = 1_000
CREDITS = 10_000_000


def roomy_world(*, pace: float, films: Films | None = None) -> World:
    """The seeded world, whose tasks last `pace` seconds and neither wait for each other nor run out of credits."""
    world = seeded_world(pace=pace, films=films)
    for account in world.accounts.values():
        account.max_jobs = account.slots = ROOM
        account.permitted = CREDITS
    return world


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pace", type=float, required=True)
    parser.add_argument("--painted", action="store_true")
    asked = parser.parse_args()
    anyio.run(partial(simulate, world=roomy_world(pace=asked.pace, films=PaintedFilms() if asked.painted else None)))
