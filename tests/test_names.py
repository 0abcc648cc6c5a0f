"""Names of the package: one public name is defined once."""

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "runway_mcp"


def test_no_public_class_or_function_is_defined_twice() -> None:
    definitions: defaultdict[str, list[str]] = defaultdict(list)
    for package in ("server", "tasks", "runway"):
        for file in (PACKAGE / package).rglob("*.py"):
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name[0] != "_":
                    definitions[node.name].append(file.relative_to(PACKAGE).as_posix())

    assert {name: files for name, files in definitions.items() if len(files) > 1} == {}
