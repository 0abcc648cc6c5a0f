import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent


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
