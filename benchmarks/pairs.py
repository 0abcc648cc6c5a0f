"""Ours and the bare server in turns: ratios of what each has used, judged and written into the performance page."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


@dataclass(frozen=True)
class Row:
    """One measure, in turns: what was measured, in which unit, and what each run of each side gave.

    `most` is how much of the bare server's ours may be at most; None where nothing was promised.
    """

    what: str
    unit: str
    ours: Sequence[float]
    bare: Sequence[float]
    most: float | None = None

    @property
    def ratio(self) -> float:
        """Ours over the bare server's, by the medians."""
        return median(self.ours) / median(self.bare)

    @property
    def best(self) -> float:
        """Ours over the bare server's, by the lowest, which other work of the machine disturbs least."""
        return min(self.ours) / min(self.bare)

    @property
    def holds(self) -> bool:
        """Whether the promise holds, by the lower of both ratios: other work of the machine only adds to them."""
        return self.most is None or min(self.ratio, self.best) <= self.most


@dataclass(frozen=True)
class Bound:
    """One measure that is judged by itself: at most so much of a unit; None where nothing was promised."""

    what: str
    unit: str
    value: float
    most: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the promise holds."""
        return self.most is None or self.value <= self.most


def table(rows: Sequence[Row], bounds: Sequence[Bound] = ()) -> Iterator[str]:
    """The measures in Markdown."""
    yield "| measured | ours | bare | ratio of medians | of lowest | must hold | |"
    yield "|---|---:|---:|---:|---:|---:|---|"
    for row in rows:
        most = "" if row.most is None else f"{row.most:.2f}"
        told = "" if row.most is None else _word(row.holds)
        sides = f"{median(row.ours):.2f} {row.unit} | {median(row.bare):.2f} {row.unit}"
        yield f"| {row.what} | {sides} | {row.ratio:.2f} | {row.best:.2f} | {most} | {told} |"
    for bound in bounds:
        most = "" if bound.most is None else f"{bound.most:.0f} {bound.unit}"
        told = "" if bound.most is None else _word(bound.holds)
        yield f"| {bound.what} | {bound.value:.0f} {bound.unit} | | | | {most} | {told} |"


def _word(holds: bool) -> str:  # noqa: FBT001  one word for one fact
    return "yes" if holds else "NO"


def section(name: str, command: str, lines: Iterator[str], *, moment: str = "") -> str:
    """The section of the page that a benchmark writes; `moment` tells when, and what else the machine did."""
    begin, end = marks(name)
    written_by = f"Written by `uv run python -m benchmarks.{command}`{moment and f' {moment}'}."
    return "\n".join([begin, "", written_by, "", *lines, "", end])


def moment(loads: Sequence[float]) -> str:
    """The day, and between which the machine's load average was; its load counts programs that run or could."""
    day = datetime.now(UTC).date()
    return f"on {day}, at a load of {min(loads):.1f} to {max(loads):.1f} on {os.cpu_count()} processors"


def marks(name: str) -> tuple[str, str]:
    """What the section stands between."""
    return f"<!-- {name}: written by the benchmark -->", f"<!-- {name}: end -->"


def written(page: str, name: str, text: str) -> str:
    """The page with the section replaced."""
    begin, end = map(re.escape, marks(name))
    return re.sub(f"{begin}.*{end}", lambda _: text, page, flags=re.DOTALL)
