"""Models of what the Runway API takes and returns, and which statuses end a task; aliases hold the wire's spelling.

Input is read leniently: wrong types read as None, only `taskId` and `assetId` are required. Requests are bounded as
`POST gen3/extend` documents. Signed links and callback addresses are kept out of `repr`, and so out of logs.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticKnownError

from runway_mcp.runway.fields import (
    MOST_ARTIFACTS,
    Flag,
    Id,
    Link,
    Links,
    Number,
    Prompt,
    Ratio,
    Record,
    Text,
    Whole,
    Word,
    is_storable,
    mapping,
    plain_id,
    record,
    sequence,
    text,
    whole,
    word,
)
from runway_mcp.runway.ids import account_of
from runway_mcp.runway.links import expiry_of, mime_type_of
from runway_mcp.runway.running_tasks import RunningTask

_R = TypeVar("_R", bound=Record)

__all__ = [
    "STORABLE",
    "TERMINAL",
    "Asset",
    "AssetId",
    "Credits",
    "ExploreMode",
    "Extension",
    "MaxJobs",
    "Metadata",
    "ReplyRef",
    "ReplyUrl",
    "RunningTask",
    "Seconds",
    "Seed",
    "Submission",
    "Task",
    "TaskError",
    "TaskOptions",
    "TextPrompt",
]

TERMINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
"""The statuses after which a task never changes; every other status, unknown ones included, is non-terminal."""

LARGEST_SEED = 4_294_967_294
"""The largest seed of a generation; the smallest is 1."""

AssetId = Annotated[str, Field(min_length=1, description="assetId of the Gen-3 Alpha video to extend.")]


def _storable(value: str) -> str:
    # As pydantic itself refuses lone surrogates in a text of limited length.
    if not is_storable(value):
        raise PydanticKnownError("string_unicode")
    return value


STORABLE: Final = AfterValidator(_storable)
"""Refuses a text that not every ledger can keep, since requests are written down before they are sent."""

TextPrompt = Annotated[
    str, STORABLE, Field(description="Describes the shot that follows: what moves, the camera, the light.")
]
Seconds = Annotated[int, Field(ge=5, le=10, description="Seconds to add; the catalogue says which its model takes.")]
Seed = Annotated[int, Field(ge=1, le=LARGEST_SEED, description=f"Seed of the generation, 1 to {LARGEST_SEED}.")]
ExploreMode = Annotated[
    bool, Field(description="Relaxed generation, free of credits; needs Runway's Unlimited plan, takes longer.")
]
ReplyUrl = Annotated[
    str,
    Field(
        max_length=1024,
        pattern=r"^[hH][tT][tT][pP][sS]?://[^\s/?#]+\S*$",
        description="Absolute http(s) URL that useapi.net calls as the task goes on, 1024 characters at most.",
    ),
]
ReplyRef = Annotated[
    str,
    STORABLE,
    Field(max_length=1024, description="Reference of yours, kept with the task, 1024 characters at most."),
]
MaxJobs = Annotated[
    int, Field(ge=1, le=10, description="Refuse while this many tasks run on the account, 1 to 10; default: its own.")
]


class Submission(BaseModel):
    """One paid request: the endpoint that takes it, and its body; refuses what the endpoint's documentation rules out.

    A further endpoint is a further subclass; what submits, follows and reconciles it never asks which it is. Fields
    with a `validation_alias` have that name on the wire.
    """

    # An idle server uses none of these models, so each is made complete when it is first used.
    model_config = ConfigDict(
        frozen=True, defer_build=True, extra="forbid", validate_by_alias=True, validate_by_name=True
    )

    endpoint: str
    seed: Seed | None = None
    reply_url: ReplyUrl | None = Field(default=None, validation_alias="replyUrl", repr=False)
    reply_ref: ReplyRef | None = Field(default=None, validation_alias="replyRef")
    max_jobs: MaxJobs | None = Field(default=None, validation_alias="maxJobs")

    def body(self) -> dict[str, Any]:
        """The JSON body under wire names, without fields that were not given."""
        return {wire: value for name, (wire, value) in self._fields().items() if name != "endpoint"}

    def asked(self) -> dict[str, Any]:
        """What makes it the same request: each given option by name, without its source and its seed.

        How to be called back and how many may run at once say nothing of the film, nor does an option that is off.
        """
        return {name: value for name, (_, value) in self._fields().items() if name not in _INCIDENTAL and value}

    def beyond(self, other: type["Submission"]) -> list[str]:
        """The asked options that submissions of another kind do not have, by their names on the wire."""
        asked = self.asked()
        return [wire for name, (wire, _) in self._fields().items() if name in asked and name not in other.model_fields]

    def _fields(self) -> dict[str, tuple[str, Any]]:
        """Each given field, those of the endpoint before those of all: its name on the wire, and its value."""
        declared = sorted(type(self).model_fields.items(), key=lambda field: field[0] in Submission.model_fields)
        told = {name: (str(field.validation_alias or name), getattr(self, name)) for name, field in declared}
        return {name: (wire, value) for name, (wire, value) in told.items() if value is not None}


_INCIDENTAL = frozenset({"endpoint", "asset_id", "seed", "reply_url", "reply_ref", "max_jobs"})


class Extension(Submission):
    """The extension of a film by `POST gen3/extend` or `POST gen3turbo/extend`; the latter takes no `seconds`."""

    endpoint: str = "gen3/extend"
    asset_id: AssetId = Field(validation_alias="assetId")
    text_prompt: TextPrompt | None = None
    seconds: Seconds | None = None
    explore_mode: ExploreMode | None = Field(default=None, validation_alias="exploreMode")


class TaskOptions(Record):
    """The options of a task; options that only newer Runway models have are dropped."""

    name: Text = None
    text_prompt: Prompt = None
    seed: Whole = None
    seconds: Number = None
    explore_mode: Flag = Field(default=None, validation_alias="exploreMode")
    watermark: Flag = None
    enhance_prompt: Flag = None
    init_video: Text = Field(default=None, repr=False)
    init_image: Text = Field(default=None, repr=False)
    resolution: Text = None
    extended_from_task_id: Id = None
    extended_count: Whole = None
    image_as_end_frame: Flag = None
    asset_group_name: Text = Field(default=None, validation_alias="assetGroupName")
    recording_enabled: Flag = Field(default=None, validation_alias="recordingEnabled")


class TaskError(Record):
    """Why a task failed, in Runway's words; `message` is outside text, to be shown only through `errors.quoted`."""

    message: Text = None
    reason: Text = None
    moderation_category: Text = None
    tally_asimov: Flag = None

    @model_validator(mode="before")
    @classmethod
    def _one_message(cls, value: Mapping[str, object]) -> dict[str, object]:
        return {**value, "message": text(value.get("errorMessage")) or text(value.get("message"))}


class Metadata(Record):
    """Measures of a film or picture: seconds, pixels, frames per second."""

    duration: Number = None
    width: Whole = None
    height: Whole = None
    frame_rate: Number = Field(default=None, validation_alias="frameRate")

    @model_validator(mode="before")
    @classmethod
    def _either_shape(cls, value: Mapping[str, object]) -> dict[str, object]:
        """Until 2025 the API sent the size in `size` and `dimensions`, later in `width` and `height`."""
        size = mapping(value.get("size")) or {}
        wide, high = [*map(whole, sequence(value.get("dimensions"))[:2]), None, None][:2]
        width, height = whole(value.get("width")), whole(value.get("height"))
        return {
            **value,
            "width": next((read for read in (width, whole(size.get("width")), wide) if read is not None), None),
            "height": next((read for read in (height, whole(size.get("height")), high) if read is not None), None),
        }


class Asset(Record):
    """A film, picture or sound in the account's library, or an artifact of a task."""

    asset_id: Annotated[str, BeforeValidator(plain_id)] = Field(validation_alias="assetId", min_length=1)
    id: Id = None
    name: Text = None
    url: Link = Field(default=None, repr=False)
    preview_urls: Links = Field(default=(), validation_alias="previewUrls", repr=False)
    media_type: Word = Field(default=None, validation_alias="mediaType")
    media_subtype: Word = Field(default=None, validation_alias="mediaSubtype")
    size_bytes: Whole = None
    file_ext: Word = Field(default=None, validation_alias="fileExtStandardized")
    task_id: Id = Field(default=None, validation_alias="taskId")
    metadata: Annotated[Metadata | None, BeforeValidator(record)] = None
    created_at: Word = Field(default=None, validation_alias="createdAt")
    updated_at: Word = Field(default=None, validation_alias="updatedAt")
    is_user_upload: Flag = Field(default=None, validation_alias="isUserUpload")

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, value: Mapping[str, object]) -> dict[str, object]:
        """Artifacts use `filename`, and uploads `size` and `type`, for what the library names otherwise."""
        kind = mapping(value.get("type")) or {}
        sizes = (whole(value.get(name)) for name in ("size_bytes", "fileSize", "size"))
        return {
            **value,
            "name": text(value.get("name")) or text(value.get("filename")),
            "size_bytes": next((size for size in sizes if size is not None), None),
            "mediaType": value.get("mediaType") or value.get("media_type") or kind.get("type") or kind.get("name"),
        }

    @property
    def url_expires_at(self) -> str | None:
        """When `url` expires, as ISO 8601 in UTC; None if unknown. A new read of the asset gives a fresh link."""
        return expiry_of(self.url) if self.url else None

    @property
    def mime_type(self) -> str | None:
        """The media type by the file's extension, signed link or name; None if none of them shows it."""
        return mime_type_of(self.file_ext, self.url, self.name)


class Credits(Record):
    """The credits of the plan, from GET /features or from `features` in a submit's answer."""

    permitted: Whole = Field(default=None, validation_alias="numPlanCredits_permitted")
    used: Whole = Field(default=None, validation_alias="numPlanCredits_used")
    storage_gb: Number = Field(default=None, validation_alias="storageGB")

    @model_validator(mode="before")
    @classmethod
    def _either_shape(cls, value: Mapping[str, object]) -> Mapping[str, object]:
        permitted, used = mapping(value.get("permitted")), mapping(value.get("used"))
        if permitted is None and used is None:
            return value
        return {
            "permitted": (permitted or {}).get("numPlanCredits"),
            "used": (used or {}).get("numPlanCredits"),
            "storageGB": (permitted or {}).get("storageGB"),
        }

    @property
    def remaining(self) -> int | None:
        """Permitted less used, never below 0; None unless both are known."""
        return None if self.permitted is None or self.used is None else max(0, self.permitted - self.used)


def _error(value: object) -> object:
    """An error object; upstream sometimes sends a plain string instead, which becomes its message."""
    said = text(value)
    return {"message": said} if said else record(value)


def _asset(value: object) -> Asset | None:
    try:
        return Asset.model_validate(record(value) or {})
    except ValidationError:
        return None


def _artifacts(value: object) -> tuple[Asset, ...]:
    return tuple(asset for asset in map(_asset, sequence(value)[:MOST_ARTIFACTS]) if asset is not None)


def _status(value: object) -> str:
    return word(value) or "UNKNOWN"


class Task(Record):
    """A generation at Runway, as of the read."""

    task_id: Annotated[str, BeforeValidator(plain_id)] = Field(validation_alias="taskId", min_length=1)
    id: Id = None
    name: Text = None
    image: Text = Field(default=None, repr=False)
    created_at: Word = Field(default=None, validation_alias="createdAt")
    updated_at: Word = Field(default=None, validation_alias="updatedAt")
    task_type: Word = Field(default=None, validation_alias="taskType")
    options: Annotated[TaskOptions, BeforeValidator(lambda value: record(value) or {})] = TaskOptions()
    status: Annotated[str, BeforeValidator(_status)] = "UNKNOWN"
    error: Annotated[TaskError | None, BeforeValidator(_error)] = None
    progress_text: Text = Field(default=None, validation_alias="progressText")
    progress: Ratio = Field(default=None, validation_alias="progressRatio")
    estimated_seconds_to_start: Number = Field(default=None, validation_alias="estimatedTimeToStartSeconds")
    artifacts: Annotated[tuple[Asset, ...], BeforeValidator(_artifacts)] = ()
    shared_asset: Annotated[Asset | None, BeforeValidator(_asset)] = Field(default=None, validation_alias="sharedAsset")
    features: Annotated[Credits | None, BeforeValidator(record)] = None
    reply_url: Text = Field(default=None, validation_alias="replyUrl", repr=False)
    reply_ref: Text = Field(default=None, validation_alias="replyRef")

    @property
    def is_terminal(self) -> bool:
        """Whether the task has ended; the only place that decides it."""
        return self.status in TERMINAL

    @property
    def account(self) -> str | None:
        """The e-mail of the account that runs the task; None unless its id is a long one."""
        return account_of(self.task_id)

    @property
    def created(self) -> datetime | None:
        """When the task was created, with time zone (UTC if none is given); None if unknown."""
        try:
            read = datetime.fromisoformat(self.created_at or "")
        except ValueError:
            return None
        return read if read.tzinfo else read.replace(tzinfo=UTC)


class Entries(tuple[_R, ...]):  # noqa: SLOT001  a tuple of variable length cannot have slots
    """The readable entries of a list; `skipped` counts the others."""

    skipped: int = 0
