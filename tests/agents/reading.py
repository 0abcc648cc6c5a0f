"""How an agent reads a result: the next call out of the text, and how long what it reads is."""

import json
import re
from typing import Any

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
