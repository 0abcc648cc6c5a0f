import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parent.parent
MOST_LINES: Final = 5
LONGEST_LINE: Final = 150


def told(page: str) -> Iterator[str]:
    """The files in a page's block that begins with `runway_mcp/`; a level is two blanks, and prose follows two."""
    block = re.search(r"^```\w*\n(runway_mcp/\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert block, "the page has no tree"
    folders: list[str] = []
    for line in block[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        for name in line.strip().partition("  ")[0].split():
            path = "".join([*folders[:depth], name])
            if name.endswith("/"):
                folders[depth:] = [name]
            else:
                yield path


def test_the_tree_of_the_architecture_page_is_the_tree_of_the_package() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    files = {str(file.relative_to(ROOT).as_posix()) for file in (ROOT / "runway_mcp").rglob("*.py")}
    rooms = {file for file in files if file.endswith("/__init__.py")} - {"runway_mcp/__init__.py"}

    assert sorted(told(page)) == sorted(files - rooms)


def over_long(page: str) -> dict[str, str]:
    """What is wrong with each decision of a page, by its first line; nothing for one that is as short as all should be.

    Those are one paragraph each of five lines of 150 characters at most, which begins with a date and a bold title.
    """
    _, heading, section = page.partition("\n## Decisions\n")
    assert heading, "the page has no decisions"
    found: dict[str, str] = {}
    for lines in (block.splitlines() for block in section.strip().split("\n\n") if not block.startswith("### ")):
        if not re.match(r"\*\*20\d\d-\d\d-\d\d: [^*]+\.\*\* [^ ]", lines[0]):
            found[lines[0]] = "begins with no date and bold title"
        elif len(lines) > MOST_LINES:
            found[lines[0]] = f"has {len(lines)} lines"
        elif max(map(len, lines)) > LONGEST_LINE:
            found[lines[0]] = f"has a line of {max(map(len, lines))} characters"
    return found


def test_each_decision_of_the_architecture_page_has_a_date_and_at_most_five_lines() -> None:
    assert over_long((ROOT / "docs/architecture.md").read_text(encoding="utf-8")) == {}


@pytest.mark.parametrize(
    ("decision", "fault"),
    [
        ("**2026-11-22: a title.** A reason.\n" + "More.\n" * 4, None),
        ("**2026-11-22: a title.** A reason.\n" + "More.\n" * 5, "has 6 lines"),
        ("**2026-11-22: a title.** A reason.\n\nA second paragraph.", "begins with no date and bold title"),
        ("**A title.** A reason.", "begins with no date and bold title"),
        ("**2026-11-22: a title.** " + 126 * "a", "has a line of 151 characters"),
    ],
)
def test_a_decision_that_is_too_long_or_has_no_date_is_found(decision: str, fault: str | None) -> None:
    page = f"# A page\n\n## Decisions\n\n### A subject\n\n{decision}\n"

    assert list(over_long(page).values()) == ([fault] if fault else [])


def imported(file: Path) -> Iterator[str]:
    """The modules of tests that a file imports, each name of a `from` import as if it were one."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}.{name.name}" for name in node.names)


def test_no_module_imports_from_a_test_module() -> None:
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    found = {str(file.relative_to(ROOT)): [*imported(file)] for file in files}

    assert not {file: names for file, names in found.items() if any(".test_" in f".{name}" for name in names)}
