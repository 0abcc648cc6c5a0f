"""What happens in one run, as plain data, so that a failing run can be read, and made smaller by hand."""

from dataclasses import dataclass, field
from typing import Any, Literal

Trigger = Literal["time", "steps", "departure", "acceptance", "answer", "commit"]
Fate = Literal["close", "crash", "stall", "lock", "stall at the lock", "jump"]
ByHand = Literal["other seed", "other prompt", "other parent", "other length", "older", "stranger's ref", "look-alike"]
Naming = Literal["asset", "task", "asset uri", "task uri"]
Confirming = Literal["none", "quote", "stale", "other", "used", "invented", "next step"]
Person = Literal["none", "yes", "no", "slow", "silent"]
Leaving = Literal["cancel", "drop"]

CLIPS = 3


@dataclass(frozen=True)
class Request:
    """A wish for a film; `clip` counts the world's clips."""

    clip: int
    prompt: str | None
    seconds: int | None
    seed: int | None
    explore: bool


@dataclass(frozen=True)
class Spelling:
    """How a host spells a request this time: nothing in here makes it another one.

    `copied` names what is copied from an earlier result of the same request: `seed`, `replyRef`.
    """

    naming: Naming = "asset"
    blanks: bool = False
    decomposed: bool = False
    default_seconds: bool = False
    copied: tuple[str, ...] = ()
    reply_ref: str | None = None
    max_jobs: int | None = None
    explicit_explore: bool = False


@dataclass(frozen=True)
class Act:
    """One move of a host: after `pause` seconds, `copies` identical calls at once, on servers counted from `server`.

    `wait` is what the call names, None if it names nothing. The host gives up `give_up` seconds after the call began,
    or after so many steps of the event loop, by cancelling or by hanging up. `dry` asks for the price; `follow` makes,
    after the answer, so many of the calls that its `next_step` names.
    """

    pause: float
    request: Request
    server: int = 0
    wait: int | None = None
    copies: int = 1
    spelling: Spelling = Spelling()
    confirming: Confirming = "none"
    give_up: float | None = None
    give_up_steps: int | None = None
    leaving: Leaving = "cancel"
    dry: bool = False
    follow: int = 0


@dataclass(frozen=True)
class HostPlan:
    """A host: the era of its protocol, whether it follows tasks of the protocol, the person behind it, its moves."""

    acts: tuple[Act, ...]
    mode: Literal["legacy", "auto"] = "auto"
    takes_tasks: bool = False
    person: Person = "none"


@dataclass(frozen=True)
class Incident:
    """What befalls a server process from `at` on, and for how many `seconds`.

    It is closed, dies, stands still, or its wall clock jumps by `jump` seconds (and back after `seconds`). It strikes
    at that time, so many `steps` later, when the next POST departs, is accepted or is answered, or right after the
    process has written to the ledger for the `steps`-th time. `lock` is another program that holds the ledger's file;
    with `stall at the lock` that program strikes, and the process stands still as soon as it has met the lock.
    """

    at: float
    fate: Fate
    server: int
    seconds: float
    trigger: Trigger = "time"
    steps: int = 0
    jump: float = 0.0


@dataclass(frozen=True)
class Hand:
    """A task that somebody else starts, alike to a request but for one thing; at a time, or as our POST departs."""

    at: float
    request: Request
    differs: ByHand
    on_departure: bool = False


@dataclass(frozen=True)
class Outage:
    """A time in which a part of all requests meets trouble."""

    begin: float
    end: float
    odds: float


@dataclass(frozen=True)
class Scenario:
    """One run; `rules` are fields of the stand-in's faults, `scripts` those of its tasks' fates.

    `posts` and `reads` are the odds that a request meets trouble on its way. `skew` is how far upstream's clock is
    ahead, `ahead` how far each server's is, in seconds. `policy` are the settings for spending. `deleted` are the clips
    that somebody deletes, and when; `last_pause` is how long after the troubles the last calls come.
    """

    seed: int
    account: dict[str, Any]
    turbo: tuple[bool, ...]
    two_accounts: bool
    pace: float
    skew: float
    switches: dict[str, Any]
    scripts: tuple[dict[str, Any], ...]
    rules: tuple[dict[str, Any], ...]
    posts: float
    reads: float
    outages: tuple[Outage, ...]
    ahead: tuple[float, ...]
    policy: dict[str, Any]
    hosts: tuple[HostPlan, ...]
    incidents: tuple[Incident, ...] = ()
    hands: tuple[Hand, ...] = ()
    deleted: tuple[tuple[int, float], ...] = ()
    crowd: int = 0
    last_pause: float = 0.0
    theme: str = "any"
    requests: tuple[Request, ...] = field(default=())

    @property
    def servers(self) -> int:
        """How many server processes there are."""
        return len(self.ahead)
