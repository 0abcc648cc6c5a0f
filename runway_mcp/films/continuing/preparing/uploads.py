"""Uploads of frames and joined films: one for each account and file, looked for by its name before another is made.

What is uploaded, or may be, stands in a small file of the data folder before its POST, for every process to read.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, Literal

import anyio
from anyio.to_thread import run_sync

from runway_mcp.films.continuing.dependencies import Dependencies, end_step
from runway_mcp.films.continuing.steps import UploadMade
from runway_mcp.films.continuing.workspace import held, write_whole
from runway_mcp.runway.errors import (
    AccountBroken,
    NotFound,
    RunwayError,
    SubscriptionLapsed,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
)
from runway_mcp.runway.links import file_of
from runway_mcp.runway.models import Asset
from runway_mcp.tasks.failures import Failure, failure_of
from runway_mcp.tasks.intents import UPLOAD, Intent
from runway_mcp.tasks.store.token_view import user_of

if TYPE_CHECKING:
    from runway_mcp.films.continuing.preparing.frame import Frame

FOLDER: Final = "uploads"
"""The folder of the records in the data folder."""

FILM_NAME: Final = "runway-mcp-film-"
"""What the name of every uploaded film begins with."""

FRAME_NAME: Final = "runway-mcp-frame-"
"""What the name of every uploaded frame begins with."""

LOOKING_SECONDS: Final = 60.0
"""For so long an upload without an answer is looked for before another one is made, in seconds."""

LARGEST_FILM: Final = 500_000_000
"""The most bytes of a film that are uploaded, since they are in memory meanwhile."""

MediaType = Literal["image", "video"]
"""What an upload is."""

_MOST_UPLOADS = 2
_LOOK_PAUSE = 3.0
_PAGE, _PAGES = 50, 2
# So many letters and digits follow the beginning of a name.
_NAMED_BY = 32


@dataclass(frozen=True)
class UploadRecord:
    """An upload: its unguessable name, when its last POST left (Unix seconds of the ledger), and what came of it."""

    name: str
    posted: float
    asset_id: str | None = None
    file: str | None = None


@dataclass(frozen=True)
class _Content:
    """What is uploaded: bytes of a media type under an unguessable name, with its size in pixels where it counts."""

    content: bytes
    name: str
    content_type: str
    media_type: MediaType
    width: int | None = None
    height: int | None = None


async def uploaded(
    dependencies: Dependencies, intent: Intent, frame: "Frame", *, is_left: bool = False
) -> tuple[Intent, str]:
    """The intent with its upload step ended, and the assetId of its frame.

    The same frame of an account is uploaded once, for however many films; only one that stays unseen for a minute is
    uploaded a second time. One that was deleted meanwhile is uploaded anew. Of an intent that `is_left` an upload by
    another server on a copy of the ledger is looked for first: its task names that one. Raises `Failure`, `ClaimLost`,
    `KeepingError` and `LedgerError`.
    """
    path = _record_path(dependencies, intent.account, frame.digest, user=dependencies.user)
    async with held(path.with_suffix(".lock"), pause=dependencies.pause):
        record = await _earlier(dependencies, path, intent.account, frame.digest)
        if record is not None and record.asset_id is not None and not await _is_there(dependencies, record.asset_id):
            record = None
        if record is None or record.asset_id is None:
            # By its pixels: each copy of the ledger gives the same name, and nobody else can guess it.
            name = f"{FRAME_NAME}{hashlib.sha256(frame.digest.encode()).hexdigest()[:_NAMED_BY]}"
            picture = _Content(frame.png, name, "image/png", "image", frame.width, frame.height)
            record = await _made(dependencies, path, intent.account, picture, record, looks_first=is_left)
    assert record.asset_id is not None  # noqa: S101  for the type alone: `_made` returns no other
    return await end_step(
        dependencies, intent, UPLOAD, UploadMade(record.asset_id, record.file).made()
    ), record.asset_id


async def uploaded_film(dependencies: Dependencies, intent: Intent, film: Path) -> str:
    """The assetId of a joined film in the account, uploaded once; raises `Failure`, `KeepingError` and OSError.

    The failure is `invalid_request` where no upload of it is taken.
    """
    if (await run_sync(film.stat)).st_size > LARGEST_FILM:
        raise Failure(
            "invalid_request", f"The film has more than {LARGEST_FILM // 1_000_000} MB, too many for an upload."
        )
    path = _record_path(dependencies, intent.account, intent.film_id, user=dependencies.user)
    async with held(path.with_suffix(".lock"), pause=dependencies.pause):
        record = await _earlier(dependencies, path, intent.account, intent.film_id)
        if record is None or record.asset_id is None:
            content = await run_sync(film.read_bytes)
            whole = _Content(content, f"{FILM_NAME}{token_hex(_NAMED_BY // 2)}", "video/mp4", "video")
            record = await _made(dependencies, path, intent.account, whole, record)
    assert record.asset_id is not None  # noqa: S101  as above
    return record.asset_id


async def _is_there(dependencies: Dependencies, asset_id: str) -> bool:
    """Whether an upload is still there; one that cannot be read now counts as there."""
    try:
        await dependencies.client.asset(asset_id, patience=0)
    except NotFound:
        return False
    except RunwayError:
        return True
    return True


async def _made(
    dependencies: Dependencies,
    path: Path,
    account: str | None,
    whole: _Content,
    record: UploadRecord | None,
    *,
    looks_first: bool = False,
) -> UploadRecord:
    """Uploads, unless an earlier POST did; each POST is on disk before it leaves."""
    if looks_first and record is None:
        # A list that cannot be read is no hindrance: uploads are free, and a task of the other one shows all the same.
        with suppress(RunwayError):
            if (found := await _listed(dependencies, account, whole.name, whole.media_type)) is not None:
                return await _noted(path, UploadRecord(whole.name, dependencies.store.now()), found)
    for _ in range(_MOST_UPLOADS):
        if (
            record is not None
            and (found := await _looked_for(dependencies, account, record, whole.media_type)) is not None
        ):
            return await _noted(path, record, found)
        name = record.name if record is not None else whole.name
        record = UploadRecord(name, dependencies.store.now())
        await run_sync(write_whole, path, json.dumps(asdict(record)).encode())
        try:
            asset = await dependencies.client.upload_asset(
                whole.content,
                name=name,
                content_type=whole.content_type,
                email=account,
                width=whole.width,
                height=whole.height,
            )
        except (Unavailable, UnexpectedResponse) as error:
            if isinstance(error, Unavailable) and not error.sent:
                raise await _refused(path, error) from error
            continue
        except (Unauthorized, SubscriptionLapsed, AccountBroken) as error:
            raise await _refused(path, error) from error
        except RunwayError as error:
            # A proxy that repeats a POST can tell of a refusal though the first one arrived: the next try looks for it.
            raise failure_of(error) from error
        return await _noted(path, record, asset)
    if record is not None and (found := await _looked_for(dependencies, account, record, whole.media_type)) is not None:
        return await _noted(path, record, found)
    raise Failure("unavailable", _LOST)


async def _refused(path: Path, error: RunwayError) -> Failure:
    """The failure of an upload that surely made nothing; its record goes."""
    await run_sync(partial(path.unlink, missing_ok=True))
    return failure_of(error)


async def _noted(path: Path, record: UploadRecord, asset: Asset) -> UploadRecord:
    done = replace(record, asset_id=asset.asset_id, file=file_of(asset.url))
    await run_sync(write_whole, path, json.dumps(asdict(done)).encode())
    return done


async def _looked_for(
    dependencies: Dependencies, account: str | None, record: UploadRecord, media_type: MediaType
) -> Asset | None:
    """The upload in the account's list; None once a list that was read a minute after its POST has not shown it.

    Raises `Failure` if by twice that time no list could be read.
    """
    begun = anyio.current_time()
    while True:
        # The wall clock may have been set back since.
        age = max(dependencies.store.now() - record.posted, anyio.current_time() - begun)
        try:
            found = await _listed(dependencies, account, record.name, media_type)
        except RunwayError as error:
            if age >= 2 * LOOKING_SECONDS:
                raise failure_of(error) from error
        else:
            if found is not None or age >= LOOKING_SECONDS:
                return found
        await dependencies.pause(_LOOK_PAUSE)


async def _listed(dependencies: Dependencies, account: str | None, name: str, media_type: MediaType) -> Asset | None:
    for page in range(_PAGES):
        assets = await dependencies.client.assets(
            media_type=media_type, offset=page * _PAGE, limit=_PAGE, email=account, patience=0
        )
        found = next((each for each in assets if (each.name or "").partition(".")[0] == name), None)
        if found is not None or not assets:
            return found
    return None


def _record_path(dependencies: Dependencies, account: str | None, digest: str, *, user: str | None) -> Path:
    whose = f"{account}" if user is None else f"{user} {account}"
    key = hashlib.sha256(f"{whose} {digest}".encode()).hexdigest()[:32]
    return dependencies.data_dir / FOLDER / f"{key}.json"


async def _earlier(dependencies: Dependencies, path: Path, account: str | None, digest: str) -> UploadRecord | None:
    """The record of an upload; one from before accounts were told apart by their users is taken unless it is another's.

    One of a POST without an answer may be of either, and is looked for in this account alone.
    """
    record = await run_sync(_read, path)
    if record is None and dependencies.user is not None:
        record = await run_sync(_read, _record_path(dependencies, account, digest, user=None))
        if record is not None and record.asset_id is not None and user_of(record.asset_id) != dependencies.user:
            return None
    return record


def _read(path: Path) -> UploadRecord | None:
    with suppress(FileNotFoundError, ValueError, TypeError, KeyError):
        told: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return UploadRecord(str(told["name"]), float(told["posted"]), told["asset_id"], told["file"])
    return None


_LOST = (
    "Runway's answer to an upload did not arrive, and the upload does not show. Uploads are free. Make the same call "
    "later."
)
