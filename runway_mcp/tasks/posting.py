"""Sends one POST for each intent, at most once, whatever becomes of the call that asked for it.

A POST belongs to the process: its answer is awaited and written down, and an unclear one is looked for.
"""

import logging
from contextlib import suppress
from dataclasses import replace

import anyio

from runway_mcp.runway.errors import Busy, RunwayError, SubmitUnclear
from runway_mcp.runway.models import ExtendRequest, Task
from runway_mcp.tasks.database import LedgerError
from runway_mcp.tasks.failures import failure_of
from runway_mcp.tasks.ground import Ground
from runway_mcp.tasks.intents import LOOKING_SECONDS, POSTING_LEASE, WAITING_LEASE, Intent, State
from runway_mcp.tasks.settle import Settlements

_log = logging.getLogger(__name__)

# An unanswered POST is looked for after so many seconds, and again after as many more.
_LOOK_AFTER = 10.0
_LOOK_AGAIN = 5.0


class Late:
    """The outcome of an intent whose lease was over before its POST: another may replace it, so none went out."""


class Post:
    """A POST: `outcome` is its task, or why there is none, once `done` is set."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.hurried = anyio.Event()
        self.scope = anyio.CancelScope(shield=True)
        self.outcome: Task | RunwayError | LedgerError | Late | None = None


class Posts:
    """The POSTs of this process that are out."""

    def __init__(self, ground: Ground, settlements: Settlements) -> None:
        self._ground = ground
        self._settlements = settlements
        self._out: dict[str, Post] = {}

    def of(self, intent: Intent) -> Post | None:
        """The intent's POST while it is out."""
        return self._out.get(intent.id)

    def begin(self, intent: Intent, request: ExtendRequest, *, turbo: bool) -> Post:
        """Sends the POST of an intent that waits, unless its lease is over; the caller may go away."""
        post = self._out[intent.id] = Post()
        self._ground.background.start_soon(self._post, post, intent, request, turbo)
        return post

    def hurry(self, intent: Intent) -> None:
        """Looks at once for the task of a POST that is out, since something tells that there may be one."""
        post = self.of(intent)
        if post is not None:
            post.hurried.set()

    async def finish(self, grace: float) -> None:
        """Lets POSTs that are out be answered and written down for `grace` seconds, then gives them up."""
        with anyio.move_on_after(grace, shield=True):
            for post in list(self._out.values()):
                await post.done.wait()
        for post in self._out.values():
            post.scope.cancel()

    async def _post(self, post: Post, intent: Intent, request: ExtendRequest, turbo: bool) -> None:  # noqa: FBT001  start_soon passes by position
        with post.scope:
            try:
                now = self._ground.now()
                lease = now + POSTING_LEASE
                if not await self._ground.ledger.begin_post(intent.id, now=now, lease=lease):
                    post.outcome = Late()
                    return
                intent = replace(intent, created=now)
                outcome = post.outcome = await self._answer(post, intent, request, turbo=turbo)
                await self._write_at_last(intent, lease, outcome)
            except LedgerError as error:
                post.outcome = error
            except Exception:  # noqa: BLE001  a crash here would end every other call of the process
                _log.exception("a submit stumbled and is looked for")
                post.outcome = post.outcome or SubmitUnclear("a fault of this server")
                self._settlements.keep_looking(intent)
            finally:
                del self._out[intent.id]
                post.done.set()

    async def _answer(self, post: Post, intent: Intent, request: ExtendRequest, *, turbo: bool) -> Task | RunwayError:
        """What the POST says, or what looking finds while it is awaited: whichever comes first."""
        answer: Task | RunwayError | None = None

        async def send() -> None:
            nonlocal answer
            try:
                answer = await self._ground.client.extend(request, turbo=turbo)
            except RunwayError as error:
                answer = error
            race.cancel_scope.cancel()

        async def search() -> None:
            nonlocal answer
            with anyio.move_on_after(_LOOK_AFTER):
                await post.hurried.wait()
            while (found := await self._settlements.find(intent)) is None:  # noqa: ASYNC110  nothing tells when to look
                await anyio.sleep(_LOOK_AGAIN)
            answer = found
            race.cancel_scope.cancel()

        async with anyio.create_task_group() as race:
            race.start_soon(send)
            race.start_soon(search)
        return answer or SubmitUnclear("it was cut short")

    async def _write_at_last(self, intent: Intent, lease: float, outcome: Task | RunwayError) -> None:
        """Writes an outcome, or leaves that to the background where the ledger cannot take it now."""
        try:
            await self._write(intent, lease, outcome)
        except LedgerError as error:
            _log.warning("%s", error)
            self._ground.background.start_soon(self._write_later, intent, lease, outcome)
        if isinstance(outcome, Busy | SubmitUnclear):
            await self._settlements.notice(outcome.running)

    async def _write_later(self, intent: Intent, lease: float, outcome: Task | RunwayError) -> None:
        while self._ground.now() - intent.created < LOOKING_SECONDS:
            await anyio.sleep(_LOOK_AGAIN)
            with suppress(LedgerError):
                await self._write(intent, lease, outcome)
                return

    async def _write(self, intent: Intent, lease: float, outcome: Task | RunwayError) -> None:
        """Writes the outcome of the POST that `lease` names; whatever has moved on since then stays as it is."""
        if isinstance(outcome, Task):
            try:
                await self._ground.ledger.accept(intent.id, outcome.task_id, outcome.status, adopted=False)
            finally:
                await self._ground.accepted(outcome)
            return
        if isinstance(outcome, SubmitUnclear):
            fields = {"state": State.UNCLEAR}
        elif isinstance(outcome, Busy):
            fields = {"state": State.WAITING, "lease": self._ground.now() + WAITING_LEASE}
        else:
            failure = failure_of(outcome)
            fields = {"state": State.REFUSED, "failure_kind": failure.kind, "failure_message": failure.message}

        def move_on(it: Intent) -> Intent:
            return replace(it, **fields) if it.state is State.POSTING and it.lease == lease else it

        written = await self._ground.ledger.change(intent.id, move_on)
        if written.state is State.UNCLEAR:
            self._settlements.keep_looking(written)
