"""Maker of JSON Schemas from the models of arguments and results, without what hosts are known to fail on.

Left out: titles, `$schema`, null arms, top-level combinators, references, and `additionalProperties`, since the server
itself refuses unknown arguments. Descriptions of fields are kept; docstrings of models are left out.
"""

from functools import cache
from typing import Any, cast

from pydantic import BaseModel

Schema = dict[str, Any]
"""A JSON Schema, or a part of one."""

_NULL = {"type": "null"}
_NOISE = (("default", None), ("additionalProperties", True), ("additionalProperties", False))
_VALUES = frozenset({"default", "enum", "const", "examples"})
_REFERENCE = "#/$defs/"


@cache
def wire_schema(model: type[BaseModel]) -> Schema:
    """The schema of what `model` reads, by its wire names, with every referenced model written out in place.

    The result is shared: callers must not change it.
    """
    schema = model.model_json_schema(by_alias=True, mode="validation")
    definitions = cast("dict[str, Schema]", schema.pop("$defs", {}))
    return _without(_cleaned(schema, definitions), "description")


def _cleaned(node: Any, definitions: dict[str, Schema]) -> Any:
    if isinstance(node, list):
        return [_cleaned(item, definitions) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    schema = _resolved(_without_null(cast("Schema", node)), definitions)
    return {
        key: _part(key, value, definitions)
        for key, value in schema.items()
        if key != "title" and (key, value) not in _NOISE
    }


def _part(key: str, value: Any, definitions: dict[str, Schema]) -> Any:
    """One keyword's value; under `properties` stand names, not keywords, and what stands under `enum` is no schema."""
    if key == "properties":
        return {name: _cleaned(schema, definitions) for name, schema in cast("Schema", value).items()}
    return value if key in _VALUES else _cleaned(value, definitions)


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    # Nested objects require nothing, so that they stay open.
    definition = _without(definitions[str(reference).removeprefix(_REFERENCE)], "description", "required")
    return definition | _without(schema, "$ref")


def _without_null(schema: Schema) -> Schema:
    """`X | None` as `X`, since an absent argument and a null one mean the same."""
    arms = [arm for arm in cast("list[Schema]", schema.get("anyOf", [])) if arm != _NULL]
    if len(arms) != 1:
        return schema
    return arms[0] | _without(schema, "anyOf")


def _without(schema: Schema, *keys: str) -> Schema:
    return {key: value for key, value in schema.items() if key not in keys}
