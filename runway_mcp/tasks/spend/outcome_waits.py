"""Waits for the outcome of an intent, whose holder may be another call or another process, alive or dead."""

from dataclasses import replace

import anyio

from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent, State, is_lapsed
from runway_mcp.tasks.spend.dependencies import SubmitDependencies
from runway_mcp.tasks.spend.posting import Posts
from runway_mcp.tasks.spend.reconcile import Reconciler, forgotten, outcome_failure
from runway_mcp.tasks.spend.waiting import Waiter, reason_of

# The least time for one look, however short the caller's wait, in seconds.
_ONE_LOOK = 1.0
# Seconds between two looks of a waiting call.
_LOOK_AGAIN = 5.0
# Seconds between two reads of the intent while its holder is another call or process.
_LEDGER_PAUSE = 0.5


class OutcomeWaits:
    """Waits and looks; looks interfere with no holder."""

    def __init__(self, dependencies: SubmitDependencies, reconciler: Reconciler, posts: Posts) -> None:
        self._dependencies = dependencies
        self._reconciler = reconciler
        self._posts = posts

    async def outcome(self, intent: Intent, deadline: float, waiter: Waiter, patience: float | None = None) -> Intent:
        """The intent once it has an outcome or was withdrawn; `patience` limits the wait for a POST, in seconds.

        Raises `Failure` at the deadline (event loop's time), or if the wait is cut short, and `LedgerError`.
        """
        next_look, deadline = 0.0, max(deadline, anyio.current_time() + _ONE_LOOK)
        soon = deadline if patience is None else min(deadline, anyio.current_time() + patience)
        while True:
            standing = await self._standing(intent)
            if standing.has_outcome:
                return standing
            post, now = self._posts.of(intent), anyio.current_time()
            if standing.state is State.WAITING:
                # A waiting intent's next POST gets the same time as one that is out already.
                soon = deadline if patience is None else min(deadline, now + patience)
            limit = deadline if standing.state is State.WAITING else soon
            if post is None and standing.state is State.WAITING:
                if is_lapsed(standing, self._dependencies.ledger.now()):
                    return standing
            elif post is None and now >= next_look:
                next_look = now + _LOOK_AGAIN
                with anyio.move_on_after(max(0.0, limit - now)):
                    standing = await self._reconciler.reconcile(standing)
                    if standing.has_outcome:
                        return standing
            if standing.state is State.UNKNOWN or anyio.current_time() >= limit:
                raise await self._out_of_time(standing)
            until = min(limit, anyio.current_time() + _LEDGER_PAUSE)
            if not await waiter.waits(post.done if post else anyio.Event(), until, reason_of(standing, post)):
                raise await self._out_of_time(standing)

    async def _standing(self, intent: Intent) -> Intent:
        """The intent as it stands; raises `Failure` if the ledger does not know it any more."""
        standing = await self._dependencies.ledger.find("id", intent.id)
        if standing is None:
            raise forgotten(intent)
        return standing

    async def _out_of_time(self, intent: Intent) -> Failure:
        if intent.state is State.WAITING:
            return replace(outcome_failure(intent), intent=None)
        return await self._reconciler.failure(intent)
