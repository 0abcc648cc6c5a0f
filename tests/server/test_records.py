"""The records of the tools: each is consistent in itself, and nothing else knows a tool by its name."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import runway_mcp.server
from runway_mcp.server.contract.after_failures import after_failure
from runway_mcp.server.contract.next_steps import Asked, Behaviour
from runway_mcp.server.contract.schemas import wire_schema
from runway_mcp.server.tools.definitions import TOOLS
from runway_mcp.server.tools.record import ToolRecord
from runway_mcp.server.tools.records import RECORDS
from runway_mcp.tasks.failures import Failure

SERVER = Path(runway_mcp.server.__file__).parent
each_record = pytest.mark.parametrize("record", RECORDS, ids=[record.name for record in RECORDS])


def compared(tree: ast.AST) -> Iterator[object]:
    """Every literal that is compared with something, or that is a case of a match."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                yield from (part.value for part in ast.walk(side) if isinstance(part, ast.Constant))
        elif isinstance(node, ast.MatchValue) and isinstance(node.value, ast.Constant):
            yield node.value.value


def test_every_tool_has_one_record_of_its_own_name() -> None:
    assert [record.name for record in RECORDS] == list(TOOLS)


@pytest.mark.parametrize("file", sorted(SERVER.rglob("*.py")), ids=lambda file: file.relative_to(SERVER).as_posix())
def test_nothing_in_the_server_compares_with_the_name_of_a_tool(file: Path) -> None:
    assert not set(TOOLS) & set(map(str, compared(ast.parse(file.read_text(encoding="utf-8")))))


@each_record
def test_a_tool_that_spends_is_no_read_and_can_be_a_dry_run(record: ToolRecord[Any]) -> None:
    takes = wire_schema(record.arguments)["properties"]

    assert not (record.behaviour.spends and record.read_only)
    assert ("dry_run" in takes) is record.behaviour.spends


@each_record
def test_a_tool_waits_as_its_arguments_say(record: ToolRecord[Any]) -> None:
    wait = record.arguments.model_fields.get("wait_seconds")

    assert record.behaviour.waits == ("never" if wait is None else "on_request" if wait.default == 0 else "by_default")


def test_the_parts_that_results_share_are_written_out_by_one_tool() -> None:
    assert [record.name for record in RECORDS if record.in_full] == ["extend_video"]


@pytest.mark.parametrize("kind", ["not_found", "invalid_request", "unavailable"])
def test_a_tool_that_says_nothing_of_waits_and_searches_leads_to_the_clips_and_is_repeated_as_it_was(kind: str) -> None:
    asked = Asked("get_balance", {"email": "a@b.c"}, 45, Behaviour(spends=False))

    step = after_failure(Failure(kind, "."), asked)

    assert step is not None
    assert (step.tool, step.arguments) == (
        ("get_balance", asked.arguments) if kind == "unavailable" else ("list_assets", {})
    )
