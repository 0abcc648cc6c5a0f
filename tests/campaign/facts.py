"""What a run is judged by, as plain data: what upstream did, what hosts asked and were told, what the ledger holds.

All times are seconds of the run, which is upstream's time. Nothing here or in the judge imports the program, so that
no definition of the program's can hide a fault of it.
"""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Row = dict[str, Any]
"""A row of the ledger's table `intents`."""

End = Literal["open", "answered", "gave up", "lost", "crashed"]
"""How a call ended for its host; `lost` is with its connection or its process."""

NOUGHT = ("doubled", "repeated", "lost", "wrong", "unsettled", "lies", "harmful", "overspent", "broken")
"""The counts that fail a campaign."""


def part(content: dict[str, Any] | None, name: str) -> dict[str, Any]:
    """An object within a result, such as its error; empty if there is none."""
    return (content or {}).get(name) or {}


@dataclass(frozen=True)
class Source:
    """A film that can be extended: its asset's id, the type of the task that made it."""

    asset_id: str
    model: str


@dataclass
class Made:
    """A task of upstream's: when it was accepted, what it cost, how it ends, and what of it can be seen.

    `films` are the assets that it makes, `films_at` from when on upstream names them; `post` is the number of the POST
    of ours that made it, None for one that others began. `shown` tells whether upstream still knows it, `named` whether
    upstream tells its reference: in its lists, or in the scheduler from its beginning on.
    """

    task_id: str
    accepted: float
    cost: int
    outcome: str
    status: str
    ends: float
    films: tuple[str, ...] = ()
    films_at: float = 0.0
    post: int | None = None
    shown: bool = True
    named: bool = True


@dataclass
class Post:
    """One POST: what it sent, when it left which process, and what became of it.

    `departed` is None if it never left; `refused` tells that a refusal reached the process, `moderated` that this was
    one for the prompt's sake. `made` is what upstream accepted.
    """

    number: int
    process: str
    path: str
    body: dict[str, Any]
    departed: float | None = None
    made: Made | None = None
    refused: bool = False
    moderated: bool = False


@dataclass
class Asked:
    """One tool call: what its host asked, for which film as the world knows it, and what came back.

    `wait` is what it named (None: nothing), `limit` the server's own; `agreed` is when the person behind the host said
    yes, `asking` whether that person could be asked at all. `content` is the structured content, `patient` tells that
    the host follows tasks of the protocol to their end. `last` marks the calls of the healthy end.
    """

    number: int
    host: str
    process: str
    tool: str
    arguments: dict[str, Any]
    source: str | None
    limit: float
    began: float
    ended: float | None = None
    end: End = "open"
    content: dict[str, Any] | None = None
    is_error: bool = False
    agreed: list[float] = field(default_factory=list[float])
    asking: bool = False
    patient: bool = False
    trouble: str = ""
    last: bool = False

    @property
    def wait(self) -> float | None:
        """The wait that the call named, in seconds."""
        return self.arguments.get("wait_seconds")

    @property
    def dry(self) -> bool:
        """Whether the call asked for a price alone."""
        return bool(self.arguments.get("dry_run"))

    @property
    def spends(self) -> bool:
        """Whether the call may submit."""
        return self.tool == "extend_video" and not self.dry


@dataclass(frozen=True)
class SpendPolicy:
    """What the settings allow: caps in credits, and above how many credits a spend must be confirmed."""

    per_call: int | None = None
    per_day: int | None = None
    confirm_above: float | None = None


@dataclass
class Facts:
    """A run that is over.

    `rows` are the ledger's at the end, `early_rows` those before the last calls; `tasks` are what `runway://tasks`
    listed. `calm` tells that all wall clocks agreed throughout, `prompt` that no process was held up and the ledger
    never locked, so that calls can keep to their waits. `crashes` are processes that died of themselves. `blind` are
    the times in which no request got through, until `healed`; `epoch` is the ledger's time at the run's beginning.
    """

    sources: dict[str, Source]
    made: list[Made]
    posts: list[Post]
    asked: list[Asked]
    rows: list[Row]
    early_rows: list[Row]
    tasks: list[str]
    policy: SpendPolicy = SpendPolicy()
    calm: bool = True
    prompt: bool = True
    crashes: list[str] = field(default_factory=list[str])
    locked: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    healed: float = 0.0
    blind: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    epoch: float = 0.0


@dataclass
class Verdict:
    """What a run came to. Those of `NOUGHT` must be nought; `findings` has a sentence for each of them.

    `unclear` counts intents that ended unknown and of which upstream has nothing; `late` is by how many seconds the
    slowest call overstayed its wait.
    """

    doubled: int = 0
    repeated: int = 0
    lost: int = 0
    wrong: int = 0
    unsettled: int = 0
    lies: int = 0
    harmful: int = 0
    overspent: int = 0
    broken: int = 0
    unclear: int = 0
    calls: int = 0
    posts: int = 0
    accepted: int = 0
    credits: int = 0
    found: int = 0
    late: float = 0.0
    faults: Counter[str] = field(default_factory=Counter[str])
    kinds: Counter[str] = field(default_factory=Counter[str])
    findings: list[str] = field(default_factory=list[str])

    def find(self, kind: str, sentence: str) -> None:
        """Notes a finding."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.findings.append(f"{kind}: {sentence}")

    def add(self, other: "Verdict") -> None:
        """Adds another run's counts; its findings stay its own."""
        for each in fields(Verdict):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(theirs, Counter):
                mine.update(theirs)
            elif each.name == "late":
                self.late = max(mine, theirs)
            elif each.name != "findings":
                setattr(self, each.name, mine + theirs)
