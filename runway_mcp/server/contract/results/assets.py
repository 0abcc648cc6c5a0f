"""Listings and assets as structured content; what is unknown is left out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runway_mcp.films.continuing.listing import JoinedFilm
from runway_mcp.films.naming import label_of
from runway_mcp.films.places import SavedFilm
from runway_mcp.runway.models import Asset
from runway_mcp.server.contract import next_steps
from runway_mcp.server.contract.next_steps import Asked
from runway_mcp.server.contract.outputs import (
    AssetDocument,
    AssetOutput,
    AssetsOutput,
    ListedFilm,
    RunningOutput,
    SavedOutput,
    Video,
)
from runway_mcp.server.contract.results.text import LONGEST_NAME
from runway_mcp.server.contract.uris import asset_uri
from runway_mcp.tasks.catalogue import DEFAULT_CREATE_MODEL
from runway_mcp.tasks.creating import priced_models
from runway_mcp.tasks.intents import uuid_of
from runway_mcp.tasks.listing import AssetListing, ListedAsset, Running
from runway_mcp.tasks.policy import iso

LONGEST_ASSET = 600
"""The size of an asset in a listing without links, in characters of JSON."""

_UNTOLD_LENGTH = "Runway does not tell its length; view_film does"
_MOST_RUNNING, _MOST_UNDER_WAY, _LISTED_PREVIEWS = 20, 5, 4
# The most characters of a prompt in a listing, and the fewest to which a long asset's are cut.
_LONGEST_PROMPT, _FILM_PROMPT = 200, 90
_SHORTEST = (("text_prompt", 60), ("source_name", 24), ("name", 40), ("text_prompt", 20), ("name", 20))


@dataclass(frozen=True)
class FilmsListing:
    """The joined films of a page, how many there are in all, and the offset of the next ones if there are more.

    `under_way` are the ids of films that are being made, `of_parts` the film of each clip that is a part of one, by the
    clip's uuid.
    """

    films: tuple[JoinedFilm, ...] = ()
    count: int = 0
    next_offset: int | None = None
    under_way: tuple[str, ...] = ()
    of_parts: Mapping[str, str] = field(default_factory=dict[str, str])


def films_listing(films: Sequence[JoinedFilm], offset: int, limit: int) -> FilmsListing:
    """The page of films at an offset, which is that of the assets beside them."""
    following = offset + limit
    page = tuple(films[offset:following])
    return FilmsListing(page, len(films), following if following < len(films) else None)


def assets_output(
    listing: AssetListing, asked: Asked, *, films: FilmsListing = FilmsListing(), continues: bool = False
) -> AssetsOutput:
    """A page of assets; with the argument `links` also their links, previews, URIs and making tasks.

    `continues` says that this server continues clips with current models.
    """
    links = asked.arguments.get("links") is True
    next_offset = listing.next_offset if listing.next_offset is not None else films.next_offset
    if next_offset is not None:
        step = next_steps.next_page(asked, next_offset)
    else:
        step = next_steps.without_search(asked) if listing.matches == () and not films.count else None
    return AssetsOutput(
        summary=_summary(listing, films, next_offset, continues=continues),
        assets=[
            _asset(listed, films.of_parts.get(uuid_of(listed.asset.asset_id)), links=links, continues=continues)
            for listed in listing.assets
        ],
        films=[_film(film) for film in films.films] or None,
        next_offset=next_offset,
        running=[_running(each) for each in listing.running[:_MOST_RUNNING]],
        next_step=step,
    )


def video(asset: Asset) -> Video:
    """An artifact of a task, or an asset, as structured content."""
    metadata = asset.metadata
    return Video(
        asset_id=asset.asset_id,
        uri=asset_uri(asset.asset_id),
        url=asset.url,
        url_expires_at=asset.url_expires_at,
        name=cut(asset.name, LONGEST_NAME),
        mime_type=asset.mime_type,
        duration_seconds=metadata.duration if metadata else None,
        width=metadata.width if metadata else None,
        height=metadata.height if metadata else None,
        size_bytes=asset.size_bytes,
        preview_urls=list(asset.preview_urls) or None,
    )


def saved_output(saved: SavedFilm) -> SavedOutput:
    """Where a film lies on disk, as structured content."""
    return SavedOutput(path=str(saved.path), size_bytes=saved.size)


def asset_output(asset: Asset) -> AssetDocument:
    """The content of an asset's resource: the asset with a fresh link."""
    return AssetDocument(
        **dict(video(asset)), media_type=asset.media_type, created_at=asset.created_at, task_id=asset.task_id
    )


def _summary(listing: AssetListing, films: FilmsListing, next_offset: int | None, *, continues: bool) -> str:
    counted = listing.assets if listing.matches is None else listing.matches
    able = sum(listed.verdict.extendable == "yes" for listed in counted)
    onward = sum(listed.continuable for listed in counted) if continues else 0
    what = f"{_counted(len(counted), 'asset')}, {able} of them extendable" if counted else "No assets here"
    if listing.searched is not None:
        what = f"{_counted(len(counted), 'match', 'matches')} among the newest {listing.searched} assets"
        what = f"{what}; {able} extendable" if counted else what
    current = f"{onward} continuable with a current model ({_continuing()})" if onward else None
    joined = f"{_counted(films.count, 'joined film')}" if films.films else None
    more = f"more from offset {next_offset}" if next_offset is not None else None
    running = f"{len(listing.running)} running" if listing.running else None
    unknown = "" if listing.uncertain is None else f" {listing.uncertain or 'None'} left out as unknown."
    made = "; ".join(part for part in (what, current, joined, more, running) if part)
    return f"{made}.{_under_way(films.under_way)}{unknown}"


def _continuing() -> str:
    """What it costs to continue any clip by the usual step: "+5 s: gen4.5 for at most 60 credits, ..."."""
    step = DEFAULT_CREATE_MODEL.seconds[0]
    told = [each.removesuffix(" credits") for each in priced_models(step)]
    return f"+{step} s: {', '.join(told)} credits"


def _under_way(films: tuple[str, ...]) -> str:
    """Films that are being made, which stand among the films only once they are joined."""
    if not films:
        return ""
    named = ", ".join(films[:_MOST_UNDER_WAY])
    return f" {_counted(len(films), 'film')} of several parts under way, for get_task: {named}."


def _film(film: JoinedFilm) -> ListedFilm:
    return ListedFilm(
        id=film.film_id,
        name=cut(film.name, LONGEST_NAME),
        created_at=iso(film.created),
        seconds=round(film.seconds, 3),
        parts=film.parts,
        text_prompt=None if film.text_prompt == film.name else cut(film.text_prompt, _FILM_PROMPT),
        source_name=None if film.source_name == film.name else cut(film.source_name, LONGEST_NAME),
    )


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def _asset(listed: ListedAsset, film: str | None, *, links: bool, continues: bool) -> AssetOutput:
    asset, verdict, origin, longest = listed.asset, listed.verdict, listed.origin, listed.longest
    metadata = asset.metadata
    part = f"it is a part of the film {film}, which goes on by that id" if film else None
    untold = None if (metadata and metadata.duration) or not listed.continuable else _UNTOLD_LENGTH
    told = AssetOutput(
        asset_id=asset.asset_id,
        name=cut(asset.name, LONGEST_NAME),
        created_at=asset.created_at,
        duration_seconds=metadata.duration if metadata else None,
        width=metadata.width if metadata else None,
        height=metadata.height if metadata else None,
        text_prompt=cut(origin.text_prompt, _LONGEST_PROMPT),
        source_asset_id=origin.source_asset_id,
        source_name=None if origin.source_name == asset.name else cut(origin.source_name, LONGEST_NAME),
        extendable=verdict.extendable,
        reason="; ".join(why for why in (verdict.reason, part, untold) if why) or None,
        continuable=continues and listed.continuable,
        extended_count=verdict.extended_count,
        extensions_left=listed.extensions_left,
        longest_seconds=longest.seconds if longest else None,
        cost_to_longest=longest.cost if longest else None,
    )
    told = _fitted(told)
    if not links:
        return told
    more = {
        "uri": asset_uri(asset.asset_id),
        "url": asset.url,
        "url_expires_at": asset.url_expires_at,
        "preview_urls": list(asset.preview_urls[:_LISTED_PREVIEWS]) or None,
        "media_type": asset.media_type,
        "task_id": asset.task_id,
    }
    return told.model_copy(update=more)


def _fitted(asset: AssetOutput) -> AssetOutput:
    """The asset within `LONGEST_ASSET`: its prompt is cut first, then the name of its source, then its own.

    Names are cut at their end, that of a source after Runway's own words before the prompt are left out.
    """
    for words_of, shortest in _SHORTEST:
        while (over := len(json.dumps(asset.wire(), ensure_ascii=False)) - LONGEST_ASSET) > 0:
            words: str = getattr(asset, words_of) or ""
            if len(words) <= shortest:
                break
            kept = max(shortest, len(words) - over)
            # Of a source, whose assetId stands beside it, the telling part is kept in place of model and seed.
            words = label_of(words) if words_of == "source_name" else words
            asset = asset.model_copy(update={words_of: cut(words, kept)})
    return asset


def _running(running: Running) -> RunningOutput:
    task, origin = running.task, running.origin
    return RunningOutput(
        task_id=task.task_id,
        status=task.status,
        progress=task.progress,
        source_asset_id=origin.source_asset_id,
        text_prompt=cut(origin.text_prompt, _LONGEST_PROMPT),
        seconds=None if origin.seconds is None else int(origin.seconds),
    )


def cut(text: str | None, longest: int) -> str | None:
    """Text of at most `longest` characters, with an ellipsis where its end is missing."""
    return text if text is None or len(text) <= longest else f"{text[: longest - 1]}…"
