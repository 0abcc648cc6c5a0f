"""What a hosted server does with each request whose token is right: its scopes, its limits, its end with the token."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import anyio
from mcp.server.auth.provider import TokenVerifier
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from runway_mcp.callers import READ
from runway_mcp.logs import said_of
from runway_mcp.server.context import caller_in, caller_named, scopes_in
from runway_mcp.server.hosted.challenges import Challenges
from runway_mcp.server.hosted.limits import Stream, TooMany, Uses
from runway_mcp.server.transport.connections import ADMITTED
from runway_mcp.server.transport.cut_off import in_parts, served_within

TAKEN: Final = "runway_mcp.taken"
"""What a request's ASGI scope has as its place among the caller's; see `limits.Taken`."""

SWEEP_SECONDS: Final = 5.0
"""How often the tokens of open requests are verified again, in seconds."""

_STREAMS: Final[dict[str, Stream]] = {"/mcp": "get", "/sse": "sse"}


@dataclass(eq=False)
class _Open:
    """A request that is being answered: by whose token, and how it is ended."""

    token: str
    caller: str
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Admission:
    """Serves admitted requests of callers, and ends those whose token is none any more; `now` gives Unix seconds."""

    def __init__(
        self,
        verifier: TokenVerifier,
        challenges: Challenges,
        uses: Uses,
        *,
        now: Callable[[], float] = time.time,
        limited: Callable[[], None] = lambda: None,
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._verifier = verifier
        self._challenges = challenges
        self._uses = uses
        self._now = now
        self._limited = limited
        self._refused = refused
        self._open: set[_Open] = set()

    def admitting(self, app: ASGIApp) -> ASGIApp:
        """The app for requests by a verified token; requests without a user pass, since they need none."""

        async def run(scope: Scope, receive: Receive, send: Send) -> None:
            if scope.get("user") is None:
                await app(scope, receive, send)
                return
            with said_of(caller=caller_in(scope)):
                await self._admit(app, scope, receive, send)

        return run

    async def _admit(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        caller = caller_in(scope)
        if READ not in scopes_in(scope):
            self._refused("scope")
            await self._challenges.insufficient(scope, READ)(scope, receive, send)
            return
        path = scope["path"].rstrip("/") if scope["method"] == "GET" else ""
        stream: Stream | None = next((kind for end, kind in _STREAMS.items() if path.endswith(end)), None)
        try:
            self._uses.count(caller)
            with self._uses.taking(caller, stream) as taken:
                one = _Open(_token_in(scope), caller)
                self._open.add(one)
                refusal = partial(self._challenges.unauthorized, scope, given=True)
                # In the server's own scope, where its connection looks: what is over a limit keeps no connection.
                scope[TAKEN], scope[ADMITTED] = taken, True
                try:
                    await served_within(one.scope, app, scope, receive, in_parts(send), refusal=refusal)
                finally:
                    self._open.discard(one)
        except TooMany as refused:
            self._limited()
            await refused.response()(scope, receive, send)

    async def sweep(self) -> None:
        """Ends requests whose token is no longer the caller's, until it is cancelled."""
        while True:
            await anyio.sleep(SWEEP_SECONDS)
            await self.end_expired()

    async def end_expired(self) -> None:
        """Ends each open request whose token has expired, or is no longer the caller's."""
        for one in tuple(self._open):
            if not await self._stands(one):
                one.scope.cancel()

    async def _stands(self, one: _Open) -> bool:
        try:
            verified = await self._verifier.verify_token(one.token)
        except Exception:  # noqa: BLE001  that a token cannot be judged now does not make it wrong
            return True
        if verified is None or caller_named(verified) != one.caller:
            return False
        return verified.expires_at is None or verified.expires_at >= self._now()


def _token_in(scope: Any) -> str:
    """The bearer token of a request, which the guard has found to be one."""
    return Headers(scope=scope).get("authorization", "").partition(" ")[2].strip()
