"""The table of clients, for a terminal and for docs/hosts.md."""

from collections.abc import Iterable, Iterator, Sequence

from tests.hosts.driving import STEPS, Row, Told

_HEAD = ("client", "version", "over", *STEPS, "notes")


def markdown(rows: Iterable[Row]) -> str:
    """The table as Markdown."""
    lines = [_HEAD, tuple("---" for _ in _HEAD), *_lines(rows)]
    return "\n".join(f"| {' | '.join(line)} |".replace("| --- ", "|---").replace("|--- |", "|---|") for line in lines)


def plain(rows: Iterable[Row]) -> str:
    """The table for a terminal."""
    lines: list[Sequence[str]] = [_HEAD, *_lines(rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD) - 1)]
    return "\n".join(
        "  ".join([*(word.ljust(width) for word, width in zip(line, widths, strict=False)), line[-1]]) for line in lines
    )


def _lines(rows: Iterable[Row]) -> Iterator[Sequence[str]]:
    """One line a client, or one a transport where they differ."""
    for row in rows:
        if not row.told:
            yield (row.client.title, row.client.version, "-", *("failed" for _ in STEPS), row.fault[:80])
            continue
        found: dict[tuple[str, ...], list[str]] = {}
        for transport, told in row.told.items():
            found.setdefault((*_words(row, transport, told), _notes(row, transport, told)), []).append(transport)
        for words, transports in found.items():
            yield (row.client.title, row.client.version, ", ".join(transports), *words)


def _words(row: Row, transport: str, told: dict[str, Told]) -> list[str]:
    """How each step went."""
    return [_word(row, transport, step, told[step]) for step in STEPS]


def _word(row: Row, transport: str, step: str, told: Told) -> str:
    if told.ok is None:
        return "-"
    if told.ok:
        return "ok"
    return "not ours" if row.client.excuse(transport, step) else "failed"


def _notes(row: Row, transport: str, told: dict[str, Told]) -> str:
    notes = [
        reason
        for step, each in told.items()
        if each.ok is False and (reason := row.client.excuse(transport, step)) is not None
    ]
    notes.extend(each.saw for each in told.values() if each.ok is None)
    if any(each.again and each.ok for each in told.values()):
        notes.append("it connected at the second attempt")
    if cut := max(each.cut for each in told.values()):
        notes.append(f"gave up {cut} {'call' if cut == 1 else 'calls'} of a film's; the same call went on")
    if raised := next((each.raised for each in told.values() if each.raised), None):
        notes.append(f"an error is raised as `{raised}`, with its text")
    return "; ".join(dict.fromkeys(notes))
