"""What happens in one real run, drawn from its seed alone, as plain data: requests, hosts, limits and troubles."""

import unicodedata
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal

from tests.campaign.clients import Era, Leave
from tests.campaign.evidence import FORBIDDEN

Way = Literal["stdio", "http", "sse"]
Verb = Literal["list", "dry", "extend", "get", "away"]
Spelling = Literal["asset", "task", "uri"]

HOUR = 3600.0
WAYS: tuple[Way, ...] = ("stdio", "http", "sse")
ERAS: tuple[Era, ...] = ("2025-11-25", "2026-07-28")

_SHORTEST = 5
"""What a clip gains where nobody says how much."""


@dataclass(frozen=True)
class Request:
    """What a user wants; `clip` counts the world's clips. All of it is the user's own, the seed included."""

    clip: int
    prompt: str | None
    seconds: int | None = None
    seed: int | None = None
    explore: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the call, without the source."""
        return self._given(self.prompt, self.seconds)

    @property
    def loose(self) -> dict[str, Any]:
        """The same request as another program would spell it: decomposed letters, blanks around, the default said."""
        prompt = None if self.prompt is None else f"  {unicodedata.normalize('NFD', self.prompt.strip())} "
        return self._given(prompt, self.seconds or _SHORTEST)

    def _given(self, prompt: str | None, seconds: int | None) -> dict[str, Any]:
        explore = self.explore or None
        given = {"text_prompt": prompt, "seconds": seconds, "seed": self.seed, "exploreMode": explore}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Act:
    """One move of a host, after a `pause`; it gives up after so many seconds, and `leaves` as it does.

    `loose` spells the same request otherwise, `aside` is what is no part of it, `copies` names what it takes over from
    an earlier result. `confirm` passes the quote of a dry run, that of another request where `quote_of` names one, or a
    made-up one without any. `away` is how long it stays away.
    """

    verb: Verb
    request: Request
    pause: float = 0.0
    wait: int = 2
    spelling: Spelling = "asset"
    loose: bool = False
    aside: tuple[tuple[str, Any], ...] = ()
    copies: tuple[str, ...] = ()
    confirm: bool = False
    quote_of: Request | None = None
    gives_up: float | None = None
    leaves: Leave = "silently"
    away: float = 0.0


@dataclass(frozen=True)
class Host:
    """A host with its way in, its era, and what it does."""

    way: Way
    era: Era
    acts: tuple[Act, ...]


@dataclass(frozen=True)
class Run:
    """One run, of the kind `strike`; `skew` is by how much the hosts' machine is ahead of upstream's clock.

    `then` are the seconds that pass before each request is made once more; its source may be `deleted` by then.
    """

    seed: int
    strike: str
    pace: float
    hosts: tuple[Host, ...]
    faults: tuple[dict[str, Any], ...] = ()
    switches: dict[str, Any] = field(default_factory=dict[str, Any])
    per_call: int | None = None
    per_day: int | None = None
    confirm_above: float | None = None
    skew: float = 0.0
    then: tuple[float, ...] = ()
    deleted: bool = False

    @property
    def settings(self) -> dict[str, str]:
        """The limits as the server's environment has them."""
        limits = {
            "RUNWAY_MCP_MAX_CREDITS_PER_CALL": self.per_call,
            "RUNWAY_MCP_MAX_CREDITS_PER_DAY": self.per_day,
            "RUNWAY_MCP_CONFIRM": self.confirm_above,
        }
        return {name: f"{value:g}" for name, value in limits.items() if value is not None}


def draw(seed: int) -> Run:
    """The run of a seed."""
    rng = Random(f"real {seed}")  # noqa: S311  the same seed must give the same run
    trouble = rng.choices(list(_TROUBLES), [weight for weight, _ in _TROUBLES.values()])[0]
    faults, switches = _TROUBLES[trouble][1](rng)
    is_down = trouble != _CALM and rng.random() < 0.2
    requests = _requests(rng)
    limits = _limits(rng)
    shared: Way = rng.choice(("http", "sse"))
    ways: list[Way] = [rng.choice(("stdio", shared)) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
    alone = len(ways) == 1
    hosts = tuple(Host(way, rng.choice(ERAS), _acts(rng, requests, way, limits, alone=alone)) for way in ways)
    return Run(
        seed=seed,
        strike=f"{trouble}{', reads fail' if is_down else ''}, {limits[0]}, {' and '.join(sorted(set(ways)))}",
        pace=rng.choice((0.3, 0.3, 1.0)),
        hosts=hosts,
        faults=(*faults, *(_down(rng) if is_down else ())),
        switches={"wrap_create": rng.random() < 0.5, "reply_in_list": rng.random() < 0.3, **switches},
        per_call=limits[1],
        per_day=limits[2],
        confirm_above=limits[3],
        skew=rng.choice((0.0, 0.0, 0.0, 90.0, HOUR, -HOUR, 25 * HOUR)),
        then=rng.choice(((), (130.0,), (130.0,), (3 * HOUR,), (25 * HOUR,), (40 * 24 * HOUR,))),
        deleted=rng.random() < 0.2,
    )


def _requests(rng: Random) -> tuple[Request, ...]:
    first = Request(
        clip=rng.randrange(2),
        prompt=rng.choice((f"the camera rises {rng.randrange(1000)}", f" \u00e9t\u00e9 {rng.randrange(1000)}", None)),
        seconds=rng.choice((None, None, 5, 10)),
        seed=rng.choice((None, None, None, 7)),
        explore=rng.random() < 0.1,
    )
    if rng.random() < 0.05:
        first = Request(first.clip, f"{FORBIDDEN} {rng.randrange(1000)}")
    if rng.random() < 0.5:
        return (first,)
    changes: dict[str, Any] = rng.choice(
        (
            {"seed": 8},
            {"clip": 1 - first.clip},
            {"prompt": f"the sea {rng.randrange(1000)}"},
            {"seconds": 5 if first.seconds == 10 else 10},
            {"explore": not first.explore},
        )
    )
    return first, replace(first, **changes)


_Limits = tuple[str, int | None, int | None, float | None]


def _limits(rng: Random) -> _Limits:
    """Caps for a call and a day, and from which cost on a spend is to be confirmed."""
    return rng.choices(
        (
            ("no limit", None, None, None),
            ("a cap per call", 60, None, None),
            ("a cap per day", None, rng.choice((60, 110)), None),
            ("quotes", None, None, rng.choice((0.0, 0.0, 60.0))),
        ),
        (6, 1, 1, 2),
    )[0]


def _acts(rng: Random, requests: tuple[Request, ...], way: Way, limits: _Limits, *, alone: bool) -> tuple[Act, ...]:
    """A small conversation: mostly about one request, which is repeated; one who is `alone` may stay away for long."""
    favourite = rng.choice(requests)
    acts: list[Act] = []
    if rng.random() < 0.3:
        acts.append(Act("list", favourite))
    if rng.random() < 0.2 or (limits[3] is not None and rng.random() < 0.8):
        acts += [Act("dry", request) for request in requests]
    for number in range(rng.choice((1, 2, 2, 3))):
        may_kill = alone or way == "stdio"
        acts.append(_extension(rng, requests, favourite, limits, may_kill=may_kill, first=not number))
        if rng.random() < 0.25:
            acts.append(Act("get", favourite, wait=rng.choice((0, 2))))
        if alone and rng.random() < 0.4:
            acts.append(Act("away", favourite, away=rng.choice((60.0, 130.0, 130.0, HOUR, 25 * HOUR))))
    return tuple(acts)


def _extension(
    rng: Random, requests: tuple[Request, ...], favourite: Request, limits: _Limits, *, may_kill: bool, first: bool
) -> Act:
    request = favourite if rng.random() < 0.75 else rng.choice(requests)
    leaves: list[Leave] = ["silently", "saying so", "dropping", *(["killing"] if may_kill else [])]  # pyright: ignore[reportAssignmentType]
    gives_up = rng.choice((None, None, rng.uniform(0.02, 0.4)))
    return Act(
        verb="extend",
        request=request,
        pause=rng.choice((0.0, rng.uniform(0, 0.3))),
        wait=rng.choice((0, 1, 2)),
        spelling=rng.choice(("asset", "asset", "task", "uri")),
        loose=rng.random() < 0.25,
        aside=rng.choice(((), (), (), (("replyRef", "mine"),), (("maxJobs", 4),))),
        copies=() if first else rng.choice(((), (), ("seed",), ("replyRef",), ("seed", "replyRef"))),
        confirm=limits[3] is not None and rng.random() < 0.7,
        quote_of=rng.choice(requests) if rng.random() < 0.3 else None,
        gives_up=gives_up,
        leaves=rng.choice(leaves),
    )


_Trouble = tuple[tuple[dict[str, Any], ...], dict[str, Any]]


def _post(**rule: Any) -> dict[str, Any]:
    return {"method": "POST", "path_prefix": "/gen3", **rule}


def _none(_: Random) -> _Trouble:
    return (), {}


def _lost(rng: Random) -> _Trouble:
    kind = rng.choice(("reset", "reset_after", "cut"))
    return (_post(kind=kind, after_bytes=rng.randrange(200)),), {}


def _unclear(rng: Random) -> _Trouble:
    status = rng.choice((500, 502, 503, 504, 520, 408, 425))
    return (_post(kind="status", status=status, handled=rng.random() < 0.7),), {}


def _late(rng: Random) -> _Trouble:
    return (_post(kind=rng.choice(("delay", "delay_after")), seconds=rng.uniform(0.2, 1.5)),), {}


def _denied(rng: Random) -> _Trouble:
    """Accepted, and refused all the same."""
    status = rng.choice((400, 404, 409, 412))
    body = {"error": "Task was not accepted.", "code": status}
    return (_post(kind="status", status=status, body=body, handled=True),), _late_lists(rng, (0.0, 0.0, 1.0))


def _refused(rng: Random) -> _Trouble:
    status = rng.choice((400, 404, 409, 412, 596))
    return (_post(kind="status", status=status, body={"error": "No.", "code": status}),), {}


def _busy(rng: Random) -> _Trouble:
    """A 429: one that names our own task, one that names nobody although it accepted, and an honest one."""
    patience = rng.choice((0.3, 1.0))
    return (
        rng.choice(
            (
                _post(kind="busy_after", retry_after=patience),
                _post(kind="status", status=429, handled=True, retry_after=patience),
                _post(kind="status", status=429, retry_after=patience),
            )
        ),
    ), {}


def _foreign(rng: Random) -> _Trouble:
    return (_post(kind="foreign", handled=rng.random() < 0.8),), {}


def _late_films(rng: Random) -> _Trouble:
    return (), {"late_films": rng.choice((0.5, 1.5))}


def _late_told(rng: Random) -> _Trouble:
    """The answer is lost, and what looking reads comes late."""
    faults, _ = _lost(rng)
    return faults, _late_lists(rng, (0.5, 1.5))


def _late_lists(rng: Random, seconds: tuple[float, ...]) -> dict[str, Any]:
    return {"late_in_lists": rng.choice(seconds), "late_in_scheduler": rng.choice(seconds)}


def _down(rng: Random) -> tuple[dict[str, Any], ...]:
    """What looking reads cannot be read at first."""
    kind, times = rng.choice(("reset", "status")), rng.choice((1, 3, 6))
    paths = rng.choice((("/scheduler",), ("/tasks",), ("/scheduler", "/tasks")))
    return tuple({"method": "GET", "path_prefix": path, "kind": kind, "times": times} for path in paths)


_CALM = "no trouble"
_TROUBLES: dict[str, tuple[int, Any]] = {
    _CALM: (5, _none),
    "lost": (4, _lost),
    "unclear": (2, _unclear),
    "late": (2, _late),
    "refused after acceptance": (3, _denied),
    "refused": (1, _refused),
    "busy": (3, _busy),
    "another task": (2, _foreign),
    "late films": (2, _late_films),
    "late lists": (2, _late_told),
}
"""The troubles, how often each is drawn, and what it is for the stand-in."""
