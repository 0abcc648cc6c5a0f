"""Steps of a continuation: what each has made, as the ledger keeps it and as it is read back. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from runway_mcp.media.join.seams import Seam
from runway_mcp.tasks.catalogue import CREATE_MODELS
from runway_mcp.tasks.intents import JOIN, UPLOAD, Intent

FRAME: Final = "frame"
"""The step that has all earlier parts, and the frame from which the film goes on, on disk."""


@dataclass(frozen=True)
class FilmPart:
    """One original part of a film: its file in the working folder, its length in seconds, and where it came from.

    `model` is the task type or name of the model that made it, None for an upload.
    """

    file: str
    seconds: float
    asset_id: str | None = None
    model: str | None = None
    text_prompt: str | None = None


@dataclass(frozen=True)
class FrameMade:
    """The earlier parts in order, and the frame: its file, the digests of its bytes and pixels, its size in pixels."""

    parts: tuple[FilmPart, ...]
    file: str
    sha256: str
    digest: str
    width: int
    height: int

    @classmethod
    def of(cls, intent: Intent) -> Self | None:
        """What the step of an intent has made; None while it has not ended."""
        step = intent.step(FRAME)
        if step is None:
            return None
        told: dict[str, Any] = {**step.made, "parts": tuple(FilmPart(**part) for part in step.made["parts"])}
        return cls(**told)

    def made(self) -> Mapping[str, Any]:
        """As the ledger keeps it."""
        return {**asdict(self), "parts": [asdict(part) for part in self.parts]}


@dataclass(frozen=True)
class UploadMade:
    """The uploaded frame: its assetId, and the name of its file, by which upstream's tasks tell it."""

    asset_id: str
    file: str | None

    @classmethod
    def of(cls, intent: Intent) -> Self | None:
        """What the step of an intent has made; None while it has not ended."""
        step = intent.step(UPLOAD)
        return None if step is None else cls(step.made["asset_id"], step.made.get("file"))

    def made(self) -> Mapping[str, Any]:
        """As the ledger keeps it."""
        return asdict(self)


@dataclass(frozen=True)
class JoinMade:
    """The joined film: where it lies, its measures, how it was joined and why not otherwise, and its new part.

    `dropped` are the frames that were left out before each seam, since the next part shows the last of them again.
    `asset_id` is that of its upload, None if it was not uploaded.
    """

    path: str
    size_bytes: int
    seconds: float
    frames: int
    joined: str
    why: tuple[str, ...]
    seams: tuple[Seam, ...]
    part: FilmPart
    dropped: tuple[int, ...] = ()
    asset_id: str | None = None

    @classmethod
    def of(cls, intent: Intent) -> Self | None:
        """What the step of an intent has made; None while it has not ended."""
        step = intent.step(JOIN)
        if step is None:
            return None
        told: dict[str, Any] = {
            **step.made,
            "why": tuple(step.made["why"]),
            "seams": tuple(Seam(**seam) for seam in step.made["seams"]),
            "part": FilmPart(**step.made["part"]),
            "dropped": tuple(step.made["dropped"]),
        }
        return cls(**told)

    def made(self) -> Mapping[str, Any]:
        """As the ledger keeps it."""
        seams = [asdict(seam) for seam in self.seams]
        lists = {"why": list(self.why), "dropped": list(self.dropped)}
        return {**asdict(self), **lists, "seams": seams, "part": asdict(self.part)}


def is_continuation(intent: Intent) -> bool:
    """Whether an intent makes a film of several parts."""
    return intent.task_type in CREATE_MODELS


def parts_of(intent: Intent) -> tuple[FilmPart, ...]:
    """The original parts of a film as far as they are on disk, in order."""
    frame, join = FrameMade.of(intent), JoinMade.of(intent)
    return (*(frame.parts if frame else ()), *((join.part,) if join else ()))
