"""The structured content of every result, and the source of the output schemas.

Objects are open and only `summary` is required, so that errors conform too; what is unknown is absent, never null.
Attributes are snake_case; on the wire, what upstream names keeps upstream's spelling.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema


class Output(BaseModel):
    """A part of a result; None is left out on the wire."""

    # An idle server uses none of these models, so each is made complete when it is first used.
    model_config = ConfigDict(frozen=True, defer_build=True, populate_by_name=True)

    def wire(self) -> dict[str, Any]:
        """The JSON object by its wire names, without what is unknown."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Video(Output):
    """A film, or another artifact of a task; `url` is a signed link."""

    asset_id: Annotated[str, Field(alias="assetId")]
    uri: str
    url: Annotated[str | None, Field(description="Signed link; dies within two days.")] = None
    url_expires_at: str | None = None
    name: str | None = None
    mime_type: str | None = None
    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    size_bytes: int | None = None
    preview_urls: list[str] | None = None


class AssetDocument(Video):
    """The content of an asset's resource."""

    media_type: Annotated[str | None, Field(alias="mediaType")] = None
    created_at: Annotated[str | None, Field(alias="createdAt")] = None
    task_id: Annotated[str | None, Field(alias="taskId")] = None


_MORE_VIDEOS = {"type": "array", "items": {"type": "object"}, "description": "Others of the task."}


# Its parts and seams are told by the results themselves; each schema that is listed costs the model's context.
_FILM = {"type": "object", "description": "A joined film: id, uri, step, seconds, parts, seams."}
_QUOTE = {"type": "object", "description": "id, expires_at: what confirm takes, once."}
_SAVED = {"type": "object", "description": "On the server's disk: path, size_bytes."}
_CANDIDATES = {"type": "array", "items": {"type": "object"}, "description": "Tasks that may be an unclear submit's."}
_RUNNING = {"type": "array", "items": {"type": "object"}, "description": "Unfinished tasks: taskId, status, ..."}
_FILMS = {"type": "array", "items": {"type": "object"}, "description": "Joined films: id, name, seconds, parts."}


class LineageOutput(Output):
    """Where the resulting film stands in its chain of extensions."""

    source_asset_id: Annotated[str | None, Field(alias="source_assetId")] = None
    source_name: str | None = None
    extended_count: int | None = None
    extensions_left: int | None = None
    added_seconds: int | None = None
    longest_seconds: Annotated[float | None, Field(description="By further extensions.")] = None
    cost_to_longest: Annotated[int | None, Field(description="Credits for that.")] = None


class CreditsOutput(Output):
    """The estimated cost, what is left on the account, and how the cap of a day stands, in credits."""

    cost: Annotated[int | None, Field(description="Estimate of the step, charged once; 0 of a repeat.")] = None
    remaining: int | None = None
    day_limit: int | None = None
    day_left: int | None = None
    day_frees_at: Annotated[str | None, Field(description="When day_left rises.")] = None


class ErrorOutput(Output):
    """Why there is no result, whether it was charged, and what a repeat is good for."""

    kind: str
    message: str
    charged: Literal["no", "yes", "unknown"]
    retry_safe: Annotated[bool, Field(description="The same call does no harm.")]
    retry: Annotated[str, Field(description="When to repeat it: now, later, after_change (only).")]
    retry_after_seconds: float | None = None


class NextStep(Output):
    """The next call worth making, with all its arguments."""

    tool: str
    arguments: dict[str, Any]
    reason: str


class QuoteOutput(Output):
    """A price that `confirm` takes once, with the same arguments."""

    id: str
    expires_at: str


class Candidate(Output):
    """A task that an unclear submit may have made."""

    task_id: Annotated[str, Field(alias="taskId")]
    task_uri: str
    status: str
    created_at: Annotated[str | None, Field(alias="createdAt")] = None


class SavedOutput(Output):
    """Where a film lies on the disk of the machine that runs this server."""

    path: str
    size_bytes: int


class PartOutput(Output):
    """One original part of a film."""

    asset_id: Annotated[str | None, Field(alias="assetId")] = None
    seconds: float
    model: str | None = None
    text_prompt: str | None = None


class SeamOutput(Output):
    """What changes over a seam of a film: both pictures' difference, the clips' own motion, and the mean colour."""

    at_seconds: float
    difference: float
    motion: float
    colour: float


class FilmOutput(Output):
    """A film of several parts: how far it is, and what it consists of."""

    id: str
    uri: str
    step: Annotated[str, Field(description="frame, upload, create, join, done.")]
    seconds: float | None = None
    frames: int | None = None
    parts: list[PartOutput]
    joined: Annotated[str | None, Field(description="copied or re-encoded.")] = None
    seams: list[SeamOutput] | None = None
    asset_id: Annotated[str | None, Field(alias="assetId")] = None


class TaskOutput(Output):
    """The result of `extend_video` and `get_task`, and the content of a task's resource."""

    summary: str
    status: Annotated[
        str | None,
        Field(description="PENDING, THROTTLED, RUNNING, SUCCEEDED, FAILED, CANCELLED, DRY_RUN, or another."),
    ] = None
    task_id: Annotated[str | None, Field(alias="taskId")] = None
    task_uri: str | None = None
    progress: Annotated[float | None, Field(ge=0, le=1)] = None
    estimated_seconds_to_start: Annotated[float | None, Field(alias="estimatedTimeToStartSeconds")] = None
    model: Annotated[str | None, Field(description="gen3a, gen3a_turbo, ...")] = None
    created_at: Annotated[str | None, Field(alias="createdAt")] = None
    text_prompt: str | None = None
    seed: int | None = None
    reply_ref: Annotated[str | None, Field(alias="replyRef")] = None
    video: Annotated[Video | None, Field(description="The longer film.")] = None
    more_videos: Annotated[list[Video] | None, WithJsonSchema(_MORE_VIDEOS)] = None
    film: Annotated[FilmOutput | None, WithJsonSchema(_FILM)] = None
    saved: Annotated[SavedOutput | None, WithJsonSchema(_SAVED)] = None
    lineage: Annotated[LineageOutput | None, Field(description="Of the longer film, in a dry run as it would be.")] = (
        None
    )
    credits: CreditsOutput | None = None
    twin: Annotated[bool | None, Field(description="True: an earlier submit of the same request answers.")] = None
    quote: Annotated[QuoteOutput | None, WithJsonSchema(_QUOTE)] = None
    candidates: Annotated[list[Candidate] | None, WithJsonSchema(_CANDIDATES)] = None
    error: ErrorOutput | None = None
    next_step: Annotated[NextStep | None, Field(description="The next call worth making, in full.")] = None


class PartDocument(PartOutput):
    """One original part of a film, with what made it; `cost` is an estimate in credits."""

    task_id: Annotated[str | None, Field(alias="taskId")] = None
    seed: int | None = None
    cost: int | None = None


class FilmDocument(Output):
    """The content of a film's resource: the film as in results, and of each part how it was made."""

    id: str
    uri: str
    video_uri: str | None = None
    name: str | None = None
    summary: str
    status: str | None = None
    step: str
    progress: float | None = None
    task_id: Annotated[str | None, Field(alias="taskId")] = None
    created_at: Annotated[str | None, Field(alias="createdAt")] = None
    model: str | None = None
    text_prompt: str | None = None
    seed: int | None = None
    seconds: float | None = None
    frames: int | None = None
    parts: list[PartDocument]
    joined: str | None = None
    seams: list[SeamOutput] | None = None
    asset_id: Annotated[str | None, Field(alias="assetId")] = None
    video: Video | None = None
    saved: SavedOutput | None = None
    lineage: LineageOutput | None = None
    credits: CreditsOutput | None = None
    error: ErrorOutput | None = None
    next_step: NextStep | None = None


class SaveOutput(Output):
    """The result of `save_film`."""

    summary: str
    saved: SavedOutput | None = None
    video: Video | None = None
    film: SkipJsonSchema[FilmOutput | None] = None
    error: ErrorOutput | None = None
    next_step: NextStep | None = None


class AssetOutput(Output):
    """One asset of a listing."""

    asset_id: Annotated[str, Field(alias="assetId")]
    name: str | None = None
    created_at: Annotated[str | None, Field(alias="createdAt")] = None
    duration_seconds: float | None = None
    # That the server has read the length from the film, since Runway tells none.
    duration_as_read: SkipJsonSchema[bool | None] = None
    width: int | None = None
    height: int | None = None
    text_prompt: Annotated[str | None, Field(description="Shortened; get_task has it whole.")] = None
    source_asset_id: Annotated[str | None, Field(alias="source_assetId")] = None
    source_name: str | None = None
    # Of a search: what else than name and prompt holds its words.
    matched: SkipJsonSchema[str | None] = None
    continuable: bool | None = None
    extendable: Literal["yes", "no", "unknown"]
    reason: str | None = None
    extended_count: int | None = None
    extensions_left: int | None = None
    longest_seconds: float | None = None
    cost_to_longest: int | None = None
    # With links alone; of these the listed schema shows one.
    uri: SkipJsonSchema[str | None] = None
    url: Annotated[str | None, Field(description="Fresh signed link; with links.")] = None
    url_expires_at: SkipJsonSchema[str | None] = None
    preview_urls: SkipJsonSchema[list[str] | None] = None
    media_type: SkipJsonSchema[Annotated[str | None, Field(alias="mediaType")]] = None
    task_id: SkipJsonSchema[Annotated[str | None, Field(alias="taskId")]] = None


class RunningOutput(Output):
    """A task that was unfinished when the listing was made."""

    task_id: Annotated[str, Field(alias="taskId")]
    status: str
    progress: float | None = None
    source_asset_id: Annotated[str | None, Field(alias="source_assetId")] = None
    text_prompt: str | None = None
    seconds: int | None = None


class ListedFilm(Output):
    """A joined film of a listing; `parts` counts them, the prompt is the last one's, the source what it began with."""

    id: str
    name: str | None = None
    created_at: Annotated[str | None, Field(alias="createdAt")] = None
    seconds: float | None = None
    width: int | None = None
    height: int | None = None
    parts: int
    continuable: bool | None = None
    text_prompt: str | None = None
    source_name: str | None = None
    matched: str | None = None


class AssetsOutput(Output):
    """The result of `list_assets`."""

    summary: str
    assets: list[AssetOutput] | None = None
    films: Annotated[list[ListedFilm] | None, WithJsonSchema(_FILMS)] = None
    next_offset: int | None = None
    running: Annotated[list[RunningOutput] | None, WithJsonSchema(_RUNNING)] = None
    error: ErrorOutput | None = None
    next_step: NextStep | None = None
