"""Client of useapi.net's Runway endpoints, one method each; reads are retried, a submit or an upload is one POST.

The token is in no message, no `repr` and no chained exception. Cancellation takes effect at once.
"""

import hashlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import anyio

from runway_mcp.runway import wire
from runway_mcp.runway.errors import (
    AccountBroken,
    Busy,
    InvalidRequest,
    RunwayError,
    SubmitUnclear,
    SubscriptionLapsed,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
)
from runway_mcp.runway.http.answers import Answer, ErrorContext, Lost, body_of, submitted
from runway_mcp.runway.http.bodies import LARGEST, LARGEST_LIST
from runway_mcp.runway.http.connections import Connections, usable
from runway_mcp.runway.http.large_answers import Readings
from runway_mcp.runway.ids import checked_id, is_same
from runway_mcp.runway.late_films import LateFilms
from runway_mcp.runway.models import Asset, Credits, Entries, RunningTask, Submission, Task
from runway_mcp.runway.running_tasks import LinkedAccount
from runway_mcp.runway.shared_reads import SharedReads
from runway_mcp.telemetry import NO_TELEMETRY, Telemetry

if TYPE_CHECKING:
    from runway_mcp.runway.http.exchange import Transport

PATIENCE_SECONDS = 20.0
"""How many seconds a failing read is retried by default."""

LARGEST_PAGE = 200
"""The most tasks of one page, so that its answer stays far below the bound of a list."""

LAST_OFFSET = 1000
"""The last offset that upstream takes; a page there may hold `LARGEST_LAST_PAGE`, or no read would show the rest."""

LARGEST_LAST_PAGE = 1000
"""The most tasks of a page at `LAST_OFFSET`; the bound of a list holds for it as well."""

_TROUBLE = (AccountBroken, Busy, SubmitUnclear, SubscriptionLapsed, Unauthorized, Unavailable, UnexpectedResponse)
_RETRIED = (Busy, Unavailable, UnexpectedResponse)
_ID_IN_PATH = re.compile(r"(?<=^/tasks/).+|(?<=^/assets/).+")

_log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE, _JITTER = 0.5, 5.0, 0.5

T = TypeVar("T")


class RunwayClient:
    """A client for one useapi.net token, used as an async context manager.

    `url` is the base URL; `transport` replaces the network; `patience` is how many seconds a failing read is retried;
    `now` is the wall clock that dates a Retry-After. Raises `InvalidRequest` for a URL that is not absolute http(s) or
    holds a login, a query or a fragment, and for a token that no HTTP header can carry. An empty token sends no
    Authorization header, and requests are refused as `Unauthorized`.

    Reads retry 429, 5xx, lost connections and broken bodies, with growing, jittered pauses or the Retry-After, while
    the pause fits into `patience`; then they raise the last error. A method's `patience` overrides the client's.
    `shared` is for callers who may share the outcome of a read; `telemetry` is told of each request.
    """

    def __init__(
        self,
        *,
        url: str,
        token: str,
        transport: "Transport | None" = None,
        patience: float = PATIENCE_SECONDS,
        now: Callable[[], float] = time.time,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        if not usable(url) or "?" in url or "#" in url:
            raise InvalidRequest("The base URL must be absolute, http or https, and hold no login and no query.")
        if any(not "!" <= char <= "~" for char in token):
            raise InvalidRequest("The API token holds a blank or a character that is not ASCII.")
        self._url = url.rstrip("/")
        self._error_context = ErrorContext(secret=token, now=now)
        self._patience = patience
        self._connections = Connections(token=token, transport=transport)
        self._readings = Readings(self._error_context)
        self._late_films = LateFilms()
        self.shared = SharedReads()
        self.telemetry = telemetry

    def __repr__(self) -> str:
        return f"RunwayClient(url={self._url!r})"

    @property
    def identity(self) -> str:
        """A digest that tells this token at this address from others, and from which neither can be had."""
        return hashlib.sha256(f"{self._url} {self._error_context.secret}".encode()).hexdigest()

    async def __aenter__(self) -> Self:
        await self._connections.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._connections.__aexit__(kind, error, traceback)

    async def submit(self, submission: Submission) -> Task:
        """Submits a paid request with one POST, which is never repeated and takes 60 s at most.

        If nothing was started, raises the refusal: `Moderated`, `Unauthorized`, `SubscriptionLapsed`, `NotFound`,
        `InvalidRequest`, `InsufficientCredits`, `Busy`, `AccountBroken`, or `Unavailable` with `sent` False. Raises
        `SubmitUnclear` for every other outcome.
        """
        with self.telemetry.upstream("POST", f"/{submission.endpoint}", self._url) as operation:
            answer = await self._connections.post(f"{self._url}/{submission.endpoint}", submission.body())
            operation.answered(_status(answer))
            try:
                task = self._late_films.told(submitted(answer, self._error_context))
            except _TROUBLE as error:
                _tell("POST", f"/{submission.endpoint}", error)
                raise
            operation.of_task(task.task_id)
            return task

    async def upload_asset(
        self,
        content: bytes,
        *,
        name: str,
        content_type: str = "image/png",
        email: str | None = None,
        width: int | None = None,
        height: int | None = None,
    ) -> Asset:
        """Uploads a file, at no charge, with one POST that is never repeated and takes 60 s at most (POST /assets/).

        Each upload makes an asset of its own, even of the same bytes. Upstream adds the extension to `name` by the
        type; `email` is required when several accounts are linked; `width` and `height` are in pixels. Raises as a read
        does. After an `UnexpectedResponse` or an `Unavailable` that was `sent` the asset may exist: it is to be looked
        for by its name.
        """
        told = {"name": name, "email": email, "width": width, "height": height}
        query = {key: value for key, value in told.items() if value is not None}
        with self.telemetry.upstream("POST", "/assets/", self._url) as operation:
            answer = await self._connections.upload(f"{self._url}/assets/", query, content, content_type)
            operation.answered(_status(answer))
            return wire.parse_asset(body_of(answer, self._error_context))

    def as_told(self, task: Task) -> Task:
        """A listed task as `task` would report it: a success without a film counts as RUNNING for 60 s."""
        return self._late_films.told(task)

    def expect_no_film(self, task_ids: Iterable[str]) -> None:
        """Reports these tasks as SUCCEEDED without waiting for their films; a film that appears later is reported."""
        for task_id in task_ids:
            self._late_films.absent(task_id)

    def upstream_time(self) -> float | None:
        """Upstream's time in Unix seconds, at most a second behind; None before the first dated answer."""
        return self._connections.clock.now()

    async def task(self, task_id: str, *, patience: float | None = None) -> Task:
        """Reads one task (GET /tasks/{taskId}); a success without a film counts as RUNNING for 60 s.

        Raises `UnexpectedResponse` if the answer is about another task.
        """
        task = await self._read(f"/tasks/{checked_id(task_id, 'taskId')}", {}, wire.parse_task, patience)
        if not is_same(task.task_id, task_id):
            raise UnexpectedResponse("useapi.net told of another task than the one that was asked for.")
        return self._late_films.told(task)

    async def tasks(
        self,
        *,
        email: str | None = None,
        offset: int = 0,
        limit: int = 100,
        statuses: Sequence[str] = (),
        patience: float | None = None,
        every: bool = False,
    ) -> Entries[Task]:
        """Reads a page of an account's tasks, in undocumented order (GET /tasks/).

        `offset` is 0 to `LAST_OFFSET`, `limit` 1 to `LARGEST_PAGE`, there to `LARGEST_LAST_PAGE`, and no more come
        back, unless `every` asks for what the answer holds beyond it as well, which must not pass for absent; `email`
        is required when several accounts are linked; empty `statuses` means all.
        """
        limit = min(limit, LARGEST_PAGE if offset < LAST_OFFSET else LARGEST_LAST_PAGE)
        query = {"offset": offset, "limit": limit, "email": email, "statuses": ",".join(statuses) or None}
        parse = wire.parse_every_task if every else partial(wire.parse_tasks, most=limit)
        return await self._read("/tasks/", query, parse, patience, LARGEST_LIST)

    async def asset(self, asset_id: str, *, patience: float | None = None) -> Asset:
        """Reads one asset, with a fresh signed link (GET /assets/{assetId}).

        Raises `UnexpectedResponse` if the answer is about another asset.
        """
        asset = await self._read(f"/assets/{checked_id(asset_id, 'assetId')}", {}, wire.parse_asset, patience)
        if not is_same(asset.asset_id, asset_id):
            raise UnexpectedResponse("useapi.net told of another asset than the one that was asked for.")
        return asset

    async def assets(
        self,
        *,
        media_type: str | None = None,
        offset: int = 0,
        limit: int = 10,
        email: str | None = None,
        patience: float | None = None,
    ) -> Entries[Asset]:
        """Reads a page of an account's assets (GET /assets/).

        `media_type` is video, image or audio, None for all; `offset` 0 to 1000, `limit` 1 to 50, and no more come back;
        `email` as in `tasks`.
        """
        query = {"offset": offset, "limit": limit, "mediaType": media_type, "email": email}
        return await self._read("/assets/", query, partial(wire.parse_assets, most=limit), patience, LARGEST_LIST)

    async def scheduler(self, *, patience: float | None = None) -> Entries[RunningTask]:
        """Reads which tasks that were started through the API run now (GET /scheduler/)."""
        return await self._read("/scheduler/", {}, wire.parse_running, patience)

    async def credits(self, email: str | None = None, *, patience: float | None = None) -> Credits:
        """Reads the credits of an account's plan (GET /features/)."""
        return await self._read("/features/", {"email": email}, wire.parse_credits, patience)

    async def accounts(self, *, patience: float | None = None) -> tuple[str, ...]:
        """Reads the e-mails of the linked accounts; their passwords are dropped at once (GET /accounts).

        Raises `NotFound` if no account is linked.
        """
        return await self._read("/accounts", {}, wire.parse_addresses, patience)

    async def linked_accounts(self, *, patience: float | None = None) -> tuple[LinkedAccount, ...]:
        """Reads the linked accounts with their slots; raises as `accounts` does (GET /accounts)."""
        return await self._read("/accounts", {}, wire.parse_accounts, patience)

    async def _read(
        self,
        path: str,
        query: Mapping[str, str | int | None],
        parse: Callable[[object], T],
        patience: float | None,
        largest: int = LARGEST,
    ) -> T:
        given = {name: value for name, value in query.items() if value is not None}

        async def once() -> T:
            with self.telemetry.upstream("GET", _endpoint(path), self._url) as operation:
                answer = await self._connections.get(self._url + path, given, largest=largest)
                operation.answered(_status(answer))
                try:
                    return await self._readings.read(answer, parse)
                except _TROUBLE as error:
                    _tell("GET", path, error)
                    raise

        return await self._patiently(once, patience)

    async def _patiently(self, once: Callable[[], Awaitable[T]], patience: float | None) -> T:
        """Retries while a pause still fits in, on the event loop's clock."""
        failed: list[Exception] = []
        begun = anyio.current_time()
        try:
            return await once()
        except _RETRIED as error:
            failed.append(error)
        # Loaded here, since most reads need no second attempt; the first one counts as that of its loop.
        import stamina  # noqa: PLC0415

        deadline = begun + (self._patience if patience is None else patience)
        longest = 0.0

        def pause(error: Exception) -> bool | float:
            return _pause(error, left=deadline - anyio.current_time(), longest=longest)

        # stamina sets no limit here, since it would measure it on another clock.
        async for attempt in stamina.retry_context(
            pause,
            attempts=None,
            timeout=None,
            wait_initial=_FIRST_PAUSE,
            wait_max=_LONGEST_PAUSE,
            wait_jitter=_JITTER,
        ):
            longest = min(attempt.next_wait + _JITTER, _LONGEST_PAUSE)
            with attempt:
                if failed:
                    raise failed.pop()
                return await once()
        raise AssertionError  # pragma: no cover  the loop ends by returning or raising


def _endpoint(path: str) -> str:
    """The path without an id."""
    return _ID_IN_PATH.sub("{id}", path)


def _status(answer: Answer | Lost) -> int | None:
    return answer.status if isinstance(answer, Answer) else None


def _tell(method: str, path: str, error: RunwayError) -> None:
    """Logs trouble with upstream by its endpoint, without ids, its status and its cause."""
    endpoint = _endpoint(path)
    status = "no answer" if error.status is None else f"HTTP {error.status}"
    if method == "POST":
        # At a place of its own in the log, since of one place many different lines are counted instead of written.
        _log.warning("%s %s failed, %s: %s", method, endpoint, status, error)
        return
    _log.warning("%s %s failed, %s: %s", method, endpoint, status, error)


def _pause(error: Exception, *, left: float, longest: float) -> bool | float:
    """The pause that the server asks for in seconds, True for the default of up to `longest`, False to give up."""
    if not isinstance(error, _RETRIED):
        return False
    if isinstance(error, UnexpectedResponse) and not error.unreadable:
        return False
    if error.retry_after is not None and error.retry_after > longest:
        return error.retry_after if error.retry_after < left else False
    return longest < left
