"""Puts together what a server for several callers needs before their requests: who they are and what they may take."""
# ruff: noqa: PLC0415  what verifies signed tokens is imported where an issuer is set alone

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
from mcp.server.auth.provider import TokenVerifier
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from runway_mcp.callers import READ, SPEND, Callers, CallersFile
from runway_mcp.runway.http.connections import Connections
from runway_mcp.runway.http.exchange import Transport
from runway_mcp.server.context import caller_in, scopes_in
from runway_mcp.server.contract.arguments import plain_arguments
from runway_mcp.server.contract.uris import address_of
from runway_mcp.server.hosted.admission import TAKEN, Admission
from runway_mcp.server.hosted.challenges import OF_TOKENS, RESOURCE, Challenges
from runway_mcp.server.hosted.limits import Taken, TooMany, Uses
from runway_mcp.server.hosted.tokens import AnyOf, CallersTokens
from runway_mcp.server.tools.records import RECORDS
from runway_mcp.server.transport.connections import ANSWERED_BY
from runway_mcp.server.transport.security import HostRules, access_guard
from runway_mcp.settings import Settings

if TYPE_CHECKING:
    from runway_mcp.server.hosted.keys import Keys

ALL_WELL_KNOWN: Final = "/.well-known/"
"""Where clients look for what a server tells of itself before they have a token."""

FILM_SECONDS: Final = 300.0
"""How long the bytes of a film may take to be fetched and read by their client, in seconds."""

_FIRST_KEYS_SECONDS: Final = 2.0
_SPENDING = {record.name: record for record in RECORDS if record.behaviour.spends}


def _uncounted(*_: str) -> None:
    return


@dataclass(frozen=True)
class Counted:
    """What is called for each request that is refused: for its token, with the reason, and over a limit.

    The reasons are `missing`, `wrong` and `scope`.
    """

    refused: Callable[[str], None] = _uncounted
    limited: Callable[[], None] = _uncounted


class Hosting:
    """Who may come in and how much each may take; `keys` are the issuer's, None without one."""

    def __init__(
        self,
        verifiers: Sequence[TokenVerifier],
        challenges: Challenges,
        *,
        uses: Uses | None = None,
        keys: "Keys | None" = None,
        connections: Connections | None = None,
        counted: Counted | None = None,
    ) -> None:
        self.verifier = AnyOf(verifiers)
        self.challenges = challenges
        self.uses = uses or Uses()
        self._counted = counted or Counted()
        self.admission = Admission(
            self.verifier, challenges, self.uses, limited=self._counted.limited, refused=self._counted.refused
        )
        self._keys = keys
        self._connections = connections

    @property
    def is_ready(self) -> bool:
        """Whether every caller's token can be judged; once it is true it stays so."""
        return self._keys is None or self._keys.are_there

    @property
    def away(self) -> tuple[str, ...]:
        """What tokens are judged by and could not be had when it was wanted last."""
        return ("keys",) if self._keys is not None and self._keys.are_away else ()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Fetches the issuer's keys, and ends requests whose token is none any more, while it is open."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.admission.sweep)
            if self._keys is not None:
                group.start_soon(_fetch_first, self._keys)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
                if self._connections is not None:
                    with anyio.CancelScope(shield=True):
                        await self._connections.__aexit__(None, None, None)

    @property
    def of_tokens(self) -> str | None:
        """Before which path the endpoint is served a second time, for tokens of the file; None without an issuer."""
        return None if self.challenges.issuer is None else OF_TOKENS

    def routes(self) -> list[BaseRoute]:
        """The routes of what clients are told of the issuer; nothing is there without one."""
        paths = () if self.challenges.issuer is None else self.challenges.metadata_paths
        nothing = Route(f"{ALL_WELL_KNOWN}{{path:path}}", _nothing)
        return [*(Route(path, self._metadata, methods=["GET"]) for path in paths), nothing]

    async def _metadata(self, request: Request) -> Response:
        return self.challenges.metadata(request.scope)

    def middleware(self, rules: HostRules) -> list[Middleware]:
        """What each request passes: the check of its token and names, then the caller's scopes and limits."""

        def challenge(scope: Scope, *, given: bool) -> Response:
            self._counted.refused("wrong" if given else "missing")
            return self.challenges.unauthorized(scope, given=given)

        guard = Middleware(
            access_guard,
            verifier=self.verifier,
            rules=rules,
            challenge=challenge,
            told_to_all=ALL_WELL_KNOWN,
            admits=False,
        )
        return [guard, Middleware(self.admission.admitting)]

    async def hold(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Middleware of the SDK's server: a call that its client has left keeps its place among the caller's.

        Raises `MCPError` if the caller has no place for it.
        """
        taken = None if ctx.request is None else ctx.request.scope.get(TAKEN)
        # A notification may last as long as its connection, which counts itself.
        if not isinstance(taken, Taken) or ctx.request_id is None:
            return await call_next(ctx)
        try:
            with taken.running():
                # Over HTTP+SSE the request was answered before anybody looked at what it asks for.
                if _reads_film(ctx.method, ctx.params):
                    taken.take_film()
                return await call_next(ctx)
        except TooMany as too_many:
            self._counted.limited()
            raise too_many.error() from None

    def refusal(self, scope: Scope, message: Mapping[str, Any]) -> Response | None:
        """Why a request is refused before a stream of its answer begins: one too many, or a call that spends.

        The latter only by a signed token that may not spend, since its client can get one that may: any other caller is
        told in the result of his call. None for all others.
        """
        taken = scope.get(TAKEN)
        try:
            if isinstance(taken, Taken) and _take(taken, message):
                scope[ANSWERED_BY] = anyio.current_time() + FILM_SECONDS
        except TooMany as too_many:
            self._counted.limited()
            return too_many.response()
        if SPEND in scopes_in(scope) or not self.challenges.steps_up(scope) or not spends(message):
            return None
        self._counted.refused("scope")
        return self.challenges.insufficient(scope, f"{READ} {SPEND}")

    @contextmanager
    def waiting(self, scope: Scope, message: JSONRPCMessage) -> Generator[JSONRPCMessage]:
        """The message, whose film has a place while it waits on the stream of that scope; else the refusal of it."""
        if not isinstance(message, JSONRPCResponse) or not _is_film(message.result):
            yield message
            return
        place = ExitStack()
        with place:
            try:
                place.enter_context(self.uses.holding(caller_in(scope), "film"))
            except TooMany as too_many:
                self._counted.limited()
                message = JSONRPCError(jsonrpc="2.0", id=message.id, error=too_many.error().error)
            yield message


def _take(taken: Taken, message: Mapping[str, Any]) -> bool:
    """Takes what a message needs, and tells whether it is answered by a film; raises `TooMany`.

    Whatever is no request passes, since it may cancel one.
    """
    if message.get("method") == "subscriptions/listen":
        taken.become_stream()
    elif "method" in message and "id" in message:
        with taken.running():
            pass
        if _reads_film(message.get("method"), message.get("params")):
            taken.take_film()
            return True
    return False


def _reads_film(method: object, params: object) -> bool:
    if method != "resources/read" or not isinstance(params, Mapping):
        return False
    uri = cast("Mapping[str, Any]", params).get("uri")
    address = address_of(uri) if isinstance(uri, str) else None
    return address is not None and address.kind in ("video", "film_video")


def _is_film(result: Mapping[str, Any]) -> bool:
    """Whether a result holds the bytes of a film."""
    contents = result.get("contents")
    each = cast("list[Mapping[str, Any]]", contents) if isinstance(contents, list) else []
    return any("blob" in one and str(one.get("mimeType")).startswith("video/") for one in each)


def spends(message: Mapping[str, Any]) -> bool:
    """Whether a message calls a tool that would spend credits by it: a dry run does not."""
    params = message.get("params")
    if message.get("method") != "tools/call" or not isinstance(params, dict):
        return False
    called = cast("dict[str, Any]", params)
    record = _SPENDING.get(str(called.get("name")))
    given = called.get("arguments")
    if record is None:
        return False
    arguments = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    return plain_arguments(record.arguments, arguments).get("dry_run") is not True


async def _nothing(_: Request) -> Response:
    """404 as JSON, which clients that look for an issuer want to read."""
    return JSONResponse({"error": "not_found"}, 404)


async def _fetch_first(keys: "Keys") -> None:
    while not keys.are_there:
        await keys.fetch()
        await anyio.sleep(_FIRST_KEYS_SECONDS)


def hosting_of(
    settings: Settings,
    file: CallersFile | None,
    own: Sequence[TokenVerifier] = (),
    *,
    transport: Transport | None = None,
    counted: Counted | None = None,
) -> Hosting:
    """What the settings and the file of callers say; `own` verifiers come first. `transport` replaces the network."""
    verifiers = [*own, *([CallersTokens(file)] if file is not None else [])]
    challenges = Challenges(settings.issuer, settings.public_url)
    if settings.issuer is None:
        return Hosting(verifiers, challenges, counted=counted)
    from runway_mcp.server.hosted.issuers import IssuerTokens
    from runway_mcp.server.hosted.keys import Keys

    def callers() -> Callers:
        return Callers() if file is None else file.callers

    connections = Connections(token="", transport=transport)
    keys = Keys(settings.issuer, connections)
    audiences = {settings.audience, f"{settings.public_url}{RESOURCE}" if settings.public_url else None} - {None}
    tokens = IssuerTokens(issuer=settings.issuer, audiences=frozenset(map(str, audiences)), keys=keys, callers=callers)
    return Hosting([*verifiers, tokens], challenges, keys=keys, connections=connections, counted=counted)
