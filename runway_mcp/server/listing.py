"""A page of assets, each with the verdict whether it can be extended.

One page of tasks is read for the tasks that made the assets; those that it lacks are read one by one. What cannot be
read in time leaves `unknown` behind, never a failed listing.
"""

import logging
from dataclasses import dataclass

import anyio

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import InvalidRequest, NotFound, RunwayError
from runway_mcp.runway.models import Asset, Task
from runway_mcp.tasks.failures import Failure, failure_of
from runway_mcp.tasks.lineage import Verdict, judge

LAST_OFFSET = 1000
"""The largest offset that upstream takes."""

_log = logging.getLogger(__name__)

_MAKERS_PATIENCE = 3.0
# How much of the time the assets themselves may take; the rest is for the tasks that made them.
_ASSETS_SHARE = 0.6
_AT_ONCE = 5
_NAMED_ADDRESSES = 20
_BAD_REQUEST = 400


@dataclass(frozen=True)
class Page:
    """Which assets to list: their kind, how many to skip, how many at most, of which account.

    `email` may be None while only one account is linked.
    """

    media_type: str
    offset: int
    limit: int
    email: str | None


@dataclass(frozen=True)
class Listed:
    """An asset and whether it can be extended."""

    asset: Asset
    verdict: Verdict


@dataclass(frozen=True)
class Listing:
    """A page of assets, the unfinished tasks seen on the way, and where the next page begins if there may be one."""

    assets: tuple[Listed, ...]
    running: tuple[Task, ...]
    next_offset: int | None


class _Makers:
    """The tasks that made the assets of one listing, as far as they could be read."""

    def __init__(self) -> None:
        self.page: tuple[Task, ...] = ()
        self.read: dict[str, Task] = {}
        self.gone: set[str] = set()

    def verdict(self, asset: Asset) -> Verdict:
        maker = self.read.get(asset.task_id or "")
        return judge(asset, maker, read_failed=maker is None and asset.task_id not in self.gone)


async def list_page(client: RunwayClient, page: Page, *, seconds: float) -> Listing:
    """Reads one page within so many seconds; raises `Failure`, of kind `account` when several accounts are linked."""
    deadline = anyio.current_time() + seconds
    assets = await _assets(client, page, seconds=seconds * _ASSETS_SHARE)
    makers = _Makers()
    with anyio.move_on_after(deadline - anyio.current_time()):
        await _read_page(client, makers, page.email)
        await _read_missing(client, makers, assets)
    following = page.offset + page.limit
    return Listing(
        assets=tuple(Listed(asset, makers.verdict(asset)) for asset in assets),
        running=tuple(task for task in makers.page if not task.is_terminal),
        next_offset=following if len(assets) == page.limit and following <= LAST_OFFSET else None,
    )


async def _assets(client: RunwayClient, page: Page, *, seconds: float) -> tuple[Asset, ...]:
    with anyio.move_on_after(seconds):
        try:
            return await client.assets(
                media_type=page.media_type,
                offset=page.offset,
                limit=page.limit,
                email=page.email,
                patience=seconds / 2,
            )
        except RunwayError as error:
            raise await _unlistable(client, error, page.email) from error
    raise Failure("unavailable", "Runway did not list the assets in time.")


async def _unlistable(client: RunwayClient, error: RunwayError, email: str | None) -> Failure:
    """Upstream answers 400 when several accounts are linked and none is named: its accounts tell if that is why."""
    if isinstance(error, InvalidRequest) and error.status == _BAD_REQUEST and email is None:
        try:
            addresses = await client.accounts(patience=_MAKERS_PATIENCE)
        except RunwayError:
            addresses = ()
        if len(addresses) > 1:
            names = ", ".join(addresses[:_NAMED_ADDRESSES])
            message = (
                f"Several Runway accounts are linked: {names}. Name the one to list with email, or set USEAPI_EMAIL."
            )
            return Failure("account", message, addresses=addresses)
    return failure_of(error)


async def _read_page(client: RunwayClient, makers: _Makers, email: str | None) -> None:
    try:
        makers.page = await client.tasks(email=email, limit=100, patience=_MAKERS_PATIENCE)
    except RunwayError as error:
        _log.info("the tasks beside a listing could not be read: %s", error)
    makers.read |= {task.task_id: task for task in makers.page}


async def _read_missing(client: RunwayClient, makers: _Makers, assets: tuple[Asset, ...]) -> None:
    needed = {
        asset.task_id
        for asset in assets
        if asset.task_id and asset.task_id not in makers.read and asset.media_type in (None, "video")
    }
    room = anyio.CapacityLimiter(_AT_ONCE)

    async def read(task_id: str) -> None:
        async with room:
            try:
                makers.read[task_id] = await client.task(task_id, patience=_MAKERS_PATIENCE)
            except NotFound:
                makers.gone.add(task_id)
            except RunwayError as error:
                _log.info("the task that made an asset could not be read: %s", error)

    async with anyio.create_task_group() as reads:
        for task_id in sorted(needed):
            reads.start_soon(read, task_id)
