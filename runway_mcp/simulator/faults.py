"""Faults: rules that spoil requests or their answers; `fault_injection` applies them.

A rule meets the next `times` requests of its method and path. A request meets every delay up to the first rule of
another kind that fits, and that one.
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
    """There is no fault of this kind, or with this field."""


class ConnectionLost(ConnectionResetError):  # noqa: N818  named as its base is
    """The connection was reset or cut, as an in-process caller without a socket sees it."""


@dataclass(slots=True)
class Fault:
    """One rule; `path_prefix` counts from the API's base ("/gen3/extend"), "" is any path, "*" any method.

    With `times` of None the rule is never used up.

    - `status` answers with `status`, `body` (JSON, or text if a string; None is empty), `content_type`, `headers` and
      `retry_after` instead of handling the request; with `handled` it is handled first, and its answer discarded.
      `handled` with a 4xx is the trace of a proxy that repeats a POST: accepted, then refused.
    - `delay` and `delay_after` wait `seconds` before the request is handled, or before its answer is sent; a test in
      the same process may give `hold`, an awaited function, instead of seconds.
    - `reset` drops the connection before the request is handled, `reset_after` after it.
    - `cut` handles it, promises the whole answer, sends `after_bytes` of it and drops the connection.
    - `redirect` answers 302 to `location`.
    - `foreign` (POST only) answers with the submit of another task: the newest that the account had before. With
      `handled` the request is handled first, as with `status`. Without such a task it does nothing.
    - `busy_after` (POST only) handles the request and answers useapi's 429, which names the account's running tasks,
      the new one included. Runway's own 429, which names no task, is a `status` of 429 with `handled`.

    `headers` and `retry_after` (seconds) go with every answer that a rule makes up.
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
        """Whether the rule applies to a request of this method and path, and is not used up."""
        fits = method == "POST" or self.kind not in _POSTS_ONLY
        return fits and self.times != 0 and self.method in ("*", method) and path.startswith(self.path_prefix)

    @property
    def handles(self) -> bool:
        """Whether the request is handled before the rule spoils its answer."""
        return self.handled or self.kind in _HANDLED


def fault(described: dict[str, Any]) -> Fault:
    """The fault that a JSON object describes; raises `FaultError`."""
    strange = sorted(described.keys() - {field.name for field in fields(Fault) if field.name != "hold"})
    if strange:
        raise FaultError(f"A fault has no field {strange[0]!r}.")
    return Fault(**described)


def consume(rules: list[Fault], method: str, path: str) -> list[Fault]:
    """The rules that this request meets, any delays and the first rule of another kind; each counts as used once."""
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
