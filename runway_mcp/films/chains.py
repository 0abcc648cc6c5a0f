"""Chains of extensions: which clip is meant, what made it, and at which seconds its extensions begin."""

from dataclasses import dataclass
from typing import Final

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import RunwayError
from runway_mcp.runway.models import Asset, Task

MOST_READS: Final = 3
"""How many tasks of a chain are read: a film has three extensions at most."""

_ROUNDING = 0.05


@dataclass(frozen=True)
class Clip:
    """A clip as read last: its asset, and the task that made it, None if there is none or it could not be read."""

    asset: Asset
    maker: Task | None
    is_maker_gone: bool = False

    @property
    def length(self) -> float | None:
        """The length of the film in seconds, as upstream tells it of the asset, or else of the task."""
        told = self.asset.metadata.duration if self.asset.metadata else None
        return _length(self.maker) if told is None else told


@dataclass(frozen=True)
class Seams:
    """The seconds at which the extensions of a film begin, ascending; `whole` unless part of its chain is unknown."""

    seconds: tuple[float, ...] = ()
    whole: bool = True


async def seams_of(client: RunwayClient, clip: Clip, *, patience: float) -> Seams:
    """The seams of a clip, by the lengths of the films that it was extended from; at most `MOST_READS` tasks are read.

    Where a film before is gone, its length follows from the seconds that were asked for; of a clip whose maker could
    not be read nothing is known. Each read is repeated for
    `patience` seconds; raises nothing of upstream's.
    """
    if clip.maker is None and clip.asset.task_id is not None:
        return Seams(whole=False)
    task, end = clip.maker, clip.length
    seams: list[float] = []
    for _ in range(MOST_READS):
        before = task.options.extended_from_task_id if task else None
        if task is None or before is None:
            break
        try:
            parent = await client.task(before, patience=patience)
        except RunwayError:
            parent = None
        at = _length(parent)
        if at is None and end is not None and task.options.seconds is not None:
            at = end - task.options.seconds
        if at is None:
            return Seams(_within(seams, clip.length), whole=False)
        seams.append(at)
        if parent is None:
            return Seams(_within(seams, clip.length), whole=_is_first(task))
        task, end = parent, at
    return Seams(_within(seams, clip.length))


def _length(task: Task | None) -> float | None:
    metadata = task.artifacts[0].metadata if task and task.artifacts else None
    return metadata.duration if metadata else None


def _is_first(task: Task) -> bool:
    """Whether a task is the first extension of its chain, so that nothing before it is missed."""
    return task.options.extended_count == 1


def _within(seams: list[float], length: float | None) -> tuple[float, ...]:
    """The seams inside the film: an extension that is a film of its own has none."""
    return tuple(sorted(at for at in seams if at > _ROUNDING and (length is None or at < length - _ROUNDING)))
