"""The output of the demo: numbered steps, a live bar, a table at the end.

On a terminal the bar moves in place; elsewhere each step of progress is a line, without control codes. Text of
processes and of upstream is never read as markup; own words are ASCII, so that every console has them.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from runway_mcp.demo.failures import DemoError


@dataclass(frozen=True)
class Change:
    """A row of the table: what changed, from what to what, and a remark."""

    what: str
    before: str
    after: str
    remark: str


class _Output(Console):
    """A console whose output may end before the demo does, as in a pipe to `head`."""

    def on_broken_pipe(self) -> None:
        """Ends the demo with its own error in place of the whole program's exit."""
        try:
            super().on_broken_pipe()
        except SystemExit as error:
            raise DemoError("the output was closed") from error


class Screen:
    """The terminal, or the file in its place, and what the demo is doing."""

    def __init__(self, file: TextIO) -> None:
        self._live = file.isatty()
        # Said outright: a variable such as FORCE_COLOR would put control codes into a pipe.
        self._console = _Output(file=file, force_terminal=self._live, highlight=False, soft_wrap=True)
        self._number = 0
        self.doing = "starting"

    def title(self, text: str, note: str) -> None:
        """Prints the first line."""
        self._console.print(Text.assemble((text, "bold"), (f"  {note}", "dim")))

    def begin(self, doing: str) -> None:
        """Names what goes on from here, for the message about a timeout."""
        self.doing = doing

    def done(self, text: str) -> None:
        """Prints a step that is done, with its number."""
        self._number += 1
        self._console.print(Text.assemble((f"{self._number:>2}  ", "bold cyan"), text))

    def detail(self, name: str, text: str) -> None:
        """Prints a line beneath a step or the table; it is never broken, so that it can be copied whole."""
        self._console.print(Text.assemble((f"    {name:<8}", "dim"), text))

    @contextmanager
    def bar(self) -> Generator["Bar"]:
        """A bar for one long call; full if the body ends without an error."""
        columns = (
            TextColumn("   "),
            BarColumn(32),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        )
        with Progress(*columns, console=self._console, disable=not self._live) as progress:
            bar = Bar(self._console, progress)
            yield bar
            bar.full()

    def changes(self, rows: list[Change]) -> None:
        """Prints the table of what changed."""
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
        table.add_column("", no_wrap=True)
        table.add_column("before", justify="right", no_wrap=True)
        table.add_column("after", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        for row in rows:
            table.add_row(row.what, Text(row.before), Text(row.after, "bold green"), Text(row.remark, "dim"))
        self._console.print()
        self._console.print(Padding(table, (0, 0, 0, 4)), soft_wrap=False)
        self._console.print()


class Bar:
    """The progress of one call, moved by its notifications."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._task = progress.add_task("", total=1.0)

    async def notify(self, progress: float, total: float | None, message: str | None) -> None:
        """Takes one progress notification of MCP, as its client passes it on."""
        share = progress / total if total else 0.0
        text = message or ""
        if text.startswith("Task "):  # the first message names its task, which is too long beside a bar
            text = text.partition(": ")[2]
        self._progress.update(self._task, completed=share, description=text)
        if self._progress.disable:
            self._console.print(Text(f"    {share * 100:3.0f} %  {text}".rstrip()))

    def full(self) -> None:
        """Shows the end."""
        self._progress.update(self._task, completed=1.0, description="done")
        if self._progress.disable:
            self._console.print(Text("    100 %  done"))
