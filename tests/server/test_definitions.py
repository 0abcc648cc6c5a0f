import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from mcp_types import ToolAnnotations

from runway_mcp.server.contract.listed import FILE, listed
from runway_mcp.server.prompts import PROMPTS
from runway_mcp.server.resources.handlers import templates
from runway_mcp.server.tools.definitions import INSTRUCTIONS, TOOLS, tools_table
from runway_mcp.server.tools.records import RECORDS
from runway_mcp.settings import Save, Settings
from tests.kit.definitions import LISTED_WHEREVER, LONGEST_DEFINITIONS, MAIN_JOB
from tests.kit.server import open_client
from tests.kit.upstream import virtual_world
from tests.server.pinned import FOLDER, REGENERATE, check_snapshot

HINTS = ToolAnnotations()

OTHERS = ("instructions", "prompts", "resource_templates")

# Words in capitals that are names, not shouting.
NAMES = {
    *("PENDING", "THROTTLED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "DRY_RUN"),
    *("USEAPI_EMAIL", "URL", "URI", "ISO", "UTC"),
}
SOURCES = {
    "assetId": "list_assets",
    "text_prompt": "Your words",
    "seconds": "5 (default) or 10",
    "query": "Words that all stand",
    "extendable_only": "can be extended",
    "links": "fresh links",
    "model": "auto (default)",
    "seed": "Any number",
    "exploreMode": "Unlimited plan",
    "replyUrl": "of yours",
    "replyRef": "of yours",
    "maxJobs": "account's own limit",
    "wait_seconds": "the server's",
    "confirm": "in a dry_run's quote",
    "dry_run": "without submitting",
    "taskId": "extend_video or list_assets",
    "mediaType": "Kind of asset",
    "offset": "next_offset",
    "limit": "Most assets",
    "email": "an error names them",
    "name": "you choose",
    "show": "strip",
    "at_seconds": "from the start",
}


def wire(name: str) -> dict[str, Any]:
    """A tool as `tools/list` sends it."""
    return TOOLS[name].model_dump(mode="json", by_alias=True, exclude_none=True)


def arguments() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every argument of every tool: the tool's name, its own, its schema."""
    for tool in TOOLS.values():
        for name, schema in tool.input_schema["properties"].items():
            yield tool.name, name, schema


def texts() -> Iterator[tuple[str, str]]:
    """Every text that describes something, with what it describes."""
    yield "instructions", INSTRUCTIONS
    for tool in TOOLS.values():
        yield tool.name, tool.description or ""
        for schema in (tool.input_schema, tool.output_schema or {}):
            yield from ((f"{tool.name}.{name}", text) for name, text in descriptions(schema))
    for prompt in PROMPTS.values():
        yield prompt.name, prompt.description or ""
        yield from ((f"{prompt.name}.{each.name}", each.description or "") for each in prompt.arguments or ())


def descriptions(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The descriptions in a schema, however deep."""
    for name, part in schema.get("properties", {}).items():
        if "description" in part:
            yield name, part["description"]
        yield from descriptions(part)


def values(node: object) -> Iterator[object]:
    """Every key and every value of a JSON document."""
    if isinstance(node, dict):
        for key, value in cast("dict[str, object]", node).items():
            yield key
            yield from values(value)
    elif isinstance(node, list):
        for value in cast("list[object]", node):
            yield from values(value)
    else:
        yield node


def told() -> dict[str, Any]:
    """All that hosts are told before their first call, from the definitions."""
    return {
        "instructions": INSTRUCTIONS,
        "tools": [wire(name) for name in TOOLS],
        "saving": [name for name in TOOLS if name not in LISTED_WHEREVER],
        "prompts": [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in PROMPTS.values()],
        "resource_templates": [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in templates()],
    }


def test_what_hosts_are_told_before_their_first_call_is_what_the_definitions_say() -> None:
    if os.environ.get(REGENERATE):
        FILE.write_text(f"{json.dumps(told(), indent=1)}\n", encoding="utf-8")

    assert json.loads(FILE.read_text(encoding="utf-8")) == told()


@pytest.mark.parametrize("save", ["own", "never"])
def test_each_tool_is_listed_under_the_settings_that_offer_it(save: Save) -> None:
    settings = Settings(data_dir=Path(), save=save)
    names = [tool["name"] for tool in listed().tools_where(saves=save == "own")]

    assert names == [record.name for record in RECORDS if record.offered(settings)]


@pytest.mark.parametrize("name", TOOLS)
def test_a_definition_is_what_its_snapshot_says(name: str) -> None:
    check_snapshot(name, wire(name))


async def test_prompts_templates_and_instructions_are_what_their_snapshots_say(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto", token=None) as client:
        prompts, templates = await client.mcp.list_prompts(), await client.mcp.list_resource_templates()
        check_snapshot("instructions", (client.mcp.instructions or "").splitlines())
        check_snapshot("prompts", [each.model_dump(by_alias=True, exclude_none=True) for each in prompts.prompts])
        listed = [each.model_dump(by_alias=True, exclude_none=True) for each in templates.resource_templates]
        check_snapshot("resource_templates", listed)


def test_there_is_a_snapshot_for_each_definition_and_for_nothing_else() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == {*TOOLS, *OTHERS}


def test_all_definitions_together_stay_within_their_size() -> None:
    listed = json.dumps([wire(name) for name in TOOLS], separators=(",", ":"), ensure_ascii=False)

    assert len(listed) < LONGEST_DEFINITIONS


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_has_a_title_and_says_all_four_hints(name: str) -> None:
    tool = TOOLS[name]
    hints = tool.annotations
    assert hints is not None
    reads = name not in ("extend_video", "save_film")

    assert re.fullmatch(r"[a-z]+_[a-z]+", name)
    assert tool.title
    assert (hints.read_only_hint, hints.destructive_hint) == (reads, False)
    assert (hints.idempotent_hint, hints.open_world_hint) == (True, True)


@pytest.mark.parametrize("name", TOOLS)
def test_the_first_sentence_says_what_is_done_to_what_and_what_comes_back(name: str) -> None:
    first = (TOOLS[name].description or "").partition(". ")[0]

    assert re.match(r"[A-Z][a-z]+s (a|an|one|the) ", first)
    assert "Runway" in first
    assert re.search(r" (returns|with|for each) ", first)
    assert name not in first
    assert len(first) < 200


@pytest.mark.parametrize("name", TOOLS)
def test_a_description_says_when_to_use_it_what_else_there_is_and_what_it_does_to_the_world(name: str) -> None:
    description = TOOLS[name].description or ""
    _, when, *others = description.split(". ")

    assert when.startswith("Use it ")
    assert 3 <= len(others) + 2 <= 6
    assert len(description) < 800
    assert [other for other in LISTED_WHEREVER if other != name and other in description]
    assert name not in MAIN_JOB or all(other in description for other in MAIN_JOB if other != name)
    assert any(each.startswith(("Free, and", "Spends credits")) for each in others)
    assert ("Free, and changes nothing" in description) is bool((TOOLS[name].annotations or HINTS).read_only_hint)


def test_no_tool_that_is_always_listed_names_one_that_is_not() -> None:
    for name in LISTED_WHEREVER:
        assert not [
            other for other in TOOLS if other not in LISTED_WHEREVER and other in (TOOLS[name].description or "")
        ]


def test_the_tool_that_spends_says_so() -> None:
    description = TOOLS["extend_video"].description or ""

    for fact in ("credits", "cannot be undone", "three extensions", "moderated", "minutes", "dry_run"):
        assert fact in description


@pytest.mark.parametrize(("tool", "name", "schema"), list(arguments()))
def test_every_argument_says_where_its_value_comes_from_and_its_range(
    tool: str, name: str, schema: dict[str, Any]
) -> None:
    description = schema["description"]

    assert SOURCES[name] in description
    assert description.endswith(".")
    for bound in ("minimum", "maximum"):
        assert str(schema.get(bound, "")) in description
    assert all(str(choice) in description for choice in schema.get("enum", ()) if isinstance(choice, int))
    assert "econds" in description or not name.endswith("seconds")
    assert (
        name in TOOLS[tool].input_schema.get("required", ())
        or "default" in schema
        or re.search(r"[Dd]efault|only if", description)
    )


@pytest.mark.parametrize("name", TOOLS)
def test_schemas_are_flat_and_know_neither_null_nor_enums_of_integers_nor_what_else_hosts_choke_on(name: str) -> None:
    tool = TOOLS[name]

    assert "additionalProperties" not in set(map(str, values(wire(name))))
    assert not [schema for _, _, schema in arguments() if schema["type"] == "integer" and "enum" in schema]
    assert not {"anyOf", "oneOf", "allOf", "$ref", "$defs"} & set(map(str, values(tool.input_schema)))
    assert all(schema["type"] not in ("object", "array") for _, _, schema in list(arguments()))
    assert not {None, "null"} & {each for each in values(wire(name)) if each is None or isinstance(each, str)}
    assert tool.output_schema is None or tool.output_schema["required"] == ["summary"]


@pytest.mark.parametrize(("about", "text"), list(texts()))
def test_no_text_shouts_orders_or_advertises(about: str, text: str) -> None:
    assert text.isascii(), about
    assert "!" not in text
    assert set(re.findall(r"\b[A-Z][A-Z_]{2,}\b", text)) <= NAMES
    assert not re.search(r"\b(must|always|important|powerful|easily|seamless|ignore)\b", text, re.IGNORECASE)
    assert "  " not in text


def test_the_instructions_fit_on_eight_lines_and_name_the_tools_of_the_main_job() -> None:
    assert len(INSTRUCTIONS.splitlines()) <= 8
    assert all(name in INSTRUCTIONS for name in (*MAIN_JOB, "save_film"))


def test_the_main_job_can_be_done_under_whichever_settings() -> None:
    assert set(MAIN_JOB) <= set(LISTED_WHEREVER)


def test_the_readmes_table_has_a_row_for_each_tool() -> None:
    head, rule, *rows = tools_table().splitlines()

    assert head.count("|") == rule.count("|") == 4
    assert [row.split("`")[1] for row in rows] == list(TOOLS)
    assert "`assetId`, `text_prompt?`" in rows[0]
