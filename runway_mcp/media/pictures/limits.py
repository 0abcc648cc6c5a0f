"""Limits: what a film may cost at most, so that a hostile one ends in an error."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The most that one film may cost; beyond any of these it is `NotDecodedHere`."""

    bytes: int = 512_000_000
    """Bytes fetched at once from a film elsewhere."""
    whole_bytes: int = 128_000_000
    """Bytes of a film whose host serves it only whole, since it is held in memory then."""
    pixels: int = 4096 * 2304
    """Pixels of a frame: cinema's 4K."""
    samples: int = 200_000
    """Frames in the index of the film: two hours at 24 a second."""
    packet: int = 16_000_000
    """Bytes of one frame as it is stored, since no decoder can be stopped within one: ample for ProRes in 4K."""
    held: int = 2**40
    """Bytes that a decoder may ask for before it gives a frame, since it holds them all."""
    seconds: float = 60.0
    """Seconds of decoding."""


LIMITS = Limits()
