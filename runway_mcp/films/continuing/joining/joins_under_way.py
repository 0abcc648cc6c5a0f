"""Joins under way in this process: of films whose task has ended, and of joined films whose file is gone."""

import logging
from collections.abc import Callable
from functools import partial

import anyio
from anyio.abc import TaskGroup

from runway_mcp.films.continuing.dependencies import Dependencies
from runway_mcp.films.continuing.joining.files import is_there
from runway_mcp.films.continuing.steps import JoinMade
from runway_mcp.tasks.failures import Failure, failed
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.store.leases import while_leased
from runway_mcp.tasks.store.protocol import Hint, LedgerError, OnJoin

_FAULT = (
    "The new part was made and paid, but the film could not be joined through a fault of this server. Make the same "
    "call again: it joins again, free."
)

# Seconds until a film is joined again whose join the ledger has failed.
_AGAIN_SECONDS = 5.0

_log = logging.getLogger(__name__)


def _lies_elsewhere(dependencies: Dependencies, made: JoinMade) -> bool:
    """Whether a film may lie on another server's disk, so that it is shown from its upload where it is not here."""
    return dependencies.store.replicas is not None and made.asset_id is not None


class Joins:
    """Joins films in the background, each one once at a time; `stir` is called whenever one has ended."""

    def __init__(
        self, background: TaskGroup, dependencies: Dependencies, stir: Callable[[], None], on_join: OnJoin | None
    ) -> None:
        self._background = background
        self._dependencies = dependencies
        self._stir = stir
        self._on_join = on_join
        self._under_way: dict[str, anyio.Event] = {}
        self._failures: dict[str, Failure] = {}
        self._lost: set[str] = set()
        self._awaited: set[str] = set()

    def begin(self, intent: Intent, *, again: bool = False) -> None:
        """Begins to join a film that is not joined, unless that is under way or, but for `again`, has failed."""
        if again and intent.id not in self._under_way:
            self._failures.pop(intent.id, None)
        if JoinMade.of(intent) is None and intent.id not in self._under_way | self._failures.keys():
            self._start(intent)

    async def check(self, intent: Intent) -> bool:
        """Whether a joined film is joined anew now, since its file was moved, changed or deleted."""
        made = JoinMade.of(intent)
        if made is None or intent.id in self._under_way:
            return made is not None
        if await is_there(made) or _lies_elsewhere(self._dependencies, made):
            self._lost.discard(intent.id)
            self._failures.pop(intent.id, None)
            return False
        if intent.id not in self._under_way:
            self._lost.add(intent.id)
            self._failures.pop(intent.id, None)
            self._start(intent)
        return True

    async def restored(self, intent: Intent) -> Intent:
        """A joined film with its file, joined anew if that is gone; raises `Failure` and `LedgerError`."""
        if await self.check(intent):
            if (under_way := self._under_way.get(intent.id)) is not None:
                await under_way.wait()
            if (failure := self.failure_of(intent)) is not None:
                raise failure
        return await self._dependencies.store.find("id", intent.id) or intent

    def is_lost(self, intent: Intent) -> bool:
        """Whether the file of a joined film is gone and it is not joined anew yet."""
        return intent.id in self._lost

    def failure_of(self, intent: Intent) -> Failure | None:
        """What the last join of a film has failed by; None if it is joined and there."""
        if JoinMade.of(intent) is not None and not self.is_lost(intent):
            return None
        return self._failures.get(intent.id)

    def _fail(self, intent: Intent, failure: Failure) -> None:
        """Notes why a film is not joined; one that was uploaded is still to be had, so that it is not lost."""
        made = JoinMade.of(intent)
        if made is not None and made.asset_id is not None:
            self._lost.discard(intent.id)
        else:
            self._failures[intent.id] = failure

    def _start(self, intent: Intent) -> None:
        self._under_way[intent.id] = anyio.Event()
        self._background.start_soon(self._join, intent)

    def _try_again(self, intent: Intent, seconds: float) -> None:
        """Looks again once the lease of the server that joins a film has lapsed, or the ledger may be back."""
        if intent.id not in self._awaited:
            self._awaited.add(intent.id)
            self._background.start_soon(self._begin_later, intent, seconds)

    async def _begin_later(self, intent: Intent, seconds: float) -> None:
        await anyio.sleep(seconds)
        self._awaited.discard(intent.id)
        try:
            standing = await self._dependencies.store.find("id", intent.id)
            if standing is not None:
                self.begin(standing, again=True)
                if self.is_lost(standing):
                    await self.check(standing)
        except LedgerError as error:
            _log.info("a film that is to be joined is looked at later: %s", error)
            self._try_again(intent, _AGAIN_SECONDS)
        except Exception:  # noqa: BLE001  as of a later version's join, which must not end every call of the process
            _log.exception("a film could not be looked at again through a fault of this server")

    async def _join(self, intent: Intent) -> None:
        try:
            from runway_mcp.films.continuing.joining.join import joined  # noqa: PLC0415  most servers never join

            replicas = self._dependencies.store.replicas
            film = await while_leased(
                replicas,
                f"join:{intent.film_id}",
                partial(joined, self._dependencies, intent),
                held=partial(self._try_again, intent),
            )
            if film is None:
                return
            self._lost.discard(intent.id)
            if self._on_join is not None:
                await self._on_join(film)
            if replicas is not None:
                await replicas.hint(Hint("joined", intent.id))
        except Failure as failure:
            _log.warning("%s", failure)
            self._fail(intent, failure)
        except LedgerError as error:
            _log.warning("%s", error)
            self._fail(intent, failed("unavailable", str(error), charged="yes", retry="now", intent=intent))
            # Nothing is wrong with the film, so nobody has to ask for it.
            self._try_again(intent, _AGAIN_SECONDS)
        except Exception:  # noqa: BLE001  a crash here would end every other call of the process
            _log.exception("a film could not be joined through a fault of this server")
            self._fail(intent, failed("unavailable", _FAULT, charged="yes", retry="now", intent=intent))
        finally:
            self._under_way.pop(intent.id).set()
            self._stir()
