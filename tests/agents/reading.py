"""How an agent reads a result: the next call out of the text, and how long what it reads is."""

import json
import re
from typing import Any

from runway_mcp.simulator.builders import add_video
from runway_mcp.simulator.films import Film
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.world import World

Data = dict[str, Any]

_NEXT = re.compile(r"^Next: (?P<tool>\w+) ", re.MULTILINE)


def next_call(told: str) -> tuple[str, Data]:
    """The tool and the arguments of the call that a text names as the next."""
    match = _NEXT.search(told)
    assert match is not None
    arguments, _ = json.JSONDecoder().raw_decode(told[match.end() :])
    return match["tool"], arguments


def step_of(data: Data) -> tuple[str, Data]:
    """The tool and the arguments of the next step of a structured result."""
    return data["next_step"]["tool"], data["next_step"]["arguments"]


def size(data: object) -> int:
    """How many characters of compact JSON that is."""
    return len(json.dumps(data, ensure_ascii=False, separators=(",", ":")))


def without_links(data: Data) -> Data:
    """A film's result without the links in it."""
    film = {name: data["video"][name] for name in data["video"].keys() - {"url", "url_expires_at", "preview_urls"}}
    return data | {"video": film}


def chain(world: World, *prompts: str, model: str = "gen3a", seconds: float = 10, step: int = 10) -> list[Asset]:
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
