from collections.abc import Iterator
from typing import Annotated, Any, Literal, cast

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from runway_mcp.runway.models import Extension
from runway_mcp.server.contract.schemas import Schema, wire_schema
from runway_mcp.server.tools.definitions import TOOLS


class Inner(BaseModel):
    """A docstring for readers of Python."""

    title: str
    number: int | None = None


class Outer(BaseModel):
    """Another one."""

    title: Annotated[str | None, Field(description="Told.")] = None
    inner: Annotated[Inner | None, Field(description="Within.")] = None
    many: list[Inner] | None = None
    either: Annotated[int | str, Field(alias="oneOrOther")] = 1
    properties: Literal["enum", "title"] = "enum"
    free: dict[str, Any] = Field(default_factory=dict)


def nodes(schema: Any) -> Iterator[Schema]:
    """Every schema inside a schema, itself included; names of properties are no schemas."""
    if isinstance(schema, list):
        for item in cast("list[Any]", schema):
            yield from nodes(item)
    if isinstance(schema, dict):
        node = cast("Schema", schema)
        yield node
        for keyword, part in node.items():
            for child in part.values() if keyword == "properties" else [part]:
                yield from nodes(child)


def test_a_schema_is_written_out_without_what_hosts_choke_on() -> None:
    inner = {"type": "object", "properties": {"title": {"type": "string"}, "number": {"type": "integer"}}}

    assert wire_schema(Outer) == {
        "type": "object",
        "properties": {
            "title": {"type": "string", "description": "Told."},
            "inner": inner | {"description": "Within."},
            "many": {"type": "array", "items": inner},
            "oneOrOther": {"anyOf": [{"type": "integer"}, {"type": "string"}], "default": 1},
            "properties": {"enum": ["enum", "title"], "type": "string", "default": "enum"},
            "free": {"type": "object"},
        },
    }


@pytest.mark.parametrize("name", TOOLS)
def test_every_schema_is_valid_flat_at_the_top_and_free_of_noise(name: str) -> None:
    tool = TOOLS[name]
    for schema in filter(None, (tool.input_schema, tool.output_schema)):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert not {"anyOf", "oneOf", "allOf", "$ref", "$schema"} & schema.keys()
        for node in nodes(schema):
            assert not {"title", "$defs", "$ref"} & node.keys()
            assert node.get("type") != "null"
            assert node.get("default", "") is not None


@pytest.mark.parametrize("name", TOOLS)
def test_inputs_are_flat_and_open_for_hosts_and_say_what_every_property_is(name: str) -> None:
    schema = TOOLS[name].input_schema

    assert "additionalProperties" not in schema
    for part in schema["properties"].values():
        assert part["type"] in ("string", "integer", "number", "boolean")
        assert len(part["description"]) > 10


@pytest.mark.parametrize("name", [name for name, tool in TOOLS.items() if tool.output_schema])
def test_outputs_are_open_and_require_nothing_but_a_summary(name: str) -> None:
    schema = TOOLS[name].output_schema or {}

    assert schema["required"] == ["summary"]
    for node in nodes(schema):
        assert "additionalProperties" not in node
        assert node is schema or "required" not in node
    assert schema["properties"].get("status", {"type": "string"})["type"] == "string"


def test_the_body_of_upstreams_request_is_taken_whole_under_its_names() -> None:
    taken = [name for name in TOOLS["extend_video"].input_schema["properties"] if name != "model"]

    assert taken[:8] == [
        "assetId",
        "text_prompt",
        "seconds",
        "seed",
        "exploreMode",
        "replyUrl",
        "replyRef",
        "maxJobs",
    ]


def test_whatever_an_extension_can_ask_for_can_be_asked_for_by_the_tool_under_the_same_name() -> None:
    fields = Extension.model_fields.items()
    told = {str(field.validation_alias or name) for name, field in fields if name != "endpoint"}

    assert told <= TOOLS["extend_video"].input_schema["properties"].keys()
