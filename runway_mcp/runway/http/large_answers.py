"""Large answers, read in pieces between which other work goes on."""

from collections.abc import Callable
from typing import Final, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from runway_mcp.runway.errors import RunwayError
from runway_mcp.runway.http.answers import Answer, ErrorContext, Lost, body_of, body_of_clean, without_secret

LARGE: Final = 64 * 1024
"""From how many bytes on an answer is read in pieces; a smaller one takes milliseconds."""

# Another request takes about as many turns of the loop, so it need not wait for one piece in each of them.
_TURNS_BETWEEN: Final = 8

_T = TypeVar("_T")


class Readings:
    """Reads the answers of one client; of large ones one piece at a time, however many have come."""

    def __init__(self, context: ErrorContext) -> None:
        self._context = context
        self._piece = anyio.Lock()

    async def read(self, outcome: Answer | Lost, parse: Callable[[object], _T]) -> _T:
        """What `parse` makes of the JSON of an answer; raises as `body_of`."""
        try:
            return await self._read(outcome, parse)
        except RunwayError as error:
            # An error may be kept for as long as callers share it, and its traceback and context hold the body.
            error.__context__ = None
            failure = error.with_traceback(None)
        raise failure

    async def _read(self, outcome: Answer | Lost, parse: Callable[[object], _T]) -> _T:
        if isinstance(outcome, Lost) or len(outcome.body or b"") < LARGE:
            return parse(body_of(outcome, self._context))
        clean = await self._apart(lambda: without_secret(outcome, self._context))
        body = await self._apart(lambda: body_of_clean(clean, self._context))
        return await self._apart(lambda: parse(body))

    async def _apart(self, piece: Callable[[], _T]) -> _T:
        async with self._piece:
            done = piece()
            for _ in range(_TURNS_BETWEEN):
                await checkpoint()
        return done
