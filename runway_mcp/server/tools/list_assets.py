"""The tool `list_assets`: a page of assets, each with the verdict whether it can be extended."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from runway_mcp.films.continuing.listing import films_of_parts, listed_films, parts_found_by
from runway_mcp.films.continuing.preparing.uploads import FRAME_NAME
from runway_mcp.server.calls.answers import answer_assets, fail_assets
from runway_mcp.server.calls.running_call import Answer, Call
from runway_mcp.server.contract.arguments import Arguments
from runway_mcp.server.contract.next_steps import LISTS
from runway_mcp.server.contract.outputs import AssetsOutput
from runway_mcp.server.contract.results.assets import FilmsListing, assets_output, films_listing
from runway_mcp.server.joined_films import films_under_way, joined_films, may_continue
from runway_mcp.server.reads import READING_SECONDS
from runway_mcp.server.tools.record import ToolRecord
from runway_mcp.tasks.asset_pages import Page
from runway_mcp.tasks.intents import Intent, uuid_of
from runway_mcp.tasks.listing import AssetListing, list_page

LISTING_SECONDS = 40.0
"""The longest time for a page, in seconds, however long the configured wait is."""


_DESCRIPTION = (
    "Lists the videos, images or audio files in your Runway account and joined films, newest first, and for each "
    "video its prompt, source, how far Runway can extend it and whether a model can continue it. "
    "Use it to find the assetId or film id for extend_video, with query to search, or the taskIds of running "
    "tasks; for one task, or a film's link or path, use get_task; to see a clip, view_film. Free, and changes nothing. "
    "While next_offset is returned there is more: call again with it as offset."
)

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


def _email(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError("email must be the e-mail address of a linked Runway account, such as me@example.com.")
    return value


class ListAssets(Arguments):
    """The arguments of `list_assets`."""

    query: Annotated[
        str | None,
        Field(
            max_length=200,
            description=(
                "Words that all stand in the name, prompts or ancestors' names; searches the newest 200 assets and "
                "all joined films. Default: all."
            ),
        ),
    ] = None
    media_type: Annotated[
        Literal["video", "image", "audio"],
        Field(alias="mediaType", description="Kind of asset; only videos are extended."),
    ] = "video"
    extendable_only: Annotated[bool, Field(description="True: only videos that can be extended or continued.")] = False
    links: Annotated[
        bool,
        Field(description="True: adds fresh links, previews, URIs and taskIds; a far longer answer."),
    ] = False
    offset: Annotated[
        int,
        Field(
            ge=0,
            le=1000,
            description="Assets or matches to skip: next_offset of the page before, 0 to 1000.",
        ),
    ] = 0
    limit: Annotated[int, Field(ge=1, le=50, description="Most assets to list, 1 to 50.")] = 10
    email: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=254,
            description=(
                "Address of the Runway account to list, when several are linked: an error names them. "
                "Default: the server's setting."
            ),
        ),
        AfterValidator(_email),
    ] = None


async def list_assets(call: Call, arguments: ListAssets) -> Answer:
    """A page of assets with their verdicts; raises `Failure` and `RunwayError`."""
    service, settings = call.context.service, call.context.settings
    continues = may_continue(settings)
    page = Page(
        arguments.media_type,
        arguments.offset,
        arguments.limit,
        arguments.email or settings.email,
        arguments.query,
        arguments.extendable_only,
        continues=continues,
        left_out=FRAME_NAME,
    )
    seconds = min(max(settings.wait_seconds, READING_SECONDS), LISTING_SECONDS)
    joined = await joined_films(call.context) if page.media_type == "video" else []
    listing = await list_page(service.client, service.ledger, page, seconds=seconds, found_by=parts_found_by(joined))
    films = await _films(call, page, joined, listing) if page.media_type == "video" else FilmsListing()
    output = assets_output(listing, call.asked, films=films, continues=continues, lengths=_lengths(call, listing))
    return await answer_assets(call, output)


def _lengths(call: Call, listing: AssetListing) -> dict[str, float]:
    """The lengths of listed clips as this server has read them, in seconds, by their uuids."""
    uuids = [uuid_of(each.asset.asset_id) for each in listing.assets]
    return {uuid: length for uuid in uuids if (length := call.context.films.lengths.get(uuid)) is not None}


async def _films(call: Call, page: Page, joined: Sequence[Intent], beside: AssetListing) -> FilmsListing:
    """The joined films of a page, searched by the same words as the assets beside them."""
    films = listed_films(joined, beside.ancestors, query=page.query, account=page.email)
    under_way = tuple(film.film_id for film in await films_under_way(call.context))
    return replace(films_listing(films, page.offset, page.limit), under_way=under_way, of_parts=films_of_parts(joined))


LIST_ASSETS = ToolRecord(
    name="list_assets",
    title="List Runway assets",
    description=_DESCRIPTION,
    arguments=ListAssets,
    output=AssetsOutput,
    behaviour=LISTS,
    run=list_assets,
    fail=fail_assets,
)
"""The tool that lists assets."""
