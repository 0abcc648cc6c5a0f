import json
import os
from pathlib import Path
from typing import Any

import pytest

from runway_mcp.server.definitions import INSTRUCTIONS, TOOLS, tools_table

SNAPSHOTS = Path(__file__).parent / "snapshots"
REGENERATE = "UPDATE_SNAPSHOTS"


def wire(name: str) -> dict[str, Any]:
    """A tool as `tools/list` sends it."""
    return TOOLS[name].model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.mark.parametrize("name", TOOLS)
def test_a_definition_is_what_its_snapshot_says(name: str) -> None:
    """A wanted change is written with `UPDATE_SNAPSHOTS=1 pytest tests/server/test_definitions.py`."""
    snapshot = SNAPSHOTS / f"{name}.json"
    now = json.dumps(wire(name), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get(REGENERATE):
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(now, encoding="utf-8")

    assert snapshot.is_file(), f"{snapshot.name} is missing: set {REGENERATE}=1 to write it"
    assert snapshot.read_text(encoding="utf-8") == now


def test_there_is_a_snapshot_for_each_tool_and_for_nothing_else() -> None:
    assert {file.stem for file in SNAPSHOTS.iterdir()} == set(TOOLS)


def test_all_definitions_together_stay_within_ten_thousand_characters() -> None:
    listed = json.dumps([wire(name) for name in TOOLS], separators=(",", ":"), ensure_ascii=False)

    assert len(listed) < 10_000


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_has_a_title_and_says_all_four_hints(name: str) -> None:
    tool = TOOLS[name]
    hints = tool.annotations
    assert hints is not None
    spends = name == "extend_video"

    assert tool.title
    assert (hints.read_only_hint, hints.destructive_hint) == (not spends, False)
    assert (hints.idempotent_hint, hints.open_world_hint) == (not spends, True)


@pytest.mark.parametrize("name", TOOLS)
def test_a_description_says_what_when_and_what_else_in_a_few_sentences(name: str) -> None:
    description = TOOLS[name].description or ""

    assert 3 <= description.count(". ") + 1 <= 7
    assert len(description) < 800
    assert all(other in description for other in TOOLS if other != name)


def test_the_tool_that_spends_says_so() -> None:
    description = TOOLS["extend_video"].description or ""

    for fact in ("credits", "cannot be cancelled", "three times", "moderated", "minutes", "dry_run"):
        assert fact in description


def test_the_instructions_fit_on_eight_lines_and_name_every_tool() -> None:
    assert len(INSTRUCTIONS.splitlines()) <= 8
    assert all(name in INSTRUCTIONS for name in TOOLS)


def test_the_readmes_table_has_a_row_for_each_tool() -> None:
    head, rule, *rows = tools_table().splitlines()

    assert head.count("|") == rule.count("|") == 4
    assert [row.split("`")[1] for row in rows] == list(TOOLS)
    assert "`assetId`, `text_prompt?`" in rows[0]
