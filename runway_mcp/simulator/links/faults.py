"""Faults of signed links: rules that spoil how a film's file is served; `injection` applies them.

A rule meets the next `times` requests for files whose name begins with `name_prefix`; a request meets one rule.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from runway_mcp.simulator.faults import FaultError

LinkFaultKind = Literal[
    "slow",
    "stall",
    "cut",
    "wrong_length",
    "wrong_range",
    "endless",
    "wrong_type",
    "redirect",
    "no_ranges",
    "etag",
    "changed",
    "dead",
    "status",
]


@dataclass(slots=True)
class LinkFault:
    """One rule; with `times` of None it is never used up, and "" as `name_prefix` is any file.

    - `slow` sends `after_bytes` (at least 1) at a time, with `seconds` between; `stall` sends so many and then nothing.
    - `cut` promises all that was asked for, sends `after_bytes` of it and drops the connection.
    - `wrong_length` announces and sends `length` bytes of the file, cut off or filled up with zeros.
    - `wrong_range` answers a range with the one that lies a byte further on; `no_ranges` with the whole file.
    - `endless` announces no length and sends the file again and again, until the caller hangs up.
    - `wrong_type` answers 200 with `content_type` and `body`, a page if they are not given.
    - `redirect` answers 302 to `location`; with an empty one, to the same link.
    - `etag` serves the file under that entity tag: "" for none, `W/"1"` for a weak one.
    - `changed` serves another file of the same length under another tag.
    - `dead` answers `status`, and the link stays dead from then on; a fresh link to the film works.
    - `status` answers `status` with no body.
    """

    kind: LinkFaultKind
    name_prefix: str = ""
    times: int | None = 1
    seconds: float = 0.01
    after_bytes: int = 0
    length: int = 0
    content_type: str = "text/html"
    body: str = "<html><title>Sign in</title></html>"
    location: str = ""
    etag: str = ""
    status: int = 403

    def __post_init__(self) -> None:
        if self.kind not in get_args(LinkFaultKind):
            raise FaultError(f"There is no fault of links of kind {self.kind!r}.")


def link_fault(described: dict[str, Any]) -> LinkFault:
    """The fault that a JSON object describes; raises `FaultError`."""
    strange = sorted(described.keys() - {field.name for field in fields(LinkFault)})
    if strange or "kind" not in described:
        raise FaultError(f"A fault of links has no field {strange[0]!r}." if strange else "A fault has a kind.")
    return LinkFault(**described)


def consume_link_fault(rules: list[LinkFault], name: str) -> LinkFault | None:
    """The first rule that a request for this file meets, which counts as used once."""
    for rule in rules:
        if rule.times != 0 and name.startswith(rule.name_prefix):
            if rule.times is not None:
                rule.times -= 1
            rules[:] = [each for each in rules if each.times != 0]
            return rule
    return None
