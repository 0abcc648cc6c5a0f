"""The arguments of the tools: the types that their models share, and the only reader of a call's arguments.

Lenient where hosts are known to differ, strict in everything else; a value that a host fills in by itself never causes
a spend.
"""

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from runway_mcp.runway.models import STORABLE, TextPrompt
from runway_mcp.server.contract import next_steps
from runway_mcp.server.contract.outputs import NextStep
from runway_mcp.server.contract.schemas import Schema, wire_schema
from runway_mcp.server.contract.uris import bare_id

MOST_WAIT = 600
"""The longest `wait_seconds` in the schema; the settings cap it further."""

LONGEST_REFERENCE = 2048
"""The longest name, id or link that names a clip, in characters."""

LONGEST_PROMPT = 10_000
"""The longest prompt, in characters; what a model takes at most, as far as it is known, is less."""

_SECONDS = (5, 8, 10)
_DRY_RUN = "dry_run"
_GLIMPSE = 40
_NAMED = 5
# How many unknown arguments are kept, how many of their names are compared with ours, and up to which length.
_MOST_UNKNOWN, _MOST_COMPARED, _LONGEST_COMPARED = 1000, 50, 64
_DIGITS = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_IDS = ("assetId", "taskId")
_ACCEPTED = {
    "replyUrl": "an absolute http or https URL of at most 1024 characters",
    "seconds": "5 or 10 (8 with gen4.5; a Turbo clip always gains 8)",
}
_SIMILARITY = 0.5
_NUMBERS = ("integer", "number")
# Texts that stand for a prompt shown before; submitted literally they would buy an unwanted film.
_PLACEHOLDERS = frozenset({"(as before)", "as before"})

_Model = TypeVar("_Model", bound="Arguments")


def _reference(value: str) -> str:
    """What names a clip or a task; of a resource URI, its id alone."""
    return bare_id(value) or value.strip()


def _prompt(value: str) -> str:
    if len(value) > LONGEST_PROMPT:
        raise ValueError(f"text_prompt must be text of at most {LONGEST_PROMPT} characters, not {_shown(value)}.")
    if value.strip().casefold() in _PLACEHOLDERS:
        raise ValueError(f"text_prompt {_shown(value)} stands for a prompt and is none: write the whole prompt out.")
    return value


def _addable(value: int) -> int:
    if value not in _SECONDS:
        raise ValueError(f"seconds must be {_ACCEPTED['seconds']}, not {value}.")
    return value


def _cut(value: object) -> object:
    """A wait above `MOST_WAIT` as `MOST_WAIT`."""
    return MOST_WAIT if isinstance(value, int) and value > MOST_WAIT else value


Wait = Annotated[int, Field(ge=0, le=MOST_WAIT), BeforeValidator(_cut)]
"""Seconds to wait, 0 to `MOST_WAIT`; more count as `MOST_WAIT`."""

Prompt = Annotated[TextPrompt, AfterValidator(_prompt)]
"""A prompt as upstream takes it; a placeholder is refused."""

Addable = Annotated[int, Field(ge=5, le=10), AfterValidator(_addable)]
"""Seconds to add: 5, 8 or 10."""

Reference = Annotated[str, AfterValidator(_reference), STORABLE, Field(min_length=1, max_length=LONGEST_REFERENCE)]
"""An id, a name, a link or a resource URI that names a clip or a task."""


class Arguments(BaseModel):
    """The arguments of one tool, by their wire names alone; unknown ones are refused."""

    # An idle server uses none of these models, so each is made complete when it is first used.
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", strict=True)


class InvalidArguments(Exception):  # noqa: N818  named for the fact, as every refusal here
    """Refused arguments: `message` can be shown to the host, `step` is the call to make instead.

    The message names each argument, what was wrong with it and what is accepted; it holds no library's text, and at
    most the beginning of a value.
    """

    def __init__(self, message: str, step: NextStep | None) -> None:
        super().__init__(message)
        self.message = message
        self.step = step


def read_arguments(model: type[_Model], tool: str, given: Mapping[str, Any]) -> _Model:
    """The validated arguments of a call; raises `InvalidArguments`."""
    properties = wire_schema(model)["properties"]
    plain = plain_arguments(model, given)
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        problems = error.errors(include_url=False)
    message = " ".join(
        [
            *_unknown(tool, plain, properties),
            *(_sentence(problem, properties) for problem in problems if _is_known(problem)),
        ]
    )
    raise InvalidArguments(message, _step(model, tool, plain, properties, problems))


def plain_arguments(model: type[Arguments], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments in one spelling, without those that a host only filled in; nothing is checked.

    Digit strings and integral floats become integers, decimal strings numbers, "true" and "false" booleans. A null, a
    blank or a zero that it cannot be counts as left out if the argument is optional. A `dry_run` that is no boolean is
    true, so that a filler never spends. Of unknown arguments the first thousand are kept, since a body can name 70,000.
    """
    schema = wire_schema(model)
    properties, required = schema["properties"], schema.get("required", ())
    plain: dict[str, Any] = {}
    unknown = set(islice((name for name in given if name not in properties), _MOST_UNKNOWN))
    for name, value in given.items():
        if name not in properties and name not in unknown:
            continue
        kind = properties.get(name)
        read = _lenient(value, kind.get("type") if kind else None)
        if name == _DRY_RUN and kind is not None:
            plain[name] = read if isinstance(read, bool) else True
        elif kind is None or name in required or not _is_filler(read, kind):
            plain[name] = read
    return plain


def _is_filler(value: Any, schema: Schema) -> bool:
    """Whether a host that fills in optional arguments left this one out: null, a blank, a zero that it cannot be."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    is_zero = isinstance(value, int | float) and not isinstance(value, bool) and value == 0
    return is_zero and (schema.get("type") not in _NUMBERS or schema.get("minimum", 0) > 0)


def _lenient(value: Any, wanted: str | None) -> Any:
    """A value as its property wants it, where its spelling has one meaning only."""
    if wanted == "integer" and isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        return int(value)
    if wanted == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if wanted == "number" and isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        return float(value)
    if wanted == "boolean" and isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return value


def _unknown(tool: str, plain: Mapping[str, Any], properties: Schema) -> list[str]:
    unknown = [name for name in plain if name not in properties]
    if not unknown:
        return []
    meant = _meant(plain, properties)
    names = [f"{_shown(name)}{f' (did you mean {meant[name]}?)' if name in meant else ''}" for name in unknown]
    more = "many" if len(names) == _MOST_UNKNOWN else str(len(names) - _NAMED)
    rest = [f"{more} more"] if len(names) > _NAMED else []
    return [f"{tool} takes no argument {', '.join(names[:_NAMED] + rest)}. It accepts: {', '.join(properties)}."]


def _meant(plain: Mapping[str, Any], properties: Schema) -> dict[str, str]:
    """For each unknown name, the most similar accepted name that was not given."""
    import difflib  # noqa: PLC0415  only where a name fits nothing

    free = [name for name in properties if name not in plain]
    unknown = (name for name in plain if name not in properties and len(name) <= _LONGEST_COMPARED)
    compared = islice(unknown, _MOST_COMPARED)
    found = {name: difflib.get_close_matches(name, free, 1, _SIMILARITY) for name in compared}
    return {name: matches[0] for name, matches in found.items() if matches}


def _is_known(problem: ErrorDetails) -> bool:
    return problem["type"] != "extra_forbidden"


def _sentence(problem: ErrorDetails, properties: Schema) -> str:
    name = str(problem["loc"][0])
    if problem["type"] == "missing" or (problem["input"] is None and name in _IDS):
        return f"{name} is missing. {properties[name]['description']}"
    if name in _IDS and isinstance(problem["input"], str) and not problem["input"].strip():
        return f"{name} is empty. {properties[name]['description']}"
    if problem["type"] == "string_unicode":
        return f"{name} must be text without NUL and lone surrogates."
    if problem["type"] == "value_error":
        return str(problem.get("ctx", {}).get("error"))
    return f"{name} must be {_expected(name, properties[name])}, not {_shown(problem['input'])}."


def _expected(name: str, schema: Schema) -> str:  # noqa: PLR0911  one return for each type
    """What a property accepts, in words."""
    if name in _ACCEPTED:
        return _ACCEPTED[name]
    match schema:
        case {"enum": values}:
            return " or ".join(str(value) for value in values)
        case {"type": "integer"}:
            return f"a whole number from {schema['minimum']} to {schema['maximum']}"
        case {"type": "number"}:
            return f"a number, {schema['minimum']:g} or more"
        case {"type": "boolean"}:
            return "true or false"
        case {"maxLength": longest}:
            return f"text of at most {longest} characters"
        case _:
            return "text"


def _shown(value: Any) -> str:
    """The beginning of a value; a long text by its length."""
    if isinstance(value, str) and len(value) > _GLIMPSE:
        return f"a text of {len(value)} characters"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _GLIMPSE else f"{text[:_GLIMPSE]}…"


def _step(
    model: type[Arguments], tool: str, plain: Mapping[str, Any], properties: Schema, problems: list[ErrorDetails]
) -> NextStep:
    """The call with its arguments corrected as far as that is certain; one that can be a dry run becomes one."""
    wrong = {str(problem["loc"][0]) for problem in problems}
    right = {name: value for name, value in plain.items() if name not in wrong}
    renamed = right | {better: plain[name] for name, better in _meant(plain, properties).items()}
    for arguments in (renamed, right):
        try:
            model.model_validate(plain_arguments(model, arguments))
        except ValidationError:
            continue
        dry = {_DRY_RUN: True} if _DRY_RUN in properties else {}
        reason = (
            "Checks and prices the call without what was wrong, free." if dry else "The call without what was wrong."
        )
        return NextStep(tool=tool, arguments=arguments | dry, reason=reason)
    return next_steps.list_clips()
