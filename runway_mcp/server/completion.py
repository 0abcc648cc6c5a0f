"""Completes ids and clip names while the user types: newest first, in a bounded time, without values if upstream fails.

Values for templates are ids alone, since they become part of a URI; values for prompts are clip names with their ids.
"""

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote
from weakref import WeakValueDictionary

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CompleteRequestParams, CompleteResult, Completion, PromptReference

from runway_mcp.films.continuing.preparing.uploads import FRAME_NAME
from runway_mcp.runway.errors import InvalidRequest, RunwayError
from runway_mcp.runway.models import Asset, Task
from runway_mcp.server.context import RequestContext, ServerContext, context_of
from runway_mcp.server.contract.results.text import one_line
from runway_mcp.server.contract.uris import (
    KINDS,
    LONGEST_URI,
    Kind,
    bare_id,
    template_of,
    templates_in_words,
    variable_of,
)
from runway_mcp.server.joined_films import joined_films
from runway_mcp.server.prompts import SECONDS, prompt_named
from runway_mcp.settings import Settings
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.naming import film_label
from runway_mcp.tasks.service import TaskService
from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.transitions import Selection

MOST_VALUES = 100
"""The most values in one completion, by the protocol."""

KEPT_SECONDS = 30.0
"""For how long a page is used without being read again, in seconds."""

PATIENCE_SECONDS = 3.0
"""The longest time that a completion waits for a page, in seconds."""

_log = logging.getLogger(__name__)

# Less than PATIENCE_SECONDS, so that a failed read is kept before its request gives up.
_READING_SECONDS = 2.5
# For how long a failed read is kept, so that not every key stroke repeats it.
_GIVEN_UP_SECONDS = 5.0
_TASKS_LIMIT = 100
_ASSETS_LIMIT = 50
_CUT_ESCAPE = re.compile(r"%[0-9A-Fa-f]?$")


@dataclass(frozen=True)
class Choice:
    """A task or an asset that may be meant; `name` is empty where upstream gives none."""

    id: str
    name: str

    @property
    def label(self) -> str:
        """The name with the id in parentheses, since names repeat; without a name, the id."""
        return f"{self.name} ({self.id})" if self.name else self.id

    def begins_with(self, typed: str) -> bool:
        """Whether the typed text begins the id, its last part, the label or a word of it; case is ignored."""
        wanted, label = typed.casefold(), self.label.casefold()
        starts = (self.id.casefold(), self.id.rpartition(":")[2].casefold(), label)
        return any(start.startswith(wanted) for start in starts) or f" {wanted}" in label


@dataclass(frozen=True)
class _Page:
    """The choices of one kind, newest first; `whole` if there are no others. Times are the event loop's."""

    service: TaskService
    choices: tuple[Choice, ...]
    whole: bool
    good_until: float


_T = TypeVar("_T")
_Read = Callable[[TaskService, Settings], Awaitable[tuple[tuple[Choice, ...], bool]]]


class Completions:
    """Serves a server's completion requests, each from one page of upstream's, which is kept for a while."""

    def __init__(self) -> None:
        self._pages: dict[tuple[str, str], _Page] = {}
        # Concurrent requests of a caller for one kind share one read; no caller waits for another one's.
        self._reading: WeakValueDictionary[tuple[str, str], anyio.Lock] = WeakValueDictionary()

    async def complete(self, ctx: RequestContext, params: CompleteRequestParams) -> CompleteResult:
        """The values that the typed text may mean; raises `MCPError` for an unknown prompt or template."""
        kind, typed = _kind(params), _plain(params.argument.value)
        if kind == "seconds":
            return _result([each for each in SECONDS if each.startswith(typed)], whole=True)
        context = context_of(ctx)
        if kind == "id":
            return _result([each.id for each in await _films(context) if each.begins_with(typed)], whole=True)
        page = await self._page(kind, context.open_service, context.settings) if kind and context.open_service else None
        if page is None:
            return _result([], whole=True)
        choices = page.choices
        if kind == "taskId":
            known = {choice.id for choice in choices}
            # A task of the kept page may have become another caller's since.
            hidden = await page.service.ledger.hidden([Task(task_id=each) for each in known])
            choices = tuple(each for each in choices if each.id not in hidden)
            choices = (*(each for each in await _own_tasks(page.service) if each.id not in known), *choices)
        elif kind == "clip":
            choices = (*await _films(context), *choices)
        meant = [choice for choice in choices if choice.begins_with(typed)]
        return _result([choice.label if kind == "clip" else choice.id for choice in meant], whole=page.whole)

    async def _page(self, kind: str, service: TaskService, settings: Settings) -> _Page | None:
        """The kept page of a kind, or a new one; None if it takes longer than `PATIENCE_SECONDS`."""
        with anyio.move_on_after(PATIENCE_SECONDS):
            key = service.caller, kind
            async with self._reading.setdefault(key, anyio.Lock()):
                page = self._pages.get(key)
                if page is None or page.service != service or anyio.current_time() >= page.good_until:
                    page = await _read_in_time(_READS[kind], service, settings)
                    now = anyio.current_time()
                    self._pages = {each: kept for each, kept in self._pages.items() if now < kept.good_until}
                    self._pages[key] = page
                return page
        return None


async def _read_in_time(read: _Read, service: TaskService, settings: Settings) -> _Page:
    """A page; one without choices if upstream fails or takes too long."""
    with anyio.move_on_after(_READING_SECONDS):
        try:
            choices, whole = await read(service, settings)
            return _Page(service, choices, whole, anyio.current_time() + KEPT_SECONDS)
        except RunwayError as error:
            _log.info("there is nothing to complete from: %s", error)
    return _Page(service, (), whole=True, good_until=anyio.current_time() + _GIVEN_UP_SECONDS)


async def _tasks(service: TaskService, settings: Settings) -> tuple[tuple[Choice, ...], bool]:
    """The newest tasks that upstream lists, and those of the ledger that it does not show."""
    ours = await _recent(service)
    listed = await _of_account(
        lambda email: service.client.tasks(email=email, limit=_TASKS_LIMIT, patience=0.0), settings, ours
    )
    hidden = await service.ledger.hidden(listed)
    dated = {intent.task_id: (intent.created, intent.text_prompt) for intent in ours if intent.task_id}
    for task in listed:
        if task.task_id in hidden:
            continue
        dated[task.task_id] = (task.created.timestamp() if task.created else 0.0, task.name or task.options.name)
    newest = sorted(dated.items(), key=lambda entry: entry[1][0], reverse=True)
    return tuple(_choice(task_id, name) for task_id, (_, name) in newest), len(listed) < _TASKS_LIMIT


async def _own_tasks(service: TaskService) -> list[Choice]:
    """The newest tasks of the ledger, which may be newer than a kept page."""
    return [_choice(intent.task_id, intent.text_prompt) for intent in await _recent(service) if intent.task_id]


async def _assets(
    service: TaskService, settings: Settings, media_type: str | None = None
) -> tuple[tuple[Choice, ...], bool]:
    """The newest assets that upstream lists."""

    async def read(email: str | None) -> tuple[Asset, ...]:
        return await service.client.assets(media_type=media_type, limit=_ASSETS_LIMIT, email=email, patience=0.0)

    listed = await _of_account(read, settings, await _recent(service))
    shown = [asset for asset in listed if not (asset.name or "").startswith(FRAME_NAME)]
    newest = sorted(shown, key=lambda asset: asset.created_at or "", reverse=True)
    return tuple(_choice(asset.asset_id, asset.name) for asset in newest), len(listed) < _ASSETS_LIMIT


async def _films(context: ServerContext) -> list[Choice]:
    """The caller's joined films, newest first; the ledger has them, so no page is kept."""
    return [_choice(film.film_id, film_label(film)) for film in await joined_films(context)]


async def _clips(service: TaskService, settings: Settings) -> tuple[tuple[Choice, ...], bool]:
    return await _assets(service, settings, "video")


_READS: dict[str, _Read] = {"taskId": _tasks, "assetId": _assets, "clip": _clips}


async def _of_account(
    read: Callable[[str | None], Awaitable[tuple[_T, ...]]], settings: Settings, ours: list[Intent]
) -> tuple[_T, ...]:
    """What the configured account has; if several are linked and none is configured, the one last used."""
    try:
        return await read(settings.email)
    except InvalidRequest:
        used = [intent.account for intent in ours if intent.account]
        if settings.email is not None or not used:
            raise
        return await read(used[0])


async def _recent(service: TaskService) -> list[Intent]:
    try:
        return await service.ledger.select(Selection.SUBMITTED, limit=_TASKS_LIMIT)
    except LedgerError as error:
        _log.warning("%s", error)
        return []


def _kind(params: CompleteRequestParams) -> str | None:
    """What is to be completed; None for an argument without completion."""
    name = params.argument.name
    if isinstance(params.ref, PromptReference):
        prompt = prompt_named(params.ref.name)
        return name if name in ("clip", "seconds") and name in {each.name for each in prompt.arguments or ()} else None
    templates: tuple[Kind, ...] = tuple(kind for kind in KINDS if variable_of(kind) is not None)
    for kind in templates:
        if params.ref.uri.startswith(template_of(kind)):
            return name if name == variable_of(kind) and (name in _READS or name == "id") else None
    raise MCPError(INVALID_PARAMS, f"Unknown template. There are {templates_in_words(templates)}.")


def _plain(typed: str) -> str:
    """The typed text as it stands in ids: without percent-encoding, even if cut short, and without `runway://`."""
    return bare_id(unquote(_CUT_ESCAPE.sub("", typed[:LONGEST_URI])))


def _choice(identity: str, name: str | None) -> Choice:
    return Choice(identity, one_line(name) if name else "")


def _result(values: list[str], *, whole: bool) -> CompleteResult:
    """The first `MOST_VALUES` values; `total` only where it is known."""
    return CompleteResult(
        completion=Completion(
            values=values[:MOST_VALUES],
            total=len(values) if whole else None,
            has_more=len(values) > MOST_VALUES or not whole,
        )
    )
