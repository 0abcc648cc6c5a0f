"""Draws `docs/demo.svg`, and takes `docs/strip.png`, from one run of the demo as the README gives it.

    uv run python -m scripts.demo_picture

The demo runs in a terminal of its own, in an empty folder, so that no path of this machine is seen. Not on Windows.
"""

import io
import os
import pty
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).parent.parent / "docs"
COLUMNS = 124
STRIP_SIZE = (1176, 1176)
COMMAND = "uv run useapi-runway-mcp demo"
_CODES = re.compile(r"(\r?\n|\r|\x1b\[\d*A|\x1b\[2K|\x1b\[\?\d+[hl])")
# Fonts of another origin, which no page that shows the picture loads.
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main() -> int:
    """Runs the demo, replaces both pictures, and returns the demo's exit code; after a failure nothing is replaced."""
    with tempfile.TemporaryDirectory() as folder:
        code, told = _run(Path(folder))
        if code == 0:
            (DOCS / "demo.svg").write_text(drawn(left_standing(told)), encoding="utf-8")
            with Image.open(Path(folder, "runway-demo", "strip.png")) as strip:
                strip.thumbnail(STRIP_SIZE)
                strip.save(DOCS / "strip.png", optimize=True)
    return code


def left_standing(output: str) -> list[str]:
    """The lines that stand in a terminal after this output, with their colours: what was drawn over is gone."""
    lines, row = [""], 0
    for piece in filter(None, _CODES.split(output)):
        if piece.endswith("\n"):
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif piece.endswith("A"):
            row = max(0, row - int(piece[2:-1] or 1))
        elif piece == "\x1b[2K":
            lines[row] = ""
        elif not _CODES.fullmatch(piece):
            lines[row] += piece
    return lines


def drawn(lines: list[str]) -> str:
    """The lines beneath the command, as an SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(Text.assemble(("$ ", "bold green"), (COMMAND, "bold")))
    console.print(Text("\n").join(Text.from_ansi(line) for line in lines))
    picture = _FONTS.sub("", console.export_svg(title=COMMAND, unique_id="demo"))
    return re.sub(r"[ \t]+$", "", picture, flags=re.MULTILINE)


def _run(folder: Path) -> tuple[int, str]:
    """The demo's exit code and all of its output, with the codes that a terminal gets."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ |= {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": "60"}
        os.execv(sys.executable, [sys.executable, "-m", "runway_mcp", "demo"])  # noqa: S606  our own program
    told = bytearray()
    while content := _read(terminal):
        told += content
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), told.decode()


def _read(terminal: int) -> bytes:
    """What comes next, or nothing once the other side is closed, which Linux tells as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


if __name__ == "__main__":
    sys.exit(main())
