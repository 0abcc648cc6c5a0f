"""Resolver of references to clips, films and tasks: long ids, uuids, ids of films, URLs and exact names.

References are resolved in the ledger first, then among the newest assets.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import InvalidRequest, NotFound, RunwayError, plain_or_quoted, quoted
from runway_mcp.runway.ids import checked_id, kind_of
from runway_mcp.runway.models import Asset, Task
from runway_mcp.tasks.catalogue import CREATE_MODELS
from runway_mcp.tasks.failures import Failure, failure_of
from runway_mcp.tasks.intents import FILM_DIGITS, FILM_PREFIX, JOIN, JOINED_FILE, Intent, uuid_of
from runway_mcp.tasks.searching import is_cut_of
from runway_mcp.tasks.store.caller_view import CallerLedger
from runway_mcp.tasks.transitions import Selection

NEWEST = 200
"""How many of the newest assets are searched for a reference."""

_PAGE = 50
_NAME_READ_SECONDS = 3.0
_ACCOUNTS = 5
_NEAREST = 3
_LIKE = 0.75
_LONGEST_NAME = 200
_WORD = re.compile(r"[^\W\d_]{3,}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FILM = re.compile(rf"{FILM_PREFIX}[0-9a-z]{{{FILM_DIGITS}}}", re.IGNORECASE)

_OF_ANOTHER = (
    "Another user of this server asked for this clip, so its task is not told here. view_film shows the clip, and "
    "extend_video makes it longer."
)

_log = logging.getLogger(__name__)


def is_id(reference: str) -> bool:
    """Whether a reference is a long id, or the uuid of one."""
    return kind_of(reference) is not None or _UUID.fullmatch(reference) is not None


def film_id_in(reference: str) -> str | None:
    """The id of a film of several parts that a reference is, whether or not there is that film; else None."""
    plain = reference.strip()
    return plain.lower() if _FILM.fullmatch(plain) else None


def name_in(reference: str) -> str | None:
    """The name that a reference is, to search for it, without the mark of a cut; None for an id, a link or a URI."""
    name = reference.strip().removesuffix("…").strip()
    is_plain = not is_id(name) and film_id_in(name) is None
    is_name = is_plain and "://" not in name and not name.startswith("user:")
    return name if is_name and 0 < len(name) <= _LONGEST_NAME else None


def spelling_of(reference: str, caller: str) -> str:
    """A reference as the ledger stores it: an id by its uuid, a URL without its query, a name as the caller's.

    An id and a URL are of one clip; a name may be of another one when another caller uses it.
    """
    if is_id(reference):
        return uuid_of(reference)
    path = _path_of(reference)
    return f"link:{path}" if path else f"name:{reference}\n{caller}" if caller else f"name:{reference}"


async def find_clip(
    client: RunwayClient, ledger: CallerLedger, reference: str, *, email: str | None, by_film_names: bool = True
) -> str:
    """The long id of the asset that a reference names, or of the succeeded task that made it, or the id of a film.

    `by_film_names` is False where credits are to be spent: a film's name may become another film's by its next part.

    A uuid names an asset rather than a task; the film of another caller is unknown. A name is looked for in a list that
    is read after the call, since another clip may have got it a moment ago, and what is spent on a clip is spent for
    good. Raises `LedgerError`, and `Failure`: `not_found` with the nearest clips, `invalid_request` for a name that
    several assets or films have, or the failure of a read.
    """
    if kind_of(reference) is not None:
        return reference
    if (film := await _film(ledger, reference)) is not None:
        return film.film_id
    if is_id(reference) and (known := await ledger.named(uuid_of(reference))) is not None:
        return known
    assets = await _own_assets(client, ledger, email, fresh=name_in(reference) is not None)
    named = [asset for asset in assets if _is_named(asset, reference)]
    if not named and is_id(reference):
        made = [asset for asset in assets if asset.task_id and uuid_of(asset.task_id) == uuid_of(reference)]
        if made:
            return made[0].task_id or made[0].asset_id
    films = await _films_named(ledger, reference) if by_film_names else []
    if len(named) + len(films) == 1:
        return films[0].film_id if films else named[0].asset_id
    if named or films:
        raise _ambiguous(named, films)
    raise not_found("clip", reference, assets, await _films_like(ledger, reference))


async def find_task(client: RunwayClient, ledger: CallerLedger, reference: str, *, email: str | None) -> str:
    """The long id of the task that a reference names, or that made the asset it names; raises as `find_clip`.

    A film of several parts keeps its own id, since it is more than one task.
    """
    if kind_of(reference) == "task":
        return reference
    if (film := await _film(ledger, reference)) is not None:
        return film.film_id
    if is_id(reference) and (known := await ledger.named(uuid_of(reference), tasks_only=True)) is not None:
        return known
    if kind_of(reference) == "asset":
        return await _maker(client, ledger, reference, email)
    assets = await _own_assets(client, ledger, email)
    made = [each.task_id for each in assets if each.task_id and uuid_of(each.task_id) == uuid_of(reference)]
    named = [each for each in assets if _is_named(each, reference)]
    if made:
        return made[0]
    films = await _films_named(ledger, reference)
    if len(named) + len(films) == 1:
        return films[0].film_id if films else await _maker(client, ledger, named[0].asset_id, email)
    if named or films:
        raise _ambiguous(named, films)
    raise not_found("task", reference, assets, await _films_like(ledger, reference))


async def newest_assets(
    client: RunwayClient, email: str | None, *, media_type: str | None = None, fresh: bool = False
) -> list[Asset]:
    """The newest assets, at most a second old or `fresh`; if several accounts are linked and none is named, of each.

    Raises `Failure`.
    """
    try:
        return await _assets_of(client, email, media_type, fresh=fresh)
    except InvalidRequest as error:
        if email is not None:
            raise failure_of(error) from error
    except RunwayError as error:
        raise failure_of(error) from error
    try:
        accounts = await client.accounts(patience=_NAME_READ_SECONDS)
        read = [await _assets_of(client, each, media_type, fresh=fresh) for each in accounts[:_ACCOUNTS]]
        return [asset for assets in read for asset in assets]
    except RunwayError as error:
        raise failure_of(error) from error


async def nearest_clips(client: RunwayClient, ledger: CallerLedger, reference: str, *, email: str | None) -> str:
    """A sentence that names the clips nearest to an unknown reference; empty if they cannot be read."""
    try:
        assets, films = await _own_assets(client, ledger, email), await _films_like(ledger, reference)
        return _told(reference, _near(reference, assets, films))
    except Failure as failure:
        _log.info("the nearest clips could not be read: %s", failure)
        return ""


async def _own_assets(
    client: RunwayClient, ledger: CallerLedger, email: str | None, *, fresh: bool = False
) -> list[Asset]:
    """The newest assets, without those making tasks that exist for other callers alone."""
    assets = await newest_assets(client, email, fresh=fresh)
    made = dict.fromkeys(asset.task_id for asset in assets if asset.task_id)
    others = await ledger.hidden([Task(task_id=each) for each in made])
    return [each.model_copy(update={"task_id": None}) if each.task_id in others else each for each in assets]


def not_found(kind: str, reference: str, assets: Sequence[Asset], films: Sequence[Intent] = ()) -> Failure:
    """The failure of a reference that matches none of the assets that were read, and none of those films."""
    newest = max(NEWEST, len(assets))
    looked = f"No {kind} of that name, id or link is in this server's records or among the newest {newest} assets."
    near = _near(reference, assets, films)
    # A search for the misspelt name itself would find nothing; one for a name without a word like its own is a guess.
    alike = next((each.name for each in near[:1] if _has_word_like(reference, each.name)), None)
    return Failure("not_found", f"{looked} {_told(reference, near)}".strip(), nearest=alike)


async def _film(ledger: CallerLedger, reference: str) -> Intent | None:
    """The caller's film of several parts that a reference names by its id; None if there is none."""
    film_id = film_id_in(reference)
    found = await ledger.find("film_id", film_id) if film_id is not None else None
    return found if found is not None and found.task_type in CREATE_MODELS else None


async def _films_like(ledger: CallerLedger, reference: str) -> list[Intent]:
    """The films of several parts that a reference may mean: all of the caller's for the id or name of one."""
    if film_id_in(reference) is None and name_in(reference) is None:
        return []
    made = await ledger.select(Selection.SUCCEEDED)
    return [each for each in made if each.task_type in CREATE_MODELS]


async def _films_named(ledger: CallerLedger, reference: str) -> list[Intent]:
    """The caller's joined films that have a name; what is called by the clip that it began with has none of its own."""
    if name_in(reference) is None:
        return []
    joined = [each for each in await _films_like(ledger, reference) if each.step(JOIN) is not None]
    return [each for each in joined if _is_name(film_label(each), reference) and film_label(each) != each.source_name]


def film_label(film: Intent) -> str:
    """What a film is called: by its file, where it lies under a name of its own, else by its prompt or its source."""
    joined = film.step(JOIN)
    file = Path(joined.made["path"]).name if joined is not None else JOINED_FILE
    return file if file != JOINED_FILE else film.text_prompt or film.source_name or film.film_id


def _ambiguous(named: Sequence[Asset], films: Sequence[Intent]) -> Failure:
    told = [f"{film.film_id} (a joined film)" for film in films[:5]]
    ids = "; ".join([*told, *(f"{asset.asset_id} (made {_dated(asset)})" for asset in named[: 5 - len(told)])])
    what = "assets or films" if films else "assets"
    return Failure("invalid_request", f"Several {what} have this name. Pass one's assetId: {ids}.")


def _dated(asset: Asset) -> str:
    return plain_or_quoted(asset.created_at) if asset.created_at else "at an unknown time"


async def _maker(client: RunwayClient, ledger: CallerLedger, asset_id: str, email: str | None) -> str:
    async def once() -> Asset:
        return await client.asset(checked_id(asset_id, "taskId"), patience=_NAME_READ_SECONDS)

    try:
        asset = await client.shared.read(("maker of", asset_id), once)
    except NotFound as error:
        failure, near = failure_of(error), await nearest_clips(client, ledger, asset_id, email=email)
        raise replace(failure, message=f"{failure.message} {near}".strip()) from error
    except RunwayError as error:
        raise failure_of(error) from error
    if asset.task_id is None:
        raise Failure("not_found", "No task made this asset: it was uploaded.")
    if asset.task_id in await ledger.hidden([Task(task_id=asset.task_id)]):
        raise Failure("not_found", _OF_ANOTHER)
    return asset.task_id


async def _assets_of(client: RunwayClient, email: str | None, media_type: str | None, *, fresh: bool) -> list[Asset]:
    async def once() -> tuple[Asset, ...]:
        return tuple(await _read_newest(client, email, media_type))

    return [*await client.shared.read(("newest assets", email, media_type), once, fresh=fresh)]


async def _read_newest(client: RunwayClient, email: str | None, media_type: str | None) -> list[Asset]:
    found: list[Asset] = []
    for offset in range(0, NEWEST, _PAGE):
        page = await client.assets(
            media_type=media_type, offset=offset, limit=_PAGE, email=email, patience=_NAME_READ_SECONDS
        )
        found += page
        if len(page) + page.skipped < _PAGE:
            break
    return found


def _is_named(asset: Asset, reference: str) -> bool:
    if is_id(reference):
        return uuid_of(asset.asset_id) == uuid_of(reference)
    path = _path_of(reference)
    if path is None:
        return _is_name((asset.name or "").strip(), reference)
    return any(_path_of(link) == path for link in (asset.url, *asset.preview_urls) if link)


def _is_name(name: str, reference: str) -> bool:
    """Whether a reference is a name, or what is left of one that was cut."""
    return name == reference or is_cut_of(reference, name)


def _path_of(link: str) -> str | None:
    """Host and path of a URL, which identify a film whatever its signature; None for anything else."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    return (
        f"{parts.netloc.lower()}{parts.path}" if parts.scheme in ("http", "https") and parts.path.strip("/") else None
    )


@dataclass(frozen=True)
class _Candidate:
    """A clip or film that may be meant: its id and name, and what else it is compared by."""

    id: str
    name: str
    names: tuple[str, ...]


def _near(reference: str, assets: Sequence[Asset], films: Sequence[Intent]) -> list[_Candidate]:
    """The clips and films whose name or id is most like the reference, the most similar first."""
    words = _words(reference)

    def likeness(candidate: _Candidate) -> tuple[int, float]:
        return len(words.intersection(_WORD.findall(candidate.name.casefold()))), _ratio(reference, candidate)

    clips = [_of_asset(asset) for asset in assets if asset.media_type in (None, "video")]
    return sorted([*clips, *map(_of_film, films)], key=likeness, reverse=True)[:_NEAREST]


def _ratio(reference: str, candidate: _Candidate) -> float:
    """How like the reference an id or a name of the candidate is: 1 for the same letters, 0 for none in common."""
    import difflib  # noqa: PLC0415  only where a name fits nothing

    wanted = uuid_of(reference).casefold()[:200]
    return max(difflib.SequenceMatcher(None, wanted, each[:200]).ratio() for each in candidate.names)


def _words(reference: str) -> set[str]:
    """The words of a name, or of the uuid in an id; none of a film's id."""
    return set() if film_id_in(reference) else set(_WORD.findall(uuid_of(reference).casefold()))


def _has_word_like(reference: str, name: str) -> bool:
    """Whether a word of the reference is a word of the name, or one that is misspelt."""
    import difflib  # noqa: PLC0415  only where a name fits nothing

    words = [] if is_id(reference) else _WORD.findall(name.casefold())
    return any(difflib.get_close_matches(word, words, n=1, cutoff=_LIKE) for word in _words(reference))


def _told(reference: str, near: Sequence[_Candidate]) -> str:
    """A sentence with these clips and films, and whether they are like the reference; empty without any."""
    if not near:
        return ""
    told = "; ".join(f"{quoted(each.name or 'unnamed')} {each.id}" for each in near)
    # Two ids have half of their letters in common by chance; a caller must not take such a clip for the one he meant.
    is_strange = is_id(reference) and all(_ratio(reference, each) < _LIKE for each in near)
    return f"No id here is like it. Others are: {told}." if is_strange else f"The nearest are: {told}."


def _of_asset(asset: Asset) -> _Candidate:
    name = asset.name or ""
    return _Candidate(asset.asset_id, name, (uuid_of(asset.asset_id), name.casefold(), uuid_of(asset.task_id or "")))


def _of_film(film: Intent) -> _Candidate:
    return _Candidate(film.film_id, label := film_label(film), (film.film_id, label.casefold()))
