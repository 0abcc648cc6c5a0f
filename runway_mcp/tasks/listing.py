"""Page of assets, each with its verdict, its origin and the longest film that can be made of it.

Reads one page of tasks for the tasks that made the assets, for a search up to five, and the missing ones singly. What
cannot be read in time becomes `unknown`; it never fails the page.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import anyio

from runway_mcp.runway.client import LARGEST_PAGE, RunwayClient
from runway_mcp.runway.errors import NotFound, RunwayError
from runway_mcp.runway.models import Asset, Task
from runway_mcp.tasks.asset_pages import Page, read_assets
from runway_mcp.tasks.intents import Intent, uuid_of
from runway_mcp.tasks.lineage import Reach, Verdict, is_continuable, judge, reach
from runway_mcp.tasks.searching import FoundBy, Matched, has_words
from runway_mcp.tasks.store.caller_view import CallerLedger
from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.transitions import Selection

_log = logging.getLogger(__name__)

_MAKERS_PATIENCE = 3.0
# The share of the time for the assets themselves; the rest is for the tasks that made them.
_ASSETS_SHARE = 0.6
_AT_ONCE = 5
# How many tasks are read with a page of assets, and with a search.
_TASKS, _TASKS_OF_A_SEARCH = 100, 1000
# The most tasks that are read singly.
_SINGLE_READS = 50
_ANCESTORS = 3


@dataclass(frozen=True)
class Origin:
    """What a film came from, as far as is known: the prompt of the task that made it, and the extended clip."""

    text_prompt: str | None = None
    source_asset_id: str | None = None
    source_name: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class ListedAsset:
    """An asset with its verdict and its origin; `matched` where a search found it by more than its own words."""

    asset: Asset
    verdict: Verdict
    origin: Origin
    matched: Matched | None = None

    @property
    def continuable(self) -> bool:
        """Whether a current model can go on from its last frame."""
        return is_continuable(self.asset)

    @property
    def extensions_left(self) -> int | None:
        """How many more extensions it can get; None if its model is not known."""
        if self.verdict.model is None or self.verdict.extended_count is None:
            return None
        return max(0, self.verdict.model.max_extensions - self.verdict.extended_count)

    @property
    def longest(self) -> Reach | None:
        """The longest film that can be made of it; None if it cannot be extended or its length is not known."""
        model, left = self.verdict.model, self.extensions_left
        if self.verdict.extendable != "yes" or model is None or left is None:
            return None
        return reach(model, self.asset.metadata.duration if self.asset.metadata else None, left)


@dataclass(frozen=True)
class Running:
    """A non-terminal task and its origin."""

    task: Task
    origin: Origin


def _nothing(_: str | None) -> str:
    return ""


@dataclass(frozen=True)
class AssetListing:
    """A page of assets, the non-terminal tasks read with it, and the offset of the next page if there may be one.

    `searched` counts the assets that were searched, `matches` are all that match; both are None without a search.
    `query` are the words that were searched for. `uncertain` counts those that only an unknown verdict left out; None
    if verdicts decided nothing. `ancestors` gives the names of what the film of a task came from.
    """

    assets: tuple[ListedAsset, ...]
    running: tuple[Running, ...]
    next_offset: int | None
    searched: int | None = None
    matches: tuple[ListedAsset, ...] | None = None
    query: str | None = None
    uncertain: int | None = None
    ancestors: Callable[[str | None], str] = _nothing


@dataclass
class _Makers:
    """The tasks that made the assets of one page, as far as they could be read, and the ledger's intents."""

    page: tuple[Task, ...] = ()
    read: dict[str, Task] = field(default_factory=dict[str, Task])
    gone: set[str] = field(default_factory=set[str])
    films: dict[str, Asset] = field(default_factory=dict[str, Asset])
    intents: dict[str, Intent] = field(default_factory=dict[str, Intent])
    found_by: Mapping[str, FoundBy] = field(default_factory=dict[str, FoundBy])

    def of(self, assets: Iterable[Asset]) -> list[Task]:
        """The tasks that made assets, those that could not be read by their ids alone."""
        ids = dict.fromkeys(asset.task_id for asset in assets if asset.task_id)
        return [self.read.get(each) or Task(task_id=each) for each in ids]

    def listed(self, asset: Asset) -> ListedAsset:
        maker = self.read.get(asset.task_id or "")
        verdict = judge(asset, maker, read_failed=maker is None and asset.task_id not in self.gone)
        return ListedAsset(asset, verdict, self.origin(asset.task_id))

    def origin(self, task_id: str | None) -> Origin:
        """The origin of a task's film, by the task's options and the ledger."""
        task, intent = self.read.get(task_id or ""), self.intents.get(task_id or "")
        parent = self._film(self._parent_id(task_id))
        return Origin(
            text_prompt=(task.options.text_prompt if task else None) or (intent.text_prompt if intent else None),
            source_asset_id=intent.source_asset_id if intent else parent.asset_id if parent else None,
            source_name=(parent.name if parent else None) or (intent.source_name if intent else None),
            seconds=task.options.seconds if task else intent.seconds if intent else None,
        )

    def words(self, listed: ListedAsset) -> str:
        """The text that a query is matched against: name, prompt, and the names of the sources."""
        words = [_own_words(listed), self.ancestors(listed.asset.task_id)]
        also = self.found_by.get(uuid_of(listed.asset.asset_id))
        if also is not None:
            words += [also.words, self.ancestors(also.task_id)]
        return " ".join(words)

    def matched(self, listed: ListedAsset, query: str | None) -> Matched | None:
        """What a match of the query was found by, besides its own name and prompt."""
        own = _own_words(listed)
        if has_words(own, query):
            return None
        return "ancestor" if has_words(f"{own} {self.ancestors(listed.asset.task_id)}", query) else "film"

    def ancestors(self, task_id: str | None) -> str:
        """The names and the prompts of what the film of a task came from."""
        words: list[str] = []
        for _ in range(_ANCESTORS):
            words.append(self.origin(task_id).source_name or "")
            task_id = self._parent_id(task_id)
            words.append(self.origin(task_id).text_prompt or "")
        return " ".join(words)

    def _parent_id(self, task_id: str | None) -> str | None:
        task, intent = self.read.get(task_id or ""), self.intents.get(task_id or "")
        return (task.options.extended_from_task_id if task else None) or (intent.parent_task_id if intent else None)

    def _film(self, task_id: str | None) -> Asset | None:
        if task_id is None:
            return None
        task = self.read.get(task_id)
        return self.films.get(task_id) or (task.artifacts[0] if task and task.artifacts else None)


async def list_page(
    client: RunwayClient,
    ledger: CallerLedger,
    page: Page,
    *,
    seconds: float,
    found_by: Mapping[str, FoundBy] | None = None,
) -> AssetListing:
    """Reads one page within `seconds`; raises `Failure`, of kind `account` if one of several accounts must be named.

    `found_by` adds what a search finds assets by, by their uuids.
    """
    deadline = anyio.current_time() + seconds
    assets, is_more = await read_assets(client, page, seconds=seconds * _ASSETS_SHARE)
    makers = _Makers(films={asset.task_id: asset for asset in reversed(assets) if asset.task_id})
    makers.intents, makers.found_by = await _intents(ledger), found_by or {}
    with anyio.move_on_after(deadline - anyio.current_time()):
        await _read_pages(client, makers, page)
        await _read_missing(client, makers, assets)
    unfinished = [task for task in makers.page if not task.is_terminal]
    others = await ledger.hidden([*unfinished, *makers.of(assets)])
    shown = [asset for asset in assets if not _is_left_out(asset, page)]
    listed = [_anonymous(makers.listed(asset), others) for asset in shown]
    running = tuple(Running(task, makers.origin(task.task_id)) for task in unfinished if task.task_id not in others)
    following = page.offset + page.limit
    if not page.searches:
        return AssetListing(tuple(listed), running, following if is_more else None, ancestors=makers.ancestors)
    matches = [
        replace(each, matched=makers.matched(each, page.query)) for each in listed if _matches(each, makers, page)
    ]
    return AssetListing(
        assets=tuple(matches[page.offset : following]),
        running=running,
        next_offset=following if following < len(matches) else None,
        searched=len(assets),
        matches=tuple(matches),
        query=(page.query or "").strip() or None,
        uncertain=_uncertain(listed, makers, page) if page.extendable_only and not page.continues else None,
        ancestors=makers.ancestors,
    )


def _own_words(listed: ListedAsset) -> str:
    return f"{listed.asset.name or ''} {listed.origin.text_prompt or ''}"


def _uncertain(listed: Iterable[ListedAsset], makers: _Makers, page: Page) -> int:
    unknown = [each for each in listed if each.verdict.extendable == "unknown"]
    return sum(_has_words(each, makers, page) for each in unknown)


def _is_left_out(asset: Asset, page: Page) -> bool:
    return page.left_out is not None and (asset.name or "").startswith(page.left_out)


def _matches(listed: ListedAsset, makers: _Makers, page: Page) -> bool:
    is_able = listed.verdict.extendable == "yes" or (page.continues and listed.continuable)
    return (is_able or not page.extendable_only) and _has_words(listed, makers, page)


def _has_words(listed: ListedAsset, makers: _Makers, page: Page) -> bool:
    return has_words(makers.words(listed), page.query)


async def _intents(ledger: CallerLedger) -> dict[str, Intent]:
    try:
        recent = await ledger.select(Selection.SUBMITTED, limit=_TASKS_OF_A_SEARCH)
        return {intent.task_id: intent for intent in recent if intent.task_id}
    except LedgerError as error:
        _log.warning("%s", error)
        return {}


def _anonymous(listed: ListedAsset, others: Collection[str]) -> ListedAsset:
    """The asset without the task that made it, if that exists for other callers alone; the film is the account's."""
    if listed.asset.task_id not in others:
        return listed
    return replace(listed, asset=listed.asset.model_copy(update={"task_id": None}))


async def _read_pages(client: RunwayClient, makers: _Makers, page: Page) -> None:
    """Reads a page of tasks; for a search, which is also for names of ancestors, up to five larger ones."""
    limit, tasks = (LARGEST_PAGE, _TASKS_OF_A_SEARCH) if page.searches else (_TASKS, _TASKS)
    try:
        for offset in range(0, tasks, limit):
            listed = await client.tasks(email=page.email, offset=offset, limit=limit, patience=_MAKERS_PATIENCE)
            new = [client.as_told(task) for task in listed if task.task_id not in makers.read]
            makers.page += tuple(new)
            makers.read |= {task.task_id: task for task in new}
            if not new or len(listed) + listed.skipped < limit:
                break
    except RunwayError as error:
        _log.info("the tasks beside a listing could not be read: %s", error)


async def _read_missing(client: RunwayClient, makers: _Makers, assets: Iterable[Asset]) -> None:
    needed = [
        asset.task_id
        for asset in assets
        if asset.task_id and asset.task_id not in makers.read and asset.media_type in (None, "video")
    ]
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def read(task_id: str) -> None:
        async with limiter:
            try:
                makers.read[task_id] = await client.task(task_id, patience=_MAKERS_PATIENCE)
            except NotFound:
                makers.gone.add(task_id)
            except RunwayError as error:
                _log.info("the task that made an asset could not be read: %s", error)

    async with anyio.create_task_group() as reads:
        for task_id in list(dict.fromkeys(needed))[:_SINGLE_READS]:
            reads.start_soon(read, task_id)
