"""Listings and assets as structured content; what is unknown is left out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from runway_mcp.films.continuing.listing import JoinedFilm
from runway_mcp.films.naming import label_of
from runway_mcp.films.places import SavedFilm
from runway_mcp.runway.models import Asset, Metadata
from runway_mcp.server.contract import next_steps
from runway_mcp.server.contract.next_steps import Asked
from runway_mcp.server.contract.outputs import (
    AssetDocument,
    AssetOutput,
    AssetsOutput,
    ListedFilm,
    NextStep,
    RunningOutput,
    SavedOutput,
    Video,
)
from runway_mcp.server.contract.results.text import LISTED_PROMPT, LONGEST_NAME
from runway_mcp.server.contract.uris import asset_uri
from runway_mcp.tasks.catalogue import DEFAULT_CREATE_MODEL
from runway_mcp.tasks.creating import priced_models
from runway_mcp.tasks.intents import uuid_of
from runway_mcp.tasks.listing import AssetListing, ListedAsset, Running
from runway_mcp.tasks.policy import iso
from runway_mcp.tasks.searching import cut

LONGEST_ASSET = 600
"""The size of an asset in a listing without links, in characters of JSON."""

_UNTOLD_LENGTH = "length: from view_film{}"
_MOST_RUNNING, _MOST_UNDER_WAY, _LISTED_PREVIEWS = 20, 5, 4
# The most characters of a prompt in a listing, and the fewest to which a long asset's are cut.
_LONGEST_PROMPT = 200
# Runway's names hold the prompt, so the prompt alone tells clips apart best.
_SHORTEST = (
    *(("text_prompt", 60), ("source_name", 24), ("name", 24), ("text_prompt", 48), ("source_name", 0)),
    *(("text_prompt", 20), ("name", 20)),
)


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
    listing: AssetListing,
    asked: Asked,
    *,
    films: FilmsListing = FilmsListing(),
    continues: bool = False,
    lengths: Mapping[str, float] = MappingProxyType({}),
) -> AssetsOutput:
    """A page of assets; with the argument `links` also their links, previews, URIs and making tasks.

    `continues` says that this server continues clips with current models. `lengths` are those that it has read from
    the clips themselves, in seconds, by their uuids.
    """
    links = asked.arguments.get("links") is True
    next_offset = listing.next_offset if listing.next_offset is not None else films.next_offset
    return AssetsOutput(
        summary=_summary(listing, films, next_offset, continues=continues),
        assets=[
            _asset(
                each,
                listing.query,
                film=films.of_parts.get(uuid_of(each.asset.asset_id)),
                length=lengths.get(uuid_of(each.asset.asset_id)),
                links=links,
                continues=continues,
            )
            for each in listing.assets
        ],
        films=[_film(film, listing.query, continues=continues) for film in films.films] or None,
        next_offset=next_offset,
        running=[_running(each) for each in listing.running[:_MOST_RUNNING]],
        next_step=_next_step(listing, films, asked, next_offset),
    )


def _next_step(listing: AssetListing, films: FilmsListing, asked: Asked, next_offset: int | None) -> NextStep | None:
    """The next page; of an empty one the first page, or the listing without the search that matched nothing."""
    if next_offset is not None:
        return next_steps.next_page(asked, next_offset)
    if listing.assets or films.films:
        return None
    if listing.matches == () and not films.count:
        return next_steps.without_search(asked)
    return next_steps.first_page(asked) if asked.arguments.get("offset") else None


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
    onward = sum(listed.continuable for listed in counted) + (films.count if listing.query else 0) if continues else 0
    current = f"{onward} continuable with a current model, as often as wanted ({_continuing()})" if onward else None
    is_told = listing.query is not None or not films.films
    joined = None if is_told else _counted(films.count, "joined film")
    order = "clips newest first, then joined films" if listing.assets and films.films else None
    more = f"more from offset {next_offset}" if next_offset is not None else None
    running = f"{len(listing.running)} running" if listing.running else None
    unknown = "" if listing.uncertain is None else f" {listing.uncertain or 'None'} left out as unknown."
    told = (_found(listing, films, able), current, joined, order, more, running)
    return f"{'; '.join(part for part in told if part)}.{_under_way(films.under_way)}{unknown}"


def _found(listing: AssetListing, films: FilmsListing, able: int) -> str:
    """How many clips there are, of a search among how many; with words to search for, films are counted with them."""
    extendable = f"; {able} extendable" if listing.matches else ""
    if listing.matches is None:
        count = len(listing.assets)
        return f"{_counted(count, 'asset')}, {able} of them extendable" if count else "No assets here"
    if listing.query is None:
        return f"{len(listing.matches)} of the newest {_counted(listing.searched or 0, 'asset')}{extendable}"
    matches = _counted(len(listing.matches) + films.count, "match", "matches")
    apart = (
        f" ({_counted(len(listing.matches), 'clip')}, {_counted(films.count, 'joined film')})" if films.count else ""
    )
    among = f"the newest {_counted(listing.searched or 0, 'asset')} and all joined films"
    return f"{matches}{apart} among {among}{extendable}"


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


def _film(film: JoinedFilm, query: str | None, *, continues: bool) -> ListedFilm:
    return ListedFilm(
        id=film.film_id,
        name=cut(film.name, LONGEST_NAME),
        created_at=iso(film.made),
        seconds=round(film.seconds, 3),
        width=film.width,
        height=film.height,
        parts=film.parts,
        continuable=continues,
        text_prompt=None if film.text_prompt == film.name else cut(film.text_prompt, LISTED_PROMPT, query),
        source_name=None if film.source_name == film.name else cut(film.source_name, LONGEST_NAME),
        matched=film.matched,
    )


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def _asset(
    listed: ListedAsset, query: str | None, *, film: str | None, length: float | None, links: bool, continues: bool
) -> AssetOutput:
    measured = _measured(listed, length)
    asset, verdict, origin, longest = measured.asset, listed.verdict, listed.origin, measured.longest
    metadata = asset.metadata
    part = f"part of {film}; go on with the film by that id" if film else None
    untold = (
        None if (metadata and metadata.duration) or not listed.continuable else _untold(listed, continues=continues)
    )
    told = AssetOutput(
        asset_id=asset.asset_id,
        name=cut(asset.name, LONGEST_NAME),
        created_at=asset.created_at,
        duration_seconds=metadata.duration if metadata else None,
        duration_as_read=True if measured is not listed else None,
        width=metadata.width if metadata else None,
        height=metadata.height if metadata else None,
        text_prompt=_prompt(origin.text_prompt, query),
        source_asset_id=origin.source_asset_id,
        source_name=None if origin.source_name == asset.name else cut(origin.source_name, LONGEST_NAME),
        matched=listed.matched,
        continuable=continues and listed.continuable,
        extendable=verdict.extendable,
        reason="; ".join(why for why in (verdict.short or verdict.reason, part, untold) if why) or None,
        extended_count=verdict.extended_count,
        extensions_left=listed.extensions_left,
        longest_seconds=longest.seconds if longest else None,
        cost_to_longest=longest.cost if longest else None,
    )
    told = _fitted(told, query)
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


def _measured(listed: ListedAsset, length: float | None) -> ListedAsset:
    """The asset with a length that was read from its film, where Runway tells none."""
    metadata = listed.asset.metadata or Metadata()
    if length is None or metadata.duration:
        return listed
    metadata = metadata.model_copy(update={"duration": round(length, 2)})
    return replace(listed, asset=listed.asset.model_copy(update={"metadata": metadata}))


def _untold(listed: ListedAsset, *, continues: bool) -> str:
    """That the length is unknown, and which calls read it: a dry run where a model would go on from the last frame."""
    is_priced = continues and listed.verdict.extendable == "no"
    return _UNTOLD_LENGTH.format(" or a dry_run" if is_priced else "")


def _prompt(prompt: str | None, query: str | None) -> str | None:
    """A prompt; as short as in the text block where only its cut shows the words of a query."""
    shown = cut(prompt, LISTED_PROMPT, query)
    return shown if shown != cut(prompt, LISTED_PROMPT) else cut(prompt, _LONGEST_PROMPT)


def _fitted(asset: AssetOutput, query: str | None) -> AssetOutput:
    """The asset within `LONGEST_ASSET`: its prompt is cut first, then the name of its source, then its own.

    Of a source's name Runway's own words before the prompt are left out first.
    """
    for words_of, shortest in _SHORTEST:
        while (over := len(json.dumps(asset.wire(), ensure_ascii=False)) - LONGEST_ASSET) > 0:
            words: str = getattr(asset, words_of) or ""
            if len(words) <= shortest:
                break
            if not shortest:
                asset = asset.model_copy(update={words_of: None})
                break
            kept = max(shortest, len(words) - over)
            # Of a source, whose assetId stands beside it, the telling part is kept in place of model and seed.
            words = label_of(words) if words_of == "source_name" else words
            asset = asset.model_copy(update={words_of: cut(words, kept, query if words_of == "text_prompt" else None)})
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
