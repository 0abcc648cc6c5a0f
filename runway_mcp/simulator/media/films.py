"""Films as recipes, and the protocol of what makes their files. Needs no codec.

A recipe lets a file be made late, once, and the same on every machine.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Literal, Protocol

FRAME_RATE = 24
"""Frames a second of a film whose form says nothing else."""
WIDTH, HEIGHT = 1280, 768

End = Literal["scene", "black", "white", "blur"]
"""How a film ends: as any other moment of it, faded, or blurred."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a film's file is made: what Runway's encoder does is unknown (U), so a test chooses.

    A keyframe stands at every `group` frames, or only at the start (0); an extension begins with one, but for 0. The
    index stands in front, at the end, or in fragments, one a group. `sound` is that of the sea. `rate` is in frames a
    second. An `other` encoder writes other sets of sequence and picture parameters, and B-frames. The last second may
    fade to black or white, or become blurred.
    """

    group: int = 48
    index: Literal["front", "end", "fragments"] = "front"
    colour: Literal["untagged", "bt709"] = "untagged"
    sound: bool = False
    rate: int = FRAME_RATE
    encoder: Literal["usual", "other"] = "usual"
    end: End = "scene"


@dataclass(frozen=True, slots=True)
class Start:
    """The picture that a film begins with: its file, what is done where its shape is not the film's, and how exactly.

    The first frame of a film that begins `later` is that of a moment after the picture: the same view, moved a little.
    """

    digest: str
    picture: bytes = field(repr=False, compare=False)
    fit: Literal["crop", "stretch"] = "crop"
    later: bool = False


@dataclass(frozen=True, slots=True)
class Film:
    """A recipe: a scene of `seconds`, made longer once per entry of `added`; `tail` keeps the last addition alone.

    With `start` it shows a view that moves into that picture, instead of its scene.
    """

    scene: int = 0
    seconds: float = 10
    added: tuple[int, ...] = ()
    tail: bool = False
    width: int = WIDTH
    height: int = HEIGHT
    form: Form = Form()
    start: Start | None = None

    @property
    def duration(self) -> float:
        """The playing time in seconds."""
        return self.added[-1] if self.tail and self.added else self.seconds + sum(self.added)

    @property
    def frames(self) -> int:
        """The number of frames."""
        return round(self.duration * self.form.rate)


def started_by(picture: bytes, *, fit: Literal["crop", "stretch"] = "crop", later: bool = False) -> Start:
    """The start that this picture's file makes."""
    return Start(hashlib.sha256(picture).hexdigest(), picture, fit, later)


class Films(Protocol):
    """Makes the files of films; `size` is exact before `render` has made any.

    Films that are not `instant` are made in worker threads.
    """

    @property
    def instant(self) -> bool:
        """Whether making a film takes no time."""
        ...

    def size(self, film: Film) -> int:
        """The size of the film's file in bytes."""
        ...

    def render(self, film: Film) -> bytes:
        """The film as an MP4 file."""
        ...

    def preview(self, film: Film) -> bytes:
        """One picture of the film as a JPEG file."""
        ...


class BlankFilms:
    """Placeholders that do not decode: a few bytes that differ from recipe to recipe, for tests that decode none."""

    instant = True

    def size(self, film: Film) -> int:  # noqa: ARG002  every blank has the same size
        """1024 bytes for every film."""
        return 1024

    def render(self, film: Film) -> bytes:
        """An MP4 header, the recipe's digest and filler."""
        head = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + _digest(film)
        return head + b"\x00" * (self.size(film) - len(head))

    def preview(self, film: Film) -> bytes:
        """The markers of a JPEG file around the recipe's digest."""
        return b"\xff\xd8\xff\xfe\x00\x22" + _digest(film) + b"\xff\xd9"


def _digest(film: Film) -> bytes:
    return hashlib.sha256(repr(film).encode()).digest()
