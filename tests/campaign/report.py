"""What a campaign came to, as a table for people: plain, or in Markdown for the documentation."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.campaign.facts import NOUGHT
from tests.campaign.many import Tally

_OF_THESE = "of these"
_MEANING = {
    "doubled": "second tasks that were accepted for one request, whatever the time between",
    "repeated": "POSTs that left although an earlier one of the same request was not surely refused",
    "lost": "accepted tasks that upstream shows and that no intent owns or the same call does not find",
    "wrong": "intents or calls with a task that their request did not make",
    "unsettled": "intents without an end although upstream shows their task",
    "lies": "words on money, repeats, ends, films or next steps that upstream's facts contradict",
    "harmful": "requests posted again after moderation had refused them",
    "overspent": "POSTs over a cap, or without the confirmation that the settings ask for",
    "broken": "servers and calls that crashed, never ended or overstayed what they may take",
}
_REAL = {
    "kill": "kills of the real server",
    "stop": "stops of the real server",
    "real": "runs over real pipes and sockets",
}


@dataclass(frozen=True)
class Report:
    """A campaign that is over: `command` repeats it, `seconds` is how long it took.

    `real` are the tallies of real processes by the option that asked for them: counts by the names of `NOUGHT`, `runs`,
    `calls`, `posts`, `accepted`, `found`, `strikes` by kind, and `failed`.
    """

    command: str
    tally: Tally
    seconds: float
    real: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return self.tally.is_clean and not any(each.failed for each in self.real.values())

    def rows(self) -> list[tuple[str, str]]:
        """Names and figures, in the order in which they are read."""
        total = self.tally.total
        faults = sum(count for name, count in total.faults.items() if _OF_THESE not in name and _is_fault(name))
        return [
            ("runs through tool calls, on virtual time", f"{self.tally.runs:,}"),
            *((_REAL[name], f"{each.runs:,}") for name, each in self.real.items()),
            ("faults met", f"{faults:,}"),
            ("calls", f"{self._sum('calls'):,}"),
            ("POSTs sent", f"{self._sum('posts'):,}"),
            ("tasks accepted", f"{self._sum('accepted'):,}"),
            ("credits charged", f"{total.credits:,}"),
            ("tasks found and owned", f"{self._sum('found'):,}"),
            *((name, f"{self._sum(name):,}") for name in NOUGHT),
            ("unclear, and upstream has nothing", f"{total.unclear:,}"),
            ("the longest that a call overstayed its wait", f"{max(0.0, total.late):.1f} s"),
            ("wall time", f"{self.seconds:.0f} s"),
        ]

    def plain(self) -> str:
        """The report for a terminal."""
        rows = self.rows()
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {figure:>12}" for name, figure in rows]
        lines += ["", f"  {'submits':>9}  {'reads':>9}  faults by kind"]
        lines += [f"  {posts:>9,}  {reads:>9,}  {name}" for name, posts, reads in self._faults()]
        for title, counts in self._others():
            lines += ["", f"  {title}", *(f"  {count:>9,}  {name}" for name, count in counts)]
        return "\n".join([*lines, "", *self._failures(), f"repeat with: {self.command}"])

    def markdown(self) -> str:
        """The report for the documentation."""
        lines = [f"`{self.command}`", "", "| what | count |", "|---|---:|"]
        for name, figure in self.rows():
            meaning = f" ({_MEANING[name]})" if name in _MEANING else ""
            lines.append(f"| {name}{meaning} | {figure} |")
        lines += ["", "| fault | on submits | on reads |", "|---|---:|---:|"]
        lines += [f"| {name} | {posts:,} | {reads:,} |" for name, posts, reads in self._faults()]
        for title, counts in self._others():
            lines += ["", f"| {title} | times |", "|---|---:|"]
            lines += [f"| {name} | {count:,} |" for name, count in counts]
        return "\n".join([*lines, *self._failures()])

    def _sum(self, name: str) -> int:
        return getattr(self.tally.total, name) + sum(getattr(each, name, 0) for each in self.real.values())

    def _faults(self) -> list[tuple[str, int, int]]:
        """Each kind of fault, with how often submits and reads met it."""
        met = self.tally.total.faults
        kinds = sorted({name.partition(": ")[2] for name in met if _is_fault(name) and met[name]}, key=_place)
        return [(kind, met[f"POST: {kind}"], met[f"read: {kind}"]) for kind in kinds]

    def _others(self) -> Iterator[tuple[str, list[tuple[str, int]]]]:
        """What befell processes, what runs were drawn for, what calls were told, and what struck real processes."""
        met = self.tally.total.faults
        for title, mark in (("processes", "process: "), ("runs drawn for", "run: ")):
            counts = [(name.removeprefix(mark), count) for name, count in met.items() if name.startswith(mark)]
            yield title, sorted(counts)
        yield "answers to calls", self.tally.total.kinds.most_common()
        for name, each in self.real.items():
            yield _REAL[name], sorted(each.strikes.items())

    def _failures(self) -> list[str]:
        lines = [f"run {seed} FAILED: {finding}" for seed, found in self.tally.failed for finding in found[:3]]
        lines += [
            f"{name} {seed} FAILED: {finding}"
            for name, each in self.real.items()
            for seed, found in each.failed
            for finding in found[:3]
        ]
        lines += [f"replay with: python -m tests.campaign --only {seed}" for seed, _ in self.tally.failed[:1]]
        for name, each in self.real.items():
            lines += [f"replay with: python -m tests.campaign --only-{name} {seed}" for seed, _ in each.failed[:1]]
        return lines


def _is_fault(name: str) -> bool:
    return name.startswith(("POST: ", "read: "))


def _place(kind: str) -> tuple[bool, bool, str]:
    """Troubles of the connection first, then HTTP errors, then which of them were made up."""
    return kind.startswith(_OF_THESE), kind.startswith("HTTP"), kind
