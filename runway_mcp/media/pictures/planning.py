"""Planning: which bytes of a film a picture needs, from its sample table. Pure; knows no decoder.

A sample table lists the frames in the order in which they decode, with the time of that, which is never later than the
time at which the frame is shown.
"""

from collections.abc import Sequence
from typing import Protocol


class Sample(Protocol):
    """A frame in the file: `timestamp` is when it decodes, in ticks."""

    @property
    def pos(self) -> int:
        """Its first byte."""
        ...

    @property
    def size(self) -> int:
        """Its length in bytes."""
        ...

    @property
    def timestamp(self) -> int:
        """When it decodes."""
        ...

    @property
    def is_keyframe(self) -> bool:
        """Whether it decodes without others."""
        ...


def samples_until(samples: Sequence[Sample], tick: int | None) -> int:
    """How many samples decode no later than `tick` (None: all), which are all that a frame shown then can need."""
    if tick is None:
        return len(samples)
    low, high = 0, len(samples)
    while low < high:
        middle = (low + high) // 2
        if samples[middle].timestamp <= tick:
            low = middle + 1
        else:
            high = middle
    return low


def group_before(samples: Sequence[Sample], end: int) -> int:
    """The number of the last keyframe before sample `end`; 0 without one."""
    return next((number for number in range(min(end, len(samples)) - 1, 0, -1) if samples[number].is_keyframe), 0)


def key_after(samples: Sequence[Sample], key: int) -> int:
    """The number of the next keyframe after sample `key`; that after the last sample without one."""
    return next((number for number in range(key + 1, len(samples)) if samples[number].is_keyframe), len(samples))


def bytes_of(samples: Sequence[Sample], first: int, end: int) -> tuple[int, int]:
    """The span of the file, from its first byte to the one after its last, that holds samples `first` to `end` - 1."""
    spans = [(sample.pos, sample.pos + sample.size) for sample in (samples[number] for number in range(first, end))]
    return min((start for start, _ in spans), default=0), max((stop for _, stop in spans), default=0)
