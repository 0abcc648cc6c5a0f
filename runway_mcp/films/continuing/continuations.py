"""Continuations: films under way in this process, from the claim to the joined film, whoever waits for them."""
# ruff: noqa: PLC0415  frames and uploads are loaded when a film is continued, which most servers never do

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from runway_mcp.films.continuing.dependencies import Dependencies
from runway_mcp.films.continuing.joining.files import brought
from runway_mcp.films.continuing.joining.joins_under_way import Joins
from runway_mcp.films.continuing.preparing.failures import told_as_free
from runway_mcp.films.continuing.preparing.preparations_under_way import Caps, Preparations
from runway_mcp.films.continuing.standing import FilmStanding, standing_of
from runway_mcp.films.continuing.steps import JoinMade, is_continuation
from runway_mcp.runway.errors import RunwayError
from runway_mcp.runway.models import Credits, Task
from runway_mcp.tasks.failures import Failure, failed
from runway_mcp.tasks.intents import FILM_PREFIX, JOIN, OPEN, Intent, State, next_lapse, uuid_of
from runway_mcp.tasks.policy import FREE, SpendPolicy
from runway_mcp.tasks.recall import GONE, remembered_failure, remembered_task
from runway_mcp.tasks.service import TaskService, observe
from runway_mcp.tasks.spend.continuation import Continuation
from runway_mcp.tasks.spend.reconcile import forgotten
from runway_mcp.tasks.spend.submit import Submissions, Waiting
from runway_mcp.tasks.spend.waiting import Waiter, Within
from runway_mcp.tasks.store.protocol import LedgerError, OnJoin
from runway_mcp.tasks.transitions import Selection

if TYPE_CHECKING:
    from runway_mcp.media.pictures.endings import Ending

_log = logging.getLogger(__name__)

_EXTENDED = (
    "Another call of this request is submitting Runway's own extension, so nothing was submitted here. Make the same "
    "call again: it tells what became of that."
)
# Seconds between two looks for what other processes left; fewer where a lease lapses before.
_SWEEP_PAUSE = 15.0
_LEDGER_PAUSE = 0.5
# For how long a read of the task is repeated whose film may have turned up, in seconds.
_READING = 2.0
_REMEMBERED = 1000


@dataclass(frozen=True)
class Continued:
    """The intent of a film as it stands; `twin` says that an earlier request made it."""

    intent: Intent
    twin: bool


Tell = Callable[[Intent], Awaitable[None]]
"""Is awaited with the intent of a film as it stands."""


def uncapped(_caller: str) -> SpendPolicy:
    """The caps of a caller who has none."""
    return FREE


class Continuations:
    """Films under way; made for the server's lifespan, in whose task group they are prepared and joined.

    `caps` are each caller's caps, which also hold for films that an earlier process left before their create; `on_join`
    is told of each film that this process has joined.
    """

    def __init__(
        self, background: TaskGroup, dependencies: Dependencies, *, caps: Caps = uncapped, on_join: OnJoin | None = None
    ) -> None:
        self.background = background
        self._dependencies = dependencies
        self._refused_clips: dict[str, str] = {}
        self._stirred = anyio.Event()
        self._preparations = Preparations(background, dependencies, self._stir, caps)
        self._joins = Joins(background, dependencies, self._stir, on_join)

    async def submit(
        self,
        submissions: Submissions,
        plan: Continuation,
        *,
        caller: str,
        deadline: float,
        policy: SpendPolicy = FREE,
        patience: float | None = None,
        tell: Tell | None = None,
        within: Within = nullcontext,
    ) -> Continued:
        """Submits a caller's plan once, or finds its earlier film; waits for the create's answer until `deadline`.

        The work goes on in the background, whatever becomes of the call. An earlier film whose join has failed, or
        whose file is gone, is joined again; one whose create has no known outcome is looked for, for `patience`
        seconds at most. `tell` is awaited with the intent as it stands, from the claim on. A wait that `within` cuts
        short ends as at the deadline. Raises `PolicyRefused`, and
        `Failure` for what ended it before its create, or if its outcome stays unknown.
        """
        while True:
            intent, is_earlier = await submissions.claim(plan, caller=caller, policy=policy)
            if is_earlier and not is_continuation(intent):
                raise Failure("unavailable", _EXTENDED, refused=intent.id)
            if is_earlier and patience is not None:
                deadline = min(deadline, anyio.current_time() + patience)
            if not is_earlier:
                self._preparations.begin(submissions, plan, intent)
            elif intent.state in OPEN and not self._preparations.is_under_way(intent):
                told = await submissions.answer(intent, deadline=deadline, say=_quiet, patience=patience, within=within)
                if told is None:
                    continue
                intent = await self._dependencies.store.find("id", intent.id) or told.intent
            intent = await self._with_late_part(intent)
            self.take_up(intent)
            await self.check_file(intent)
            answered = self._answered(intent, deadline, twin=is_earlier, tell=tell or _untold, within=within)
            standing = await (submissions.audit.repeated(intent, answered) if is_earlier else answered)
            return Continued(standing or intent, is_earlier)

    async def find(self, service: TaskService, film_id: str) -> Intent | None:
        """The caller's film of that id; None if there is none. Raises `LedgerError`."""
        if not film_id.startswith(FILM_PREFIX):
            return None
        intent = await service.ledger.find("film_id", film_id)
        return intent if intent is not None and is_continuation(intent) else None

    async def list_films(self, service: TaskService, *, limit: int | None = None) -> list[Intent]:
        """The caller's joined films, newest first; raises `LedgerError`."""
        made = await service.ledger.select(Selection.JOINED, limit=limit)
        return [intent for intent in made if is_continuation(intent) and JoinMade.of(intent) is not None]

    async def brought(self, film: Intent, joined: JoinMade) -> JoinMade:
        """A film's join with its file on this machine, as `files.brought` fetches it."""
        return await brought(self._dependencies, film, joined)

    def take_up(self, intent: Intent) -> None:
        """Joins a film whose task has succeeded, again if that has failed before; else does nothing."""
        self.changed(intent, again=True)

    def changed(self, intent: Intent, *, again: bool = False) -> None:
        """Begins to join a film once its task has succeeded, unless it is joined or that has failed and not `again`."""
        if is_continuation(intent) and intent.status == "SUCCEEDED" and intent.film is not None:
            self._joins.begin(intent, again=again)
        self._stir()

    async def check_file(self, intent: Intent) -> bool:
        """Whether a joined film is joined anew from its parts now, since its file is gone."""
        return await self._joins.check(intent)

    async def restored(self, intent: Intent) -> Intent:
        """A joined film with its file, joined anew from its parts if that is gone; raises `Failure`, `LedgerError`."""
        return await self._joins.restored(intent)

    def failure_of(self, intent: Intent) -> Failure | None:
        """What ended a film, its task or its last join in this process; None while it goes on and once it is joined.

        A create of unknown outcome is told by the `Reconciler`, as for every submit.
        """
        if intent.task_id is None and intent.state is State.REFUSED:
            kept = self._preparations.refusal_of(intent)
            kind, message = intent.failure_kind or "busy", intent.failure_message or _BUSY
            return kept if kept is not None and kept.kind == kind else failed(kind, message, intent=intent)
        if (ended := remembered_failure(intent)) is not None and intent.film is None:
            return replace(ended, twin=False)
        return self._joins.failure_of(intent)

    def balance_after(self, intent: Intent) -> Credits | None:
        """What was left on the account when the create of a film was accepted, if this process posted it."""
        return self._preparations.balance_after(intent)

    def note_refused(self, asset_id: str, why: str) -> None:
        """Remembers in this process that Runway refuses to extend a clip itself."""
        self._refused_clips[uuid_of(asset_id)] = why
        if len(self._refused_clips) > _REMEMBERED:
            del self._refused_clips[next(iter(self._refused_clips))]

    def why_refused(self, asset_id: str) -> str | None:
        """Why Runway refused to extend a clip itself; None if it did not in this process."""
        return self._refused_clips.get(uuid_of(asset_id))

    def standing(self, service: TaskService, intent: Intent) -> FilmStanding:
        """How far a film is, by its intent and by its task as it is followed, else as the ledger remembers it.

        One whose file is gone stands in its join again.
        """
        if self._joins.is_lost(intent):
            intent = replace(intent, steps=tuple(step for step in intent.steps if step.name != JOIN))
        if intent.task_id is None:
            return standing_of(intent, None)
        followed = service.watcher.followed(intent.task_id) if intent.ended is None else None
        return standing_of(intent, followed.task if followed else remembered_task(intent, intent.task_id))

    async def check(self, plan: Continuation) -> None:
        """Returns where a plan can be carried out here: the extra, both folders, room for parts and film.

        Raises `Failure`: `not_configured`, at no cost.
        """
        with told_as_free():
            from runway_mcp.films.continuing.preparing.frame import check_possible

            await check_possible(self._dependencies, plan)

    async def ending(self, plan: Continuation) -> "Ending | None":
        """How the clip or film of a plan ends, every frame of it decoded; None if that cannot be told now."""
        from runway_mcp.films.continuing.preparing.ending import ending_of

        return await ending_of(self._dependencies, plan)

    async def changes(
        self, service: TaskService, intent: Intent, deadline: float
    ) -> AsyncGenerator[tuple[Intent, FilmStanding]]:
        """Yields a film as it stands, and then at each change until it ends, fails or the deadline (loop's time).

        Raises `LedgerError`.
        """
        last: FilmStanding | None = None
        while True:
            stirred = self._stirred
            intent = await self._dependencies.store.find("id", intent.id) or intent
            if intent.task_id is not None and intent.ended is None:
                # The process that posted it may have died.
                service.watcher.follow(Task(task_id=intent.task_id, status=intent.status or "PENDING"))
                async for task in service.watcher.changes(intent.task_id, deadline):
                    if not task.is_terminal:
                        last = standing_of(intent, task)
                        yield intent, last
                intent = await self._dependencies.store.find("id", intent.id) or intent
            standing = self.standing(service, intent)
            if standing != last:
                last = standing
                yield intent, standing
            is_over = standing.has_ended or self.failure_of(intent) is not None or intent.state is State.UNKNOWN
            if is_over or anyio.current_time() >= deadline:
                return
            with anyio.move_on_after(min(_LEDGER_PAUSE, deadline - anyio.current_time())):
                await stirred.wait()

    async def resume(self, submissions: Submissions) -> None:
        """Takes up, for the process's lifetime, the films that other processes left before a create or a join."""
        store = self._dependencies.store
        while True:
            pause = _SWEEP_PAUSE
            try:
                for intent in await store.select(Selection.UNJOINED):
                    self.changed(intent)
                waiting = [each for each in await store.select(Selection.WAITING) if is_continuation(each)]
                pause = next_lapse(waiting, now := store.now(), most=_SWEEP_PAUSE)
                await self._preparations.take_up(submissions, waiting, now=now)
            except LedgerError as error:
                _log.warning("%s", error)
            except Exception:  # noqa: BLE001  a crash here would end every other call of the process
                _log.exception("films that other processes left could not all be taken up")
            await anyio.sleep(pause)

    async def _with_late_part(self, intent: Intent) -> Intent:
        """The intent with what its task has made, where that turned up after it was told as gone or without a film."""
        was_missed = intent.status == "SUCCEEDED" or intent.failure_kind == GONE
        if intent.task_id is None or intent.ended is None or intent.film is not None or not was_missed:
            return intent
        try:
            task = await self._dependencies.client.task(intent.task_id, patience=_READING)
            return await observe(self._dependencies.store, task) or intent
        except (RunwayError, LedgerError) as error:
            _log.info("whether the part of a film has turned up is not known: %s", error)
            return intent

    async def _answered(self, intent: Intent, deadline: float, *, twin: bool, tell: Tell, within: Within) -> Intent:
        """The intent once it has an outcome, at the deadline, or when the wait is cut short.

        Raises `Failure` for one that ended before its create, and for one that the ledger has forgotten.

        Its holder may be another process, so the ledger is read again and again.
        """
        while True:
            stirred = self._stirred
            try:
                known = await self._dependencies.store.find("id", intent.id)
            except LedgerError as error:
                raise Failure("submission_unknown", f"{error} {_LOST}", charged="unknown") from error
            if known is None:
                raise forgotten(intent)
            await tell(intent := known)
            is_settled = intent.has_outcome or intent.state in (State.UNCLEAR, State.UNKNOWN)
            if (is_settled and not self._preparations.is_under_way(intent)) or anyio.current_time() >= deadline:
                break
            until = min(deadline, anyio.current_time() + _LEDGER_PAUSE)
            if not await Waiter(_quiet, within).waits(stirred, until, Waiting("answer")):
                break
        if (failure := self.failure_of(intent)) is not None and intent.task_id is None:
            raise replace(failure, twin=twin)
        return intent

    def _stir(self) -> None:
        self._stirred.set()
        self._stirred = anyio.Event()


async def _quiet(_: Waiting) -> None:
    return


async def _untold(_: Intent) -> None:
    return


@asynccontextmanager
async def open_continuations(
    dependencies: Dependencies, *, caps: Caps = uncapped, on_join: OnJoin | None = None
) -> AsyncGenerator[Continuations]:
    """Continuations for as long as the server lives; what is under way at the end is left to the next process."""
    async with anyio.create_task_group() as background:
        yield Continuations(background, dependencies, caps=caps, on_join=on_join)
        background.cancel_scope.cancel()


async def note_change(continuations: Continuations, _task: Task, intent: Intent | LedgerError | None) -> None:
    """Begins to join a film whose task has ended; to be awaited with each change of a task."""
    if isinstance(intent, Intent):
        continuations.changed(intent)


_BUSY = "All slots of the account were busy for too long, so nothing was submitted. Make the same call later."
_LOST = "Whether the film goes on is not known; the same call looks for it first, and never pays for it twice."
