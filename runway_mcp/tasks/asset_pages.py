"""Pages of upstream's assets: one and whether more follow, or all that a search covers; in bounded time."""

import logging
from dataclasses import dataclass

import anyio

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import InvalidRequest, RunwayError
from runway_mcp.runway.models import Asset
from runway_mcp.tasks.failures import Failure, failure_of

LAST_OFFSET = 1000
"""The largest offset that upstream takes."""

SEARCHED = 200
"""How many of the newest assets a search covers."""

_log = logging.getLogger(__name__)

_ACCOUNTS_PATIENCE = 3.0
_NAMED_ADDRESSES = 20
_BAD_REQUEST = 400
_UPSTREAM_PAGE = 50


@dataclass(frozen=True)
class Page:
    """Which assets to list: media type, offset, limit and account.

    `email` may be None while only one account is linked. With a `query` (words that must all match) or
    `extendable_only`, `offset` and `limit` count matches among the newest assets. `continues` says that what can be
    continued by a current model counts as extendable there. Assets whose name begins with `left_out` are not listed.
    """

    media_type: str
    offset: int
    limit: int
    email: str | None
    query: str | None = None
    extendable_only: bool = False
    continues: bool = False
    left_out: str | None = None

    @property
    def searches(self) -> bool:
        """Whether the page is a search for matches."""
        return self.extendable_only or bool(self.query and self.query.strip())


async def read_assets(client: RunwayClient, page: Page, *, seconds: float) -> tuple[tuple[Asset, ...], bool]:
    """The assets of the page, or all those that a search covers; and whether more may follow the page.

    Raises `Failure`, of kind `account` if one of several accounts must be named, and after `seconds` without any.
    """
    found, counted = list[Asset](), 0
    with anyio.move_on_after(seconds):
        try:
            for offset, limit in _windows(page):
                read = await client.assets(
                    media_type=page.media_type, offset=offset, limit=limit, email=page.email, patience=seconds / 2
                )
                found += read
                counted += len(read) + read.skipped
                if len(read) + read.skipped < limit:
                    return _page_of(found, page, is_more=counted > page.limit)
        except RunwayError as error:
            if not found:
                raise await _unlistable(client, error, page.email) from error
            _log.info("a further page of assets could not be read: %s", error)
        return _page_of(found, page, is_more=counted >= page.limit)
    if found:
        return _page_of(found, page, is_more=counted >= page.limit)
    raise Failure("unavailable", "Runway did not list the assets in time.")


def _windows(page: Page) -> list[tuple[int, int]]:
    """The offsets and limits to read; of a page one asset more, which tells whether another page follows."""
    if page.searches:
        return [(offset, _UPSTREAM_PAGE) for offset in range(0, SEARCHED, _UPSTREAM_PAGE)]
    if page.limit < _UPSTREAM_PAGE:
        return [(page.offset, page.limit + 1)]
    following = page.offset + page.limit
    return [(page.offset, page.limit), *([(following, 1)] if following <= LAST_OFFSET else [])]


def _page_of(found: list[Asset], page: Page, *, is_more: bool) -> tuple[tuple[Asset, ...], bool]:
    if page.searches:
        return tuple(found), False
    return tuple(found[: page.limit]), is_more and page.offset + page.limit <= LAST_OFFSET


async def _unlistable(client: RunwayClient, error: RunwayError, email: str | None) -> Failure:
    """The failure of reading assets: upstream sends 400 if several accounts are linked and none is named."""
    if isinstance(error, InvalidRequest) and error.status == _BAD_REQUEST and email is None:
        try:
            addresses = await client.accounts(patience=_ACCOUNTS_PATIENCE)
        except RunwayError:
            addresses = ()
        if len(addresses) > 1:
            names = ", ".join(addresses[:_NAMED_ADDRESSES])
            message = (
                f"Several Runway accounts are linked: {names}. Name the one to list with email, or set USEAPI_EMAIL."
            )
            return Failure("account", message, addresses=addresses)
    return failure_of(error)
