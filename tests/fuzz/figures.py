"""What a run found, for people and for `docs/reliability.md`."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

MOST_GROWTH = 32
"""How many MiB a server may grow between the first fifth of a run and its end."""

_LONGEST_EXAMPLE = 1_000


@dataclass
class Figures:
    """The figures of one process under bad requests; `faults` counts what must not be."""

    transport: str
    requests: int = 0
    answered: int = 0
    silent: int = 0
    valid: int = 0
    slowest: float = 0.0
    seconds: float = 0.0
    memory_before: float = 0.0
    memory_after: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    examples: dict[str, str] = field(default_factory=dict[str, str])

    def fault(self, what: str, example: object = "") -> None:
        """Notes what must not be, with an example of how it came about."""
        self.faults[what] += 1
        self.examples.setdefault(what, str(example)[:_LONGEST_EXAMPLE])

    def close(self, *, submits: int) -> None:
        """Judges the run as a whole."""
        if self.memory_after - self.memory_before > MOST_GROWTH:
            self.fault("memory grew", f"from {self.memory_before:.0f} to {self.memory_after:.0f} MiB")
        if submits:
            self.fault("submits reached upstream", submits)


def memory(pid: int) -> float:
    """The resident memory of a process in MiB; 0 where the system does not tell."""
    try:
        told = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in told.splitlines() if line.startswith("VmRSS")), 0.0)


def told(figures: Figures) -> str:
    """One run in a few lines."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(figures.kinds.items()))
    grown = f"{figures.memory_before:.0f} → {figures.memory_after:.0f} MiB"
    summary = (
        f"{figures.transport}: {figures.requests} bad requests in {figures.seconds:.0f} s, "
        f"{figures.answered} answered, {figures.silent} rightly silent; {figures.valid} valid ones between them; "
        f"slowest answer {figures.slowest * 1000:.0f} ms; memory {grown}; {figures.faults.total()} faults"
    )
    faults = [f"  FAULT, {count} times: {what}\n    {figures.examples[what]}" for what, count in figures.faults.items()]
    return "\n".join([summary, f"  {kinds}", *faults])


def markdown(runs: list[Figures], *, requests: int, seed: int) -> str:
    """The table of all runs."""
    rows = [
        "| server | bad requests | answered | rightly silent | valid between them | slowest answer | memory | faults |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {each.transport} | {each.requests:,} | {each.answered:,} | {each.silent:,} | {each.valid:,} "
            f"| {each.slowest * 1000:.0f} ms | {each.memory_before:.0f} → {each.memory_after:.0f} MiB "
            f"| {each.faults.total()} |"
            for each in runs
        ),
    ]
    return "\n".join([*rows, "", f"`python -m tests.fuzz --requests {requests} --seed {seed}`"])
