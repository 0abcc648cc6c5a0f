import io

from runway_mcp.demo.screen import Change, Screen


class Terminal(io.StringIO):
    """A file that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


async def show(file: io.StringIO) -> str:
    screen = Screen(file)
    screen.title("demo", "a note")
    screen.done("[bold]a clip[/bold] of " + "many words " * 20)
    with screen.bar() as bar:
        await bar.notify(0.0, 100.0, "Task user:1-task:2: queued")
        await bar.notify(40.0, 100.0, "running [red]")
        await bar.notify(50.0, None, None)
    screen.changes([Change("duration", "10.0 s", "15.0 s", "+5.0 s")])
    screen.detail("task", "runway://tasks/" + "x" * 120)
    return file.getvalue()


async def test_a_pipe_gets_whole_plain_lines() -> None:
    shown = await show(io.StringIO())
    assert shown.isascii()
    assert {"\x1b", "\r"}.isdisjoint(shown)
    assert [line.rstrip() for line in shown.splitlines()] == [
        "demo  a note",
        (" 1  [bold]a clip[/bold] of " + "many words " * 20).rstrip(),
        "      0 %  queued",
        "     40 %  running [red]",
        "      0 %",
        "    100 %  done",
        "",
        "               before    after",
        "    duration   10.0 s   15.0 s   +5.0 s",
        "",
        "    task    runway://tasks/" + "x" * 120,
    ]


async def test_a_terminal_gets_a_bar_that_moves_in_place() -> None:
    shown = await show(Terminal())
    bar = shown[shown.index("\x1b[?25l") : shown.index("\x1b[?25h")]
    assert "\r" in bar
    assert "100%" in bar
    assert bar.count("\n") == 1
    assert "[bold]a clip[/bold]" in shown
