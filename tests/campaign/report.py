"""What a campaign came to, as a table for people: plain, or in Markdown for the documentation."""

from dataclasses import dataclass

from tests.campaign.kills import KillTally
from tests.campaign.facts import NOUGHT
from tests.campaign.many import Tally

_OF_THESE = "of these"
_MEANING = {
    "doubled": "tasks that were accepted although an earlier one of the same request was not done",
    "repeated": "POSTs that left before the last one of the same request was surely refused or its end told",
    "lost": "accepted tasks that no intent owns although upstream shows them",
    "wrong": "intents or calls with a task that their request did not make",
    "unsettled": "intents without an end although upstream shows their task",
    "lies": "errors whose `charged` or `retry_safe` is untrue, and ends that are not the task's",
    "harmful": "requests posted again after moderation had refused them",
    "broken": "rooms and calls that crashed, runs that did not end",
}


@dataclass(frozen=True)
class Report:
    """A campaign that is over: `command` repeats it, `seconds` is how long it took."""

    command: str
    tally: Tally
    kills: KillTally
    seconds: float

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return self.tally.is_clean and not self.kills.failed

    def rows(self) -> list[tuple[str, str]]:
        """Names and figures, in the order in which they are read."""
        total, kills = self.tally.total, self.kills
        counted = [(name, getattr(total, name) + getattr(kills, name, 0)) for name in NOUGHT]
        return [
            ("runs", f"{self.tally.runs:,}"),
            ("kills of the real server", f"{kills.runs:,}"),
            ("faults met", f"{sum(count for name, count in total.faults.items() if _OF_THESE not in name):,}"),
            ("calls", f"{total.calls + kills.calls:,}"),
            ("POSTs sent", f"{total.posts + kills.posts:,}"),
            ("tasks accepted", f"{total.accepted + kills.accepted:,}"),
            ("credits charged", f"{total.credits:,}"),
            ("tasks found and owned", f"{total.found + kills.found:,}"),
            *((name, f"{count:,}") for name, count in counted),
            ("unclear, and upstream has nothing", f"{total.unclear:,}"),
            ("of these, never sent or surely refused, which was not written in time", f"{total.groundless:,}"),
            ("the longest that a call overstayed its wait", f"{total.late:.1f} s"),
            ("wall time", f"{self.seconds:.0f} s"),
        ]

    def plain(self) -> str:
        """The report for a terminal."""
        rows = self.rows()
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {figure:>12}" for name, figure in rows]
        lines += ["", f"  {'submits':>9}  {'reads':>9}  faults by kind"]
        lines += [f"  {posts:>9,}  {reads:>9,}  {name}" for name, posts, reads in self._faults()]
        kills = sorted(self.kills.strikes.items())
        lines += ["", "kills by kind", *(f"  {count:>9,}  {name}" for name, count in kills)]
        return "\n".join([*lines, "", *self._failures(), f"repeat with: {self.command}"])

    def markdown(self) -> str:
        """The report for the documentation."""
        lines = [f"`{self.command}`", "", "| what | count |", "|---|---:|"]
        for name, figure in self.rows():
            meaning = f" ({_MEANING[name]})" if name in _MEANING else ""
            lines.append(f"| {name}{meaning} | {figure} |")
        lines += ["", "| fault | on submits | on reads |", "|---|---:|---:|"]
        lines += [f"| {name} | {posts:,} | {reads:,} |" for name, posts, reads in self._faults()]
        lines += ["", "| kill | times |", "|---|---:|"]
        lines += [f"| {name} | {count:,} |" for name, count in sorted(self.kills.strikes.items())]
        return "\n".join([*lines, *self._failures()])

    def _faults(self) -> list[tuple[str, int, int]]:
        """Each kind of fault, with how often submits and reads met it."""
        met = self.tally.total.faults
        kinds = sorted({name.partition(": ")[2] for name, count in met.items() if count}, key=_place)
        return [(kind, met[f"POST: {kind}"], met[f"read: {kind}"]) for kind in kinds]

    def _failures(self) -> list[str]:
        lines = [f"run {seed} FAILED: {finding}" for seed, found in self.tally.failed for finding in found[:3]]
        lines += [f"kill {seed} FAILED: {finding}" for seed, found in self.kills.failed for finding in found[:3]]
        for failed, option in ((self.tally.failed, "--only"), (self.kills.failed, "--only-kill")):
            lines += [f"replay with: python -m tests.campaign {option} {seed}" for seed, _ in failed[:1]]
        return lines


def _place(kind: str) -> tuple[bool, bool, str]:
    """Troubles of the connection first, then HTTP errors, then which of them were made up."""
    return kind.startswith(_OF_THESE), kind.startswith("HTTP"), kind
