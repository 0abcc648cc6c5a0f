"""The stand-in in the test's own process: the same application, without sockets, on the event loop's clock."""

from typing import Any

import anyio
import httpx

from runway_mcp.simulator.app import create_app
from runway_mcp.simulator.builders import add_video, small_world
from runway_mcp.simulator.faults import ConnectionLost, Fault
from runway_mcp.simulator.media.films import Film
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.world import World
from tests.kit.clock import wall_clock

URL = "http://127.0.0.1/v1/runwayml"
"""Where an upstream in the test's process is, for clients that need an address; nothing listens there."""


class Upstream(httpx.AsyncBaseTransport):
    """Carries requests to a world; what the stand-in does to a connection looks as it would on a socket."""

    def __init__(self, world: World) -> None:
        self._carry = httpx.ASGITransport(create_app(world))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._carry.handle_async_request(request)
        except ConnectionLost as error:
            raise httpx.ReadError("the connection was reset", request=request) from error


def virtual_world(*, pace: float = 20.0, **fields: Any) -> World:
    """A world with one account and one Gen-3 Alpha clip of 10 s, on the event loop's clock; a task takes `pace`."""
    return small_world(clock=anyio.current_time, wall=wall_clock, pace=pace, **fields)


def fault(world: World, **rule: Any) -> None:
    """Scripts one fault (the fields of `Fault`)."""
    world.faults.append(Fault(**rule))


def extended_clips(
    world: World, *prompts: str, model: str = "gen3a", seconds: float = 10, step: int = 10
) -> list[Asset]:
    """A clip and its extensions by other hands, each there as an asset; the last one is the newest."""
    films: list[Asset] = []
    for count, prompt in enumerate(prompts):
        film = add_video(world, model=model, prompt=prompt, seconds=seconds, age=9000.0 - 600 * count)
        film.film = Film(0, seconds, (step,) * count)
        film.duration = film.film.duration
        maker = film.task
        assert maker is not None
        if films and films[-1].task is not None:
            maker.parent = films[-1]
            maker.options |= {
                "extended_from_task_id": world.task_id(films[-1].task),
                "extended_count": count,
                "seconds": step,
            }
        films.append(film)
    return films
