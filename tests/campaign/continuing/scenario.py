"""What happens in one run over continuing, as plain data, and what it came to."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Where = Literal[
    "before frame",
    "after frame",
    "before POST assets",
    "departure POST assets",
    "acceptance POST assets",
    "answer POST assets",
    "before upload",
    "after upload",
    "before POST create",
    "departure POST create",
    "acceptance POST create",
    "answer POST create",
    "before join",
    "after join",
    "time",
    "steps",
]
"""Where a process is killed: around the end of a step in the ledger, around a POST, or at any time or step of it."""

NOUGHT = ("doubled", "repeated", "lost", "partless", "uploads", "lies", "broken")
"""The counts that fail a campaign."""


@dataclass(frozen=True)
class Wish:
    """A wish for a longer film: of the clip of that number, or of the film of the wish `onto`; prompts differ."""

    clip: int
    model: str
    prompt: str
    seconds: int
    seed: int | None = None
    onto: int | None = None


@dataclass(frozen=True)
class Ask:
    """A call for a wish at that second, at a server, which waits so many seconds."""

    at: float
    wish: int
    server: int
    wait: float


@dataclass(frozen=True)
class Kill:
    """The end of one life of a server: where, after how many seconds or steps, and how long it is gone."""

    server: int
    where: Where
    after: float
    away: float


@dataclass(frozen=True)
class Scenario:
    """One run; `rules` are fields of the stand-in's faults, `link_rules` those of its signed links.

    `posts` and `reads` are the odds that a request meets trouble; upstream is well from `healed` on. `scripts` are the
    fates of tasks.
    """

    seed: int
    wishes: tuple[Wish, ...]
    asks: tuple[Ask, ...]
    kills: tuple[Kill, ...]
    servers: int
    pace: float
    skew: float
    switches: dict[str, Any]
    rules: tuple[dict[str, Any], ...]
    link_rules: tuple[dict[str, Any], ...]
    scripts: tuple[dict[str, Any], ...]
    posts: float
    reads: float
    healed: float
    saves: bool


@dataclass
class Verdict:
    """What a run came to; those of `NOUGHT` must be nought, and `findings` has a sentence for each of them.

    - `doubled`: second tasks that upstream accepted for a wish; `repeated`: creates that left although an earlier one
      of the same wish was not surely refused;
    - `lost`: tasks that upstream made and shows to be ours, and that the same call does not turn into a film;
    - `partless`: films without a frame of their parts, or with one too many, or whose parts are not on disk;
    - `uploads`: frames that were uploaded again although the first upload showed within a minute;
    - `lies`: failures told as free after a task was accepted, and films told as done that are not;
    - `broken`: calls and processes that crashed or never ended.

    `unclear` counts wishes that ended unknown where upstream shows nothing.
    """

    doubled: int = 0
    repeated: int = 0
    lost: int = 0
    partless: int = 0
    uploads: int = 0
    lies: int = 0
    broken: int = 0
    runs: int = 0
    calls: int = 0
    killed: int = 0
    posts: int = 0
    accepted: int = 0
    uploaded: int = 0
    again: int = 0
    films: int = 0
    parts: int = 0
    unclear: int = 0
    met: Counter[str] = field(default_factory=Counter[str])
    findings: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def find(self, seed: int, kind: str, sentence: str) -> None:
        """Notes a finding of the run of that seed."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.findings.append((seed, f"{kind}: {sentence}"))

    def add(self, other: "Verdict") -> None:
        """Adds what other runs came to."""
        for each in fields(Verdict):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(theirs, Counter):
                mine.update(theirs)
            else:
                setattr(self, each.name, mine + theirs)

    def plain(self) -> str:
        """The verdict for a terminal."""
        names = [each.name for each in fields(Verdict) if each.name not in ("met", "findings")]
        lines = [f"{name:<10} {getattr(self, name):>7,}" for name in names]
        lines += ["", *(f"{count:>9,}  {name}" for name, count in sorted(self.met.items()))]
        lines += [f"run {seed} FAILED: {sentence[:400]}" for seed, sentence in self.findings[:40]]
        return "\n".join(lines)
