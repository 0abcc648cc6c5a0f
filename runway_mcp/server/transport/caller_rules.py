"""What an HTTP app asks of whoever tells several callers apart; a server for one caller has none of it."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types import JSONRPCMessage
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Scope

from runway_mcp.server.transport.security import HostRules


class CallerRules(Protocol):
    """Who may come in and how much each may take."""

    @property
    def is_ready(self) -> bool:
        """Whether every caller's token can be judged; once it is true it stays so."""
        ...

    @property
    def away(self) -> tuple[str, ...]:
        """What tokens are judged by and could not be had when it was wanted last; it tells no secret."""
        ...

    @property
    def of_tokens(self) -> str | None:
        """Before which path the endpoint is served a second time; None for nowhere."""
        ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """Does what has to go on while requests are served."""
        ...

    def routes(self) -> list[BaseRoute]:
        """Routes beside those of MCP, reached without a token."""
        ...

    def middleware(self, rules: HostRules) -> list[Middleware]:
        """What each request passes, in place of the check of one token."""
        ...

    async def hold(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """What the SDK's server passes each call through, so that it counts until it ends."""
        ...

    def refusal(self, scope: Scope, message: Mapping[str, Any]) -> Response | None:
        """Why a request is refused before a stream of its answer begins; None if it is not."""
        ...

    def waiting(self, scope: Scope, message: JSONRPCMessage) -> AbstractContextManager[JSONRPCMessage]:
        """What of an answer may wait to be read on the stream of that scope: itself, or a refusal in its place."""
        ...
