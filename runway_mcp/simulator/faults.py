"""The faults: scripted trouble on the way of a request, one rule at a time.

A rule meets the next `times` requests of its method and path. Delays add up with whatever rule follows them;
of the others only the first that fits applies.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

FaultKind = Literal[
    "status", "delay", "delay_after", "reset", "reset_after", "cut", "redirect", "foreign", "busy_after"
]

_POSTS_ONLY = frozenset({"foreign", "busy_after"})
_HANDLED = frozenset({"reset_after", "cut", "busy_after"})


class FaultError(ValueError):
    """Refuses a fault with a field or a kind that does not exist."""


class ConnectionLost(ConnectionResetError):  # noqa: N818 - named as its base is
    """What an in-process caller meets where a socket's peer would see its connection reset or cut."""


@dataclass(slots=True)
class Fault:
    """One rule of trouble; `path_prefix` counts from the API's base ("/gen3/extend"), "" is any path, "*" any method.

    - `status` answers with `status`, `body` (JSON, or text if a string; None is empty), `content_type`, `headers` and
      `retry_after` instead of handling the request; with `handled` it is handled first, and its answer thrown away.
      So `handled` with a 4xx is what a middle box that sends the request twice leaves: accepted, then refused.
    - `delay` and `delay_after` wait `seconds` before the request is handled, or before its answer is sent; a test in
      the same process may give `hold`, an awaited function, instead of seconds.
    - `reset` drops the connection before the request is handled, `reset_after` after it.
    - `cut` handles it, promises the whole answer, sends `after_bytes` of it and drops the connection.
    - `redirect` answers 302 to `location`.
    - `foreign` (POST only) answers as the submit of another task was answered: the newest that the account had before;
      with `handled` the request is handled first, as with `status`. Without such a task it does nothing.
    - `busy_after` (POST only) handles the request and answers useapi's 429, which names the account's running tasks,
      the new one included. Runway's own 429, which names nobody, is a `status` of 429 with `handled`.

    `headers` and `retry_after` go with every answer that a rule makes up.
    """

    method: str = "*"
    path_prefix: str = ""
    times: int | None = 1
    kind: FaultKind = "status"
    status: int = 503
    body: Any = None
    content_type: str | None = None
    headers: dict[str, str] | None = None
    retry_after: float | None = None
    handled: bool = False
    seconds: float = 0.0
    hold: Callable[[], Awaitable[object]] | None = None
    after_bytes: int = 0
    location: str = "/elsewhere"

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise FaultError(f"There is no fault of kind {self.kind!r}.")

    def matches(self, method: str, path: str) -> bool:
        """Tell whether the rule still has a request of this kind to meet."""
        fits = method == "POST" or self.kind not in _POSTS_ONLY
        return fits and self.times != 0 and self.method in ("*", method) and path.startswith(self.path_prefix)

    @property
    def handles(self) -> bool:
        """Tell whether a request that meets the rule is handled before the rule spoils its answer."""
        return self.handled or self.kind in _HANDLED


def fault(described: dict[str, Any]) -> Fault:
    """Return the fault that a JSON object describes; raises FaultError."""
    strange = sorted(described.keys() - {field.name for field in fields(Fault) if field.name != "hold"})
    if strange:
        raise FaultError(f"A fault has no field {strange[0]!r}.")
    return Fault(**described)


def consume(rules: list[Fault], method: str, path: str) -> list[Fault]:
    """Use up and return the rules that this request meets: any delays, and the first rule of another kind."""
    met: list[Fault] = []
    for rule in rules:
        if not rule.matches(method, path):
            continue
        met.append(rule)
        if rule.times is not None:
            rule.times -= 1
        if not rule.kind.startswith("delay"):
            break
    rules[:] = [rule for rule in rules if rule.times != 0]
    return met
