"""Preparations under way in this process: of films that are claimed and whose create has not left yet."""
# ruff: noqa: PLC0415  frames and uploads are loaded when a film is continued, which most servers never do

import logging
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

import anyio
from anyio.abc import TaskGroup
from anyio.to_thread import run_sync

from runway_mcp.films.continuing.dependencies import Dependencies
from runway_mcp.films.continuing.preparing.call_options import forget_options, with_options
from runway_mcp.films.continuing.steps import is_continuation
from runway_mcp.films.recent import Recent
from runway_mcp.runway.models import Credits
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import AUTO, FILM_PREFIX, Intent, State, is_lapsed
from runway_mcp.tasks.policy import PolicyRefused, SpendPolicy
from runway_mcp.tasks.spend.continuation import Continuation, remembered_continuation
from runway_mcp.tasks.spend.submit import Submissions, Waiting
from runway_mcp.tasks.store.protocol import LedgerError

RESUMED_SECONDS: Final = 3600.0
"""For so long after its claim a film whose create was not posted is taken up unasked, in seconds."""

SLOT_SECONDS: Final = 600.0
"""For so long a film waits for a free slot of the account before it is given up, at no cost, in seconds."""

MOST_REMEMBERED: Final = 1000
"""Of so many films it is remembered why this process ended them, and what their create left on the account."""

Caps = Callable[[str], SpendPolicy]
"""The caps of a caller."""

_log = logging.getLogger(__name__)


class Preparations:
    """Prepares films in the background up to their create; `stir` is called whenever one has come further.

    `caps` are each caller's caps, which also hold for films that an earlier process left before their create.
    """

    def __init__(self, background: TaskGroup, dependencies: Dependencies, stir: Callable[[], None], caps: Caps) -> None:
        self._background = background
        self._dependencies = dependencies
        self._stir = stir
        self._caps = caps
        self._under_way: set[str] = set()
        self._refusals = Recent[Failure](math.inf, MOST_REMEMBERED)
        self._balances = Recent[Credits](math.inf, MOST_REMEMBERED)

    def begin(self, submissions: Submissions, plan: Continuation, intent: Intent) -> None:
        """Begins to prepare a film that was claimed here."""
        self._refusals.forget(intent.id)
        self._under_way.add(intent.id)
        self._background.start_soon(self._prepare, submissions, plan, intent)

    def is_under_way(self, intent: Intent) -> bool:
        """Whether a film is prepared in this process now."""
        return intent.id in self._under_way

    def refusal_of(self, intent: Intent) -> Failure | None:
        """What ended a film before its create in this process; None if nothing did."""
        return self._refusals.get(intent.id)

    def balance_after(self, intent: Intent) -> Credits | None:
        """What was left on the account when the create of a film was accepted, if this process posted it."""
        return self._balances.get(intent.id)

    async def take_up(self, submissions: Submissions, waiting: list[Intent], *, now: float) -> None:
        """Goes on with those films before their create that other processes left; raises `LedgerError`."""
        for intent in waiting:
            is_left = is_lapsed(intent, now) and intent.is_verified
            if is_left and self._age(intent) < RESUMED_SECONDS:
                await self._resume(submissions, intent)

    def _age(self, intent: Intent) -> float:
        """Seconds since a film was claimed: by the ledger's clock, by upstream's if that was set back meanwhile."""
        age, upstream = self._dependencies.store.now() - intent.created, self._dependencies.client.upstream_time()
        return age if age >= 0 or upstream is None or intent.posted is None else upstream - intent.posted

    async def _resume(self, submissions: Submissions, left: Intent) -> None:
        try:
            film = None
            if left.source_asset_id.startswith(FILM_PREFIX):
                film = await self._dependencies.store.find("film_id", left.source_asset_id)
            # As the call that was left, so that whatever has answered it since under another model is found.
            plan = replace(remembered_continuation(left, film=film), is_auto=left.step(AUTO) is not None)
            plan = await run_sync(with_options, self._dependencies.data_dir, left.film_id, plan)
            policy = replace(self._caps(left.caller), confirm_above=None, quote=None)
            intent, is_earlier = await submissions.claim(plan, caller=left.caller, policy=policy)
        except (Failure, PolicyRefused) as failure:
            _log.warning("a film could not be taken up: %s", failure)
            return
        except LedgerError:
            raise
        except Exception:  # noqa: BLE001  one row that cannot be read, as of a later version, must not keep the others
            _log.exception("a film could not be taken up through a fault of this server")
            return
        if not is_earlier:
            self.begin(submissions, plan, intent)
        elif intent.id != left.id:
            # Else it would be told as under way for good.
            told = _ANSWERED.format(film=f"the film {intent.film_id}" if is_continuation(intent) else "an extension")
            await self._dependencies.store.withdraw(left.id, left.claim, failure=("invalid_request", told))
            self._stir()

    async def _prepare(self, submissions: Submissions, plan: Continuation, intent: Intent) -> None:
        deadline, is_over = anyio.current_time() + SLOT_SECONDS, True
        try:
            from runway_mcp.films.continuing.preparing.preparation import preparation

            prepare = preparation(self._dependencies, submissions, plan, self._stir)
            told = await submissions.spend(plan, intent, prepare=prepare, deadline=deadline, say=_quiet)
            is_over = told is not None
            if told is not None and told.task.features is not None:
                self._balances.note(intent.id, told.task.features)
        except Failure as failure:
            # Where the ledger has failed it goes on waiting, for whoever takes it up.
            is_over = False
            self._refusals.note(intent.id, replace(failure, intent=intent))
        except Exception:  # noqa: BLE001  a crash here would end every other call of the process
            _log.exception("a film could not be prepared through a fault of this server")
        finally:
            self._under_way.discard(intent.id)
            self._stir()
        if not is_over and await self._goes_on(submissions, intent):
            return
        with suppress(OSError):
            await run_sync(forget_options, self._dependencies.data_dir, intent.film_id)

    async def _goes_on(self, submissions: Submissions, intent: Intent) -> bool:
        """Whether a film that lost its lease still waits; taken up here if nobody has, as when the clock jumps."""
        try:
            standing = await self._dependencies.store.find("id", intent.id)
            if standing is not None and standing.state is State.WAITING and standing.claim == intent.claim:
                await self._resume(submissions, standing)
        except LedgerError as error:
            _log.warning("%s", error)
            return True
        except Exception:  # noqa: BLE001  a crash here would end every other call of the process
            _log.exception("a film could not be taken up again through a fault of this server")
            return True
        return standing is not None and standing.state is State.WAITING


_ANSWERED = (
    "The same call was made again meanwhile and is answered by {film}, so nothing was submitted or charged for this "
    "one. To make it as well, name its `model` and give another `seed`."
)


async def _quiet(_: Waiting) -> None:
    return
