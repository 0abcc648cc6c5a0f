"""Draws the run of a seed: wishes, calls, kills, and what upstream does to each step."""

from random import Random
from typing import Any, get_args

from tests.campaign.continuing.scenario import Ask, Kill, Scenario, Where, Wish

CLIPS = 2

_SECONDS = {"gen4.5": (5, 8, 10), "gen4": (5, 10), "gen4-turbo": (5, 10)}
# Lateness of lists and uploads around the minute and the ten minutes that are waited for, in seconds.
_LATE = (0.0, 0.0, 0.0, 3.0, 40.0, 59.0, 70.0, 300.0)
_UPLOADS = {"method": "POST", "path_prefix": "/assets"}
_LISTS = {"method": "GET", "path_prefix": "/assets"}
_TASKS = {"method": "GET", "path_prefix": "/tasks"}
_SCHEDULER = {"method": "GET", "path_prefix": "/scheduler"}
_LOST = (
    {"kind": "reset_after"},
    {"kind": "status", "status": 502, "handled": True},
    {"kind": "cut", "after_bytes": 20},
    {"kind": "delay_after", "seconds": 90.0},
)
_UNHANDLED = ({"kind": "reset"}, {"kind": "status", "status": 503}, {"kind": "delay", "seconds": 70.0})
_REFUSED = (
    {"kind": "status", "status": 429},
    {"kind": "status", "status": 400},
    {"kind": "status", "status": 596},
    {"kind": "status", "status": 400, "handled": True},
)
_REFUSALS = (400, 429, 596)
_LINKS: tuple[dict[str, Any], ...] = (
    {"kind": "cut", "after_bytes": 300},
    {"kind": "status", "status": 503},
    {"kind": "dead"},
    {"kind": "wrong_type"},
    {"kind": "stall", "after_bytes": 200},
    {"kind": "wrong_length", "length": 700},
)


def draw(seed: int) -> Scenario:
    """The run of a seed."""
    rng = Random(f"continue {seed}")  # noqa: S311  the same seed must give the same run
    wishes = _wishes(rng, seed)
    servers = rng.choice((1, 1, 2))
    rules, switches = _rules(rng), _switches(rng)
    if any(rule["path_prefix"] == "/gen4" and rule.get("handled") and rule["status"] in _REFUSALS for rule in rules):
        # Whether a refusal is one is decided by two looks, by contract; what does not show until then is not found.
        switches |= {"late_in_lists": 0.0, "late_in_scheduler": 0.0, "start_frame_told": True}
    troubled = rng.choice((0.0, 0.0, 0.05, 0.2))
    return Scenario(
        seed=seed,
        wishes=wishes,
        asks=_asks(rng, len(wishes), servers),
        kills=_kills(rng, servers),
        servers=servers,
        pace=rng.choice((0.5, 5.0, 20.0, 90.0)),
        skew=rng.choice((0.0, 0.0, -45.0, 45.0, 3600.0)),
        switches=switches,
        rules=rules,
        link_rules=tuple(rng.choice(_LINKS) | {"times": rng.choice((1, 2))} for _ in range(rng.choice((0, 0, 1, 3)))),
        scripts=({"outcome": "fail"},) if rng.random() < 0.05 else (),
        posts=troubled,
        reads=rng.choice((0.0, troubled)),
        healed=rng.choice((60.0, 300.0, 900.0)),
        saves=rng.random() < 0.8,
    )


def _wishes(rng: Random, seed: int) -> tuple[Wish, ...]:
    wishes: list[Wish] = []
    for number in range(rng.choice((1, 1, 2, 3))):
        model = rng.choice(list(_SECONDS))
        onto = rng.randrange(number) if number and rng.random() < 0.5 else None
        given = rng.choice((None, None, 7))
        seconds = rng.choice(_SECONDS[model])
        wishes.append(Wish(rng.randrange(CLIPS), model, f"run {seed} wish {number}", seconds, given, onto))
    return tuple(wishes)


def _asks(rng: Random, wishes: int, servers: int) -> tuple[Ask, ...]:
    asks = [
        Ask(rng.choice((0.0, rng.uniform(0, 5), rng.uniform(0, 200))), wish, rng.randrange(servers), wait)
        for wish in range(wishes)
        for wait in rng.choices((0.0, 4.0, 45.0), k=rng.choice((1, 1, 2, 3)))
    ]
    return tuple(sorted(asks, key=lambda ask: ask.at))


def _kills(rng: Random, servers: int) -> tuple[Kill, ...]:
    places: tuple[Where, ...] = get_args(Where)
    kills: list[Kill] = []
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        where = rng.choice(places)
        after = {"time": rng.uniform(0, 20), "steps": rng.randrange(1, 1500)}.get(where, 0.0)
        away = rng.choice((0.0, 5.0, 30.0, 100.0, 400.0))
        kills.append(Kill(rng.randrange(servers), where, after, away))
    return tuple(kills)


def _switches(rng: Random) -> dict[str, Any]:
    return {
        "created_size": "tiny",
        "first_frame": rng.choice(("same", "similar")),
        "hidden_seeds": rng.random() < 0.4,
        "start_frame_told": rng.random() < 0.8,
        "late_uploads": rng.choice(_LATE),
        "late_in_lists": rng.choice(_LATE),
        "late_in_scheduler": rng.choice(_LATE),
        "late_films": rng.choice((0.0, 0.0, 5.0)),
        "wrap_create": rng.random() < 0.5,
        "known_uploads": rng.random() < 0.1,
        "gen4_5_type": rng.choice(("gen4.5", "gen4_5")),
    }


def _rules(rng: Random) -> tuple[dict[str, Any], ...]:
    rules: list[dict[str, Any]] = []
    if rng.random() < 0.4:
        rules.append(_UPLOADS | rng.choice((*_LOST, *_UNHANDLED, *_REFUSED)) | {"times": rng.choice((1, 1, 2))})
    if rng.random() < 0.4:
        create = {"method": "POST", "path_prefix": "/gen4"}
        rules.append(create | rng.choice((*_LOST, *_UNHANDLED, *_REFUSED)) | {"times": rng.choice((1, 1, 2))})
    spoilt = [reads for reads in (_LISTS, _TASKS, _SCHEDULER) if rng.random() < 0.2]
    rules += [reads | {"kind": "status", "status": 503, "times": rng.choice((1, 3, 20))} for reads in spoilt]
    return tuple(rules)
