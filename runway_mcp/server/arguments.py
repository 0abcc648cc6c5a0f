"""What the tools take: the models behind the input schemas, and the one way to read a call's arguments.

Lenient where hosts are known to differ (digit strings, integral floats, "true", resource URIs for ids), strict in
everything else: a null is no way to leave an argument out, since a `dry_run` of null must not spend. A refusal names
the argument, what was wrong with it and what is accepted, and carries the next call; it shows neither a library's text
nor more than a glimpse of a value.
"""

import difflib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from runway_mcp.runway.errors import InvalidRequest
from runway_mcp.runway.ids import checked_id, kind_of
from runway_mcp.runway.models import AssetId, ExploreMode, MaxJobs, ReplyRef, ReplyUrl, Seconds, Seed, TextPrompt
from runway_mcp.server import next_steps
from runway_mcp.server.outputs import NextStep
from runway_mcp.server.schemas import Schema, wire_schema
from runway_mcp.server.uris import address_of

MOST_WAIT = 600
"""The longest `wait_seconds` that the schema admits; the settings cap it further."""

_GLIMPSE = 40
_NAMED = 5
_DIGITS = re.compile(r"[+-]?[0-9]{1,18}")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_IDS = ("assetId", "taskId")
_FORMS = {"replyUrl": "an absolute http or https URL of at most 1024 characters"}
_SIMILARITY = 0.5

_Model = TypeVar("_Model", bound="Arguments")


def _asset_id(value: str) -> str:
    asset_id, address = _id(value, "assetId")
    if address == "task" and kind_of(asset_id) != "task":
        raise ValueError("assetId is the URI of a task, but what follows runway://tasks/ is no taskId.")
    return asset_id


def _task_id(value: str) -> str:
    task_id, address = _id(value, "taskId")
    if address == "asset" or kind_of(task_id) == "asset":
        raise ValueError("taskId is the id of an asset; the taskId that made it stands beside it in list_assets.")
    return task_id


def _id(value: str, name: str) -> tuple[str, str | None]:
    """The id alone, and what the URI around it points at, if it is one."""
    address = address_of(value)
    try:
        return checked_id(address.id if address and address.id else value, name), address.kind if address else None
    except InvalidRequest as error:
        raise ValueError(error.message) from None


def _email(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError("email must be the e-mail address of a linked Runway account, such as me@example.com.")
    return value


Wait = Annotated[int, Field(ge=0, le=MOST_WAIT)]


class Arguments(BaseModel):
    """The arguments of one tool, by their wire names alone; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _given(cls, value: object) -> object:
        if value is None:
            raise PydanticCustomError("null", "null")
        return value


class ExtendVideo(Arguments):
    """The arguments of `extend_video`: the body of upstream's request, how long to wait, and whether to spend."""

    asset_id: Annotated[
        AssetId,
        AfterValidator(_asset_id),
        Field(
            alias="assetId",
            description=(
                "Video to extend: an assetId of list_assets, its runway://assets/ URI, or a finished task's taskId."
            ),
        ),
    ]
    text_prompt: Annotated[
        TextPrompt | None,
        Field(description="Your words for the shot that follows: what moves, the camera, the light. Default: none."),
    ] = None
    seconds: Annotated[
        Seconds | None, Field(description="Seconds to add: 5 (default) or 10. Leave out for Turbo clips, which gain 8.")
    ] = None
    seed: Annotated[
        Seed | None,
        Field(description="Any number you choose, 1 to 4294967294; default: a random one. Another seed, another film."),
    ] = None
    explore_mode: Annotated[
        ExploreMode | None,
        Field(
            alias="exploreMode",
            description="True: free of credits but slower; needs Runway's Unlimited plan. Default: false.",
        ),
    ] = None
    reply_url: Annotated[
        ReplyUrl | None,
        Field(
            alias="replyUrl",
            description=(
                "Absolute http(s) URL of yours, 1024 characters at most, that useapi.net calls as the task goes on. "
                "Default: the account's."
            ),
        ),
    ] = None
    reply_ref: Annotated[
        ReplyRef | None,
        Field(
            alias="replyRef",
            description="Reference of yours, 1024 characters at most, kept with the task. Default: one is made.",
        ),
    ] = None
    max_jobs: Annotated[
        MaxJobs | None,
        Field(
            alias="maxJobs",
            description="Refuse while this many tasks run on the account, 1 to 10. Default: the account's own limit.",
        ),
    ] = None
    wait_seconds: Annotated[
        Wait | None,
        Field(description="Seconds to wait for the film, 0 to 600. Default and cap: the server's setting, 45."),
    ] = None
    confirm: Annotated[
        str | None,
        Field(
            max_length=64,
            description="The id in a dry_run's quote, once the user agreed to it; needed where the server asks for it.",
        ),
    ] = None
    dry_run: Annotated[bool, Field(description="Check, price and show the lineage without submitting; free.")] = False


class GetTask(Arguments):
    """The arguments of `get_task`."""

    task_id: Annotated[
        str,
        AfterValidator(_task_id),
        Field(
            alias="taskId",
            min_length=1,
            description="Task to read: a taskId of extend_video or list_assets, or its runway://tasks/ URI.",
        ),
    ]
    wait_seconds: Annotated[
        Wait,
        Field(description="Seconds to wait for the end, 0 to 600; 0 reads once. Capped by the server's setting, 45."),
    ] = 0


class ListAssets(Arguments):
    """The arguments of `list_assets`."""

    media_type: Annotated[
        Literal["video", "image", "audio"], Field(alias="mediaType", description="Kind of asset to list.")
    ] = "video"
    offset: Annotated[
        int, Field(ge=0, le=1000, description="Assets to skip: the next_offset of the page before, 0 to 1000.")
    ] = 0
    limit: Annotated[int, Field(ge=1, le=50, description="Most assets to list, 1 to 50; 50 to look for a name.")] = 10
    email: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=254,
            description=(
                "Address of the Runway account to list, when several are linked: an error names them. "
                "Default: USEAPI_EMAIL, if set."
            ),
        ),
        AfterValidator(_email),
    ] = None


class InvalidArguments(Exception):  # noqa: N818  named for the fact, as every refusal here
    """Arguments that were refused; `message` is fit to be shown, `step` is the call to make instead."""

    def __init__(self, message: str, step: NextStep | None) -> None:
        super().__init__(message)
        self.message = message
        self.step = step


def read_arguments(model: type[_Model], tool: str, given: Mapping[str, Any]) -> _Model:
    """The arguments of a call; raises `InvalidArguments`."""
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
    """The arguments in one spelling; nothing is checked."""
    properties = wire_schema(model)["properties"]
    kinds = {name: schema.get("type") for name, schema in properties.items()}
    return {name: _lenient(value, kinds.get(name)) for name, value in given.items()}


def _lenient(value: Any, wanted: str | None) -> Any:
    """A value as its property wants it, where another spelling can only mean the same."""
    if wanted == "integer" and isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        return int(value)
    if wanted == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if wanted == "boolean" and isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return value


def _unknown(tool: str, plain: Mapping[str, Any], properties: Schema) -> list[str]:
    unknown = [name for name in plain if name not in properties]
    if not unknown:
        return []
    meant = _meant(plain, properties)
    names = [f"{_shown(name)}{f' (did you mean {meant[name]}?)' if name in meant else ''}" for name in unknown]
    rest = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return [f"{tool} takes no argument {', '.join(names[:_NAMED] + rest)}. It accepts: {', '.join(properties)}."]


def _meant(plain: Mapping[str, Any], properties: Schema) -> dict[str, str]:
    """For unknown names, the accepted one that they resemble most and that was not given."""
    free = [name for name in properties if name not in plain]
    found = {name: difflib.get_close_matches(name, free, 1, _SIMILARITY) for name in plain if name not in properties}
    return {name: matches[0] for name, matches in found.items() if matches}


def _is_known(problem: ErrorDetails) -> bool:
    return problem["type"] != "extra_forbidden"


def _sentence(problem: ErrorDetails, properties: Schema) -> str:
    name = str(problem["loc"][0])
    if problem["type"] == "missing" or (problem["input"] is None and name in _IDS):
        return f"{name} is missing. {properties[name]['description']}"
    if problem["type"] == "string_too_short":
        return f"{name} is empty. {properties[name]['description']}"
    if problem["type"] == "value_error":
        return str(problem.get("ctx", {}).get("error"))
    leave_out = "; leave it out for the default" if problem["input"] is None else ""
    return f"{name} must be {_form(name, properties[name])}, not {_shown(problem['input'])}{leave_out}."


def _form(name: str, schema: Schema) -> str:
    """What a property accepts, in words."""
    if name in _FORMS:
        return _FORMS[name]
    match schema:
        case {"enum": values}:
            return " or ".join(str(value) for value in values)
        case {"type": "integer"}:
            return f"a whole number from {schema['minimum']} to {schema['maximum']}"
        case {"type": "boolean"}:
            return "true or false"
        case {"maxLength": longest}:
            return f"text of at most {longest} characters"
        case _:
            return "text"


def _shown(value: Any) -> str:
    """A glimpse of a value; a long text by its length."""
    if isinstance(value, str) and len(value) > _GLIMPSE:
        return f"a text of {len(value)} characters"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _GLIMPSE else f"{text[:_GLIMPSE]}…"


def _step(
    model: type[Arguments], tool: str, plain: Mapping[str, Any], properties: Schema, problems: list[ErrorDetails]
) -> NextStep:
    """The call with its arguments put right as far as that is certain; what would spend becomes a dry run."""
    wrong = {str(problem["loc"][0]) for problem in problems}
    right = {name: value for name, value in plain.items() if name not in wrong}
    renamed = right | {better: plain[name] for name, better in _meant(plain, properties).items()}
    for arguments in (renamed, right):
        try:
            model.model_validate(plain_arguments(model, arguments))
        except ValidationError:
            continue
        dry = {"dry_run": True} if tool == "extend_video" else {}
        reason = "Checks what is left of the call, free." if dry else "The call without what was wrong."
        return NextStep(tool=tool, arguments=arguments | dry, reason=reason)
    return next_steps.find_clip()
