"""The host of the demo: the calls that make a clip longer, from the first listing to fresh links.

It reads structured content alone, since several hosts show their model nothing else, and makes each call that the
answer before names as next. Whatever breaks the contract is a `DemoError`.
"""

import base64
from dataclasses import dataclass
from typing import Any, TypeVar

from mcp.client import Client
from mcp_types import ImageContent, TextContent, TextResourceContents
from pydantic import ValidationError

from runway_mcp.demo.failures import DemoError
from runway_mcp.demo.screen import Bar, Screen
from runway_mcp.server.contract.outputs import (
    AssetOutput,
    AssetsOutput,
    CreditsOutput,
    FilmDocument,
    FilmOutput,
    LineageOutput,
    NextStep,
    Output,
    SavedOutput,
    SaveOutput,
    TaskOutput,
    Video,
)

MODEL = "gen3a"
CLIP_SECONDS = 10.0
TOLERANCE_SECONDS = 0.5

Form = TypeVar("Form", bound=Output)
Told = TypeVar("Told", TaskOutput, AssetsOutput, SaveOutput)


@dataclass(frozen=True)
class Price:
    """A dry run's answer: the model, the cost and the balance in credits, and the call that submits.

    `extensions_left` counts those that are possible afterwards.
    """

    model: str | None
    cost: int
    balance: int
    extensions_left: int
    submit: NextStep


@dataclass(frozen=True)
class Extended:
    """A task that succeeded: its URI, its film, where that lies on disk, and how often it has been extended."""

    task_uri: str
    video: Video
    saved: SavedOutput
    extended_count: int


@dataclass(frozen=True)
class Continued:
    """A film that was joined: the URI of its newest part's task, the film, and where it lies on disk."""

    task_uri: str
    film: FilmOutput
    saved: SavedOutput


async def find_clip(client: Client) -> AssetOutput:
    """The first extendable Gen-3 Alpha clip of ten seconds that was never extended; raises `DemoError` without one."""
    listing = await _called(client, "list_assets", {"limit": 50, "links": True}, AssetsOutput)
    videos = listing.assets or []
    for clip in filter(_fits, videos):
        # A turbo clip refuses to be asked what five or ten seconds cost, so the model is asked for first.
        if (await price(client, clip.asset_id)).model == MODEL:
            return clip
    raise DemoError(f"none of the {len(videos)} videos is an extendable Gen-3 Alpha clip of 10 s")


async def price(client: Client, asset_id: str, **wishes: str | int) -> Price:
    """What an extension would be and cost, by a dry run; spends nothing."""
    told = await _called(client, "extend_video", {"assetId": asset_id, **wishes, "dry_run": True}, TaskOutput)
    money, lineage = told.credits or CreditsOutput(), told.lineage or LineageOutput()
    # A film that goes on has no extensions to count.
    left = 0 if "model" in wishes else lineage.extensions_left
    if money.cost is None or money.remaining is None or left is None or told.next_step is None:
        raise DemoError(f"a dry run left out what to do, what it costs or what is left: {told.summary}")
    return Price(told.model, money.cost, money.remaining, left, told.next_step)


async def extend(client: Client, submit: NextStep, screen: Screen) -> Extended:
    """Submits, and follows the task to its success by the calls that the answers name; raises `DemoError` otherwise."""
    answer = await _followed(client, submit, screen)
    if answer.video is None or answer.task_uri is None:
        raise DemoError(f"a task succeeded without a film: {answer.summary}")
    saved = answer.saved or await save(client, answer.video.asset_id)
    added = len(answer.film.parts) - 1 if answer.film else 0
    count = (answer.lineage and answer.lineage.extended_count) or 0
    return Extended(answer.task_uri, answer.video, saved, count + added)


async def find_continuable(client: Client) -> AssetOutput:
    """The first clip without an extension of its own with which a current model can go on; raises `DemoError`."""
    listing = await _called(client, "list_assets", {"limit": 50, "links": True}, AssetsOutput)
    for clip in listing.assets or []:
        if clip.extendable == "no" and clip.continuable and not clip.extended_count:
            return clip
    raise DemoError("no video is a clip that a current model continues")


async def go_on(client: Client, submit: NextStep, screen: Screen) -> Continued:
    """Submits a continuation, and follows the film until it is joined; raises `DemoError` otherwise."""
    answer = await _followed(client, submit, screen)
    if answer.film is None or answer.film.step != "done" or answer.task_uri is None:
        raise DemoError(f"a film succeeded and is not joined: {answer.summary}")
    saved = answer.saved or await save(client, answer.film.uri)
    return Continued(answer.task_uri, answer.film, saved)


async def read_film_document(client: Client, uri: str) -> FilmDocument:
    """The film's resource; raises `DemoError` unless the film is joined."""
    film = await _read(client, uri, FilmDocument)
    if film.step != "done":
        raise DemoError(f"{uri} says {film.step} of a film that had been joined")
    return film


async def _followed(client: Client, submit: NextStep, screen: Screen) -> TaskOutput:
    """The answer of a task or film that succeeded, reached by the calls that the answers name."""
    with screen.bar() as bar:
        answer = await _called(client, submit.tool, submit.arguments, TaskOutput, bar)
        while answer.status != "SUCCEEDED":
            step = answer.next_step
            if step is None or step.tool != "get_task":
                raise DemoError(f"a task that is {answer.status} names no way to its film: {answer.summary}")
            answer = await _called(client, step.tool, step.arguments, TaskOutput, bar)
    return answer


async def save(client: Client, asset_id: str) -> SavedOutput:
    """Where a film lies on disk, by the tool that waits for it; raises `DemoError` if it cannot be kept."""
    answer = await _called(client, "save_film", {"assetId": asset_id}, SaveOutput)
    if answer.saved is None:
        raise DemoError(f"save_film told no file: {answer.summary}")
    return answer.saved


async def last_frame(client: Client, asset_id: str) -> bytes:
    """The frame with which a clip ends, as a JPEG file; raises `DemoError` without one."""
    result = await client.call_tool("view_film", {"assetId": asset_id})
    pictures = [each for each in result.content if isinstance(each, ImageContent)]
    if result.is_error or not pictures:
        said = [each.text.splitlines()[0] for each in result.content if isinstance(each, TextContent) and each.text]
        raise DemoError(f"view_film showed no picture: {' '.join(said)}")
    return base64.b64decode(pictures[0].data)


async def read_task(client: Client, uri: str) -> TaskOutput:
    """The task's resource; raises `DemoError` unless the task has succeeded."""
    task = await _read(client, uri, TaskOutput)
    if task.status != "SUCCEEDED":
        raise DemoError(f"{uri} says {task.status} of a task that had succeeded")
    return task


async def fresh_link(client: Client, uri: str) -> str:
    """The link to the film in an asset's resource; raises `DemoError` without one."""
    asset = await _read(client, uri, Video)
    if not asset.url:
        raise DemoError(f"{uri} holds no link to its film")
    return asset.url


def _fits(clip: AssetOutput) -> bool:
    length = clip.duration_seconds or 0.0
    fresh = clip.extendable == "yes" and not clip.extended_count
    return fresh and abs(length - CLIP_SECONDS) <= TOLERANCE_SECONDS


async def _called(
    client: Client, tool: str, arguments: dict[str, Any], form: type[Told], bar: Bar | None = None
) -> Told:
    """The structured answer of a tool; an error that it reports is raised in its own words."""
    try:
        result = await client.call_tool(tool, arguments, progress_callback=bar.notify if bar else None)
    except RuntimeError as error:  # the SDK's word for an answer that breaks the tool's output schema
        raise DemoError(f"{tool} broke its own output schema: {str(error).splitlines()[0]}") from error
    answer = _in_form(form, result.structured_content, tool)
    if result.is_error:
        raise DemoError(f"{tool} failed: {answer.summary}")
    return answer


async def _read(client: Client, uri: str, form: type[Form]) -> Form:
    contents = (await client.read_resource(uri)).contents
    if not contents or not isinstance(contents[0], TextResourceContents):
        raise DemoError(f"{uri} holds no text")
    return _in_form(form, contents[0].text, uri)


def _in_form(form: type[Form], told: object, where: str) -> Form:
    try:
        return form.model_validate_json(told) if isinstance(told, str) else form.model_validate(told)
    except ValidationError as error:
        raise DemoError(f"{where} did not answer in the form of the contract") from error
