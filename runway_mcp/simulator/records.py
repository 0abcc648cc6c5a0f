"""The records of the world: accounts, assets and tasks as plain data, and the spelling of ids and file names."""

from dataclasses import dataclass, field
from typing import Any, Literal

from runway_mcp.simulator.media.films import HEIGHT, WIDTH, Film
from runway_mcp.simulator.timeline import Moment, Script, index_at

MediaType = Literal["video", "image", "audio"]
MetadataForm = Literal["A", "B", "null"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A model: its task type, the title of its films, its price per second, and by how many seconds it extends.

    `creates` are the lengths that its create endpoint takes, the default first; `from_text` says that this endpoint
    needs no image. `size` is that of its films made without a choice, in pixels.
    """

    task_type: str
    title: str
    credits_per_second: int
    extends_by: tuple[int, ...] = ()
    creates: tuple[int, ...] = ()
    from_text: bool = False
    size: tuple[int, int] = (WIDTH, HEIGHT)


_WIDE = (1280, 720)

KINDS = {
    kind.task_type: kind
    for kind in (
        Kind("gen3a", "Gen-3 Alpha", 10, (5, 10)),
        Kind("gen3a_turbo", "Gen-3 Alpha Turbo", 5, (8,)),
        Kind("gen4", "Gen-4", 12, creates=(5, 10), size=_WIDE),
        Kind("gen4_turbo", "Gen-4 Turbo", 5, creates=(5, 10), size=_WIDE),
        Kind("gen4.5", "Gen-4.5", 12, creates=(5, 8, 10), from_text=True, size=_WIDE),
    )
}
"""The models by task type. The prices of Gen-4 and Gen-4.5 in credits a second are those of Runway's own API."""

SIZES = {
    "published": {
        "16:9": (1280, 720),
        "9:16": (720, 1280),
        "1:1": (960, 960),
        "4:3": (1104, 832),
        "3:4": (832, 1104),
        "21:9": (1584, 672),
    },
    "other": {
        "16:9": (864, 496),
        "9:16": (496, 864),
        "1:1": (640, 640),
        "4:3": (752, 560),
        "3:4": (560, 752),
        "21:9": (992, 432),
    },
    "tiny": {
        "16:9": (64, 36),
        "9:16": (36, 64),
        "1:1": (64, 64),
        "4:3": (64, 48),
        "3:4": (48, 64),
        "21:9": (64, 28),
    },
}
"""The sizes in pixels of created films by aspect ratio: those of Runway's own API, those of Seedance 2 at 480p, which
differ in every ratio, and ones that are quick to make."""

MAX_EXTENSIONS = 3


@dataclass(slots=True)
class Account:
    """A linked account: `slots` of its tasks run at once; past `runway_limit` unfinished ones, Runway's 429 refuses."""

    email: str
    max_jobs: int = 5
    slots: int = 2
    permitted: int = 2250
    used: int = 0
    unlimited: bool = True
    storage_gb: int = 500
    runway_limit: int | None = None
    error: str | None = None
    password: str = "simulated-password"  # noqa: S105  the stand-in's own, opens nothing
    user_id: int = 17_000_001


@dataclass(slots=True, eq=False)
class Asset:
    """A video, picture or sound in an account; one that a task makes exists from the end of the task."""

    uuid: str
    email: str
    name: str
    created: float
    media_type: MediaType = "video"
    film: Film | None = None
    content: bytes | None = None
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    extension: str = "mp4"
    metadata: MetadataForm = "B"
    uploaded: bool = False
    task: "Task | None" = None
    deleted: bool = False
    previews: int = 1
    size: int = 0

    @property
    def exists_from(self) -> float:
        """The second of the clock from which the asset exists."""
        return self.task.ends if self.task else self.created


@dataclass(slots=True, eq=False)
class Task:
    """A generation: its request, its times in seconds of the clock, its films; `cost` is charged at acceptance."""

    uuid: str
    email: str
    kind: Kind
    name: str
    created: float
    script: Script
    options: dict[str, Any]
    cost: int = 0
    by_api: bool = False
    followed: bool = False
    hidden: bool = False
    reply_url: str | None = None
    reply_ref: str | None = None
    parent: Asset | None = None
    artifacts: list[Asset] = field(default_factory=list["Asset"])
    ready: float = 0.0
    starts: float = 0.0
    ends: float = 0.0
    moments: tuple[Moment, ...] = ()
    callbacks_sent: int = 0

    def moment(self, now: float) -> Moment:
        """What the task shows at this time."""
        return self.moments[index_at(self.moments, now)]

    def ended(self, now: float) -> bool:
        """Whether the task has ended by this time."""
        return now >= self.ends

    @property
    def extended_count(self) -> int:
        """How many extensions its film consists of."""
        return int(self.options.get("extended_count", 0))


def long_id(user_id: int, email: str, noun: Literal["task", "asset"], uuid: str) -> str:
    """The id as upstream spells it: user, account and uuid in one."""
    return f"user:{user_id}-runwayml:{email}-{noun}:{uuid}"


def file_name(kind: Kind, seed: int | None, prompt: str | None, extension: str = "mp4") -> str:
    """The name that Runway gives a film: model, seed (unless it is hidden) and the prompt's first 40 characters."""
    words = " ".join((prompt or "").split())[:40].replace("/", " ")
    model = kind.title if seed is None else f"{kind.title} {seed}"
    return f"{model}{', ' + words if words else ''}.{extension}"
