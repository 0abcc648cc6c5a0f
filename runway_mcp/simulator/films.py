"""The films that assets point to: what a film consists of, and who makes its bytes. Needs no codec.

A film is described by a recipe, so that its bytes can be made late, once, and the same on every machine.
"""

import hashlib
from dataclasses import dataclass
from typing import Protocol

FRAME_RATE = 24
WIDTH, HEIGHT = 1280, 768


@dataclass(frozen=True, slots=True)
class Film:
    """A recipe: a scene of `seconds`, made longer once per entry of `added`; `tail` keeps the last addition alone."""

    scene: int = 0
    seconds: float = 10
    added: tuple[int, ...] = ()
    tail: bool = False
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def duration(self) -> float:
        """How many seconds it plays."""
        return self.added[-1] if self.tail and self.added else self.seconds + sum(self.added)

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return round(self.duration * FRAME_RATE)


class Films(Protocol):
    """Makes the bytes of films; `size` must tell, before any is made, how many bytes `render` will return.

    Films that are not `instant` are made in worker threads.
    """

    @property
    def instant(self) -> bool:
        """Tell whether making a film takes no time."""
        ...

    def size(self, film: Film) -> int:
        """Return how many bytes the film's file has."""
        ...

    def render(self, film: Film) -> bytes:
        """Return the film as an MP4 file."""
        ...

    def preview(self, film: Film) -> bytes:
        """Return one picture of the film as a JPEG file."""
        ...


class BlankFilms:
    """Films that are no films: a few bytes that differ from recipe to recipe, for tests that look at none."""

    instant = True

    def size(self, film: Film) -> int:  # noqa: ARG002 - every blank has the same size
        """Return how many bytes a blank has."""
        return 1024

    def render(self, film: Film) -> bytes:
        """Return an MP4 header, the recipe's digest and filler."""
        head = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + _digest(film)
        return head + b"\x00" * (self.size(film) - len(head))

    def preview(self, film: Film) -> bytes:
        """Return the shell of a JPEG file around the recipe's digest."""
        return b"\xff\xd8\xff\xfe\x00\x22" + _digest(film) + b"\xff\xd9"


def _digest(film: Film) -> bytes:
    return hashlib.sha256(repr(film).encode()).digest()
