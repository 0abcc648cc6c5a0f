"""Checks each HTTP request before any of it is parsed: its token and so its caller, and the Host and Origin headers.

Some paths are exempt: `/healthz` and `/readyz`, since health checks have no token and learn only that the process is
up; `/callbacks/`, since upstream knows neither the token nor the names, and is never believed. What is told of an
issuer needs no token, since clients ask for it before they have one.
"""

import hmac
import logging
import math
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken, TokenVerifier
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from runway_mcp.server.transport.connections import ADMITTED
from runway_mcp.tasks.callbacks import PATH
from runway_mcp.values import is_loopback

HEALTH = "/healthz"
"""The path of the health check."""

READY: Final = "/readyz"
"""The path that tells whether requests should be sent here."""

SHORTEST_TOKEN: Final = 16
"""The fewest characters of an access token with which the server listens beyond this machine."""

SLOWEST: Final = 0.5
"""The longest that a refused token is made to wait for its answer, in seconds."""

_FAILURE_SECONDS: Final = 0.05
_FORGOTTEN: Final = 30.0
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_AUTHORITY: Final = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:(?P<port>[0-9]{1,5}))?")
_ORIGIN: Final = re.compile(r"(?P<scheme>https?)://(?P<authority>.*)")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LAST_PORT: Final = 65_535
_GLIMPSE: Final = 80

_log = logging.getLogger(__name__)


def refusal_to_listen(
    host: str, *, access_token: SecretStr | None, allowed_hosts: tuple[str, ...], knows_callers: bool = False
) -> str | None:
    """Why the server must not bind to `host`, in one line that names what to set; None where it may.

    A client that reaches the server spends its owner's credits, so beyond this machine it takes both allowed host names
    and tokens: an access token that cannot be guessed, or a file or an issuer by which it `knows_callers`.
    """
    if is_loopback(host):
        return None
    needed = {"RUNWAY_MCP_ACCESS_TOKEN": access_token or knows_callers, "RUNWAY_MCP_ALLOWED_HOSTS": allowed_hosts}
    missing = " and ".join(name for name, value in needed.items() if not value)
    if missing:
        return f"to listen on {host}, beyond this machine, set {missing}"
    if access_token is not None and len(access_token.get_secret_value()) < SHORTEST_TOKEN:
        short = f"RUNWAY_MCP_ACCESS_TOKEN must have at least {SHORTEST_TOKEN} characters"
        return f"to listen on {host}, beyond this machine, {short}"
    return None


@dataclass(frozen=True)
class HostRules:
    """The names under which clients reach the server: each with the one port that it is taken with, or None for any."""

    allowed: frozenset[tuple[str, int | None]]

    def takes_host(self, values: list[str]) -> bool:
        """Whether these Host headers are one, and name this server."""
        return len(values) == 1 and self._takes(_authority(values[0]))

    def takes_origin(self, values: list[str]) -> bool:
        """Whether these Origin headers are one, and name a page of this server; its default port may be left out."""
        found = _ORIGIN.fullmatch(values[0].lower()) if len(values) == 1 else None
        read = _authority(found["authority"]) if found else None
        if found is None or read is None:
            return False
        name, port = read
        return self._takes((name, _DEFAULT_PORTS[found["scheme"]] if port is None else port)) or self._takes(read)

    def _takes(self, read: tuple[str, int | None] | None) -> bool:
        return read is not None and (read in self.allowed or (read[0], None) in self.allowed)


def host_rules(allowed_hosts: tuple[str, ...]) -> HostRules:
    """The rules that take this machine's own names and the allowed ones, which are in lower case.

    A name without a port stands for any port.
    """
    read = map(_authority, (*_LOOPBACK, *allowed_hosts))
    return HostRules(frozenset(each for each in read if each is not None))


def _authority(value: str) -> tuple[str, int | None] | None:
    """The name in lower case and the port of `name:port` or `name`; None for anything else."""
    found = _AUTHORITY.fullmatch(value.lower())
    if found is None:
        return None
    port = None if found["port"] is None else int(found["port"])
    return None if port is not None and not 0 < port <= _LAST_PORT else (found["name"], port)


@dataclass(frozen=True)
class OneToken(TokenVerifier):
    """The simplest verifier: one token, whose caller has no name."""

    access_token: SecretStr

    async def verify_token(self, token: str) -> AccessToken | None:
        """The nameless caller for the token, compared in constant time; None for any other."""
        if not hmac.compare_digest(token.encode(), self.access_token.get_secret_value().encode()):
            return None
        return AccessToken(token="", client_id="", scopes=[])


class Refusals:
    """The requests that were refused for their token lately: the more there were, the longer the next one waits.

    They are counted together, since who guesses may come from many addresses. `now` gives seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lately = 0.0
        self._at = now()

    def seconds(self) -> float:
        """Counts a refusal; how long it has to wait, 0.05 seconds for a single one and never more than `SLOWEST`."""
        now = self._now()
        self._lately = self._lately * 0.5 ** ((now - self._at) / _FORGOTTEN) + 1
        self._at = now
        return min(SLOWEST, _FAILURE_SECONDS * self._lately)


class Challenge(Protocol):
    """Refuses a request without the right token."""

    def __call__(self, scope: Scope, *, given: bool) -> Response:
        """401; `given` says that there was a token."""
        ...


class CannotVerify(Exception):  # noqa: N818  named for the fact, as every refusal here
    """Whether a token is right cannot be told now; in so many `seconds` it may."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


def bare_challenge(scope: Scope, *, given: bool) -> Response:
    """The refusal of a request without the right token, that says no more than that; `given` says there was a token."""
    _ = scope, given
    return PlainTextResponse("Unauthorized", 401, headers={"WWW-Authenticate": "Bearer"})


def access_guard(
    app: ASGIApp,
    *,
    verifier: TokenVerifier | None,
    rules: HostRules,
    now: Callable[[], float] = time.time,
    pause: Callable[[float], Awaitable[None]] = anyio.sleep,
    challenge: Challenge = bare_challenge,
    told_to_all: str | None = None,
    admits: bool = True,
) -> ASGIApp:
    """The app with its checks: 401 without a valid token, 421 for a wrong Host, 403 for a wrong Origin.

    The verifier tells whose a token is, and until when it is valid (Unix seconds, compared with `now`); without a
    verifier no token is asked for. A 401, which is a `challenge`, is logged and waits for a `pause`. A browser that
    says that another site's page asks is refused like its Origin. 503 while the verifier cannot tell. What lies under
    the path `told_to_all` takes no token. Without `admits`, which requests keep their connection is for the app to say.
    """
    refusals = Refusals()

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in (HEALTH, READY) or scope["path"].startswith(PATH):
            await app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        wanted = None if told_to_all and scope["path"].startswith(told_to_all) else verifier
        try:
            user = None if wanted is None else await _user(headers, wanted, now())
        except CannotVerify as unclear:
            later = {"Retry-After": str(max(1, math.ceil(unclear.seconds)))}
            await PlainTextResponse("Tokens cannot be verified now", 503, headers=later)(scope, receive, send)
            return
        if wanted is not None and user is None:
            given = "its access token is wrong" if "authorization" in headers else "it has no access token"
            _log.warning("a request from %s was refused: %s", (scope.get("client") or ("elsewhere",))[0], given)
            await pause(refusals.seconds())
            refusal = challenge(scope, given="authorization" in headers)
        else:
            refusal = _misled(headers, rules)
        if refusal is None and admits:
            # In the server's own scope, where its connection looks. What is told to all keeps no connection: a stranger
            # could hold every one of them by it.
            scope[ADMITTED] = wanted is not None or verifier is None
        scope["user"] = user
        await (app if refusal is None else refusal)(scope, receive, send)

    return guarded


def _misled(headers: Headers, rules: HostRules) -> Response | None:
    """The refusal of a request that was made for another server, or by a page of another site; None for all others."""
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if not rules.takes_host(hosts):
        _log.warning("a request was refused for its Host: %s", _shown(hosts))
        return PlainTextResponse("Invalid Host header", 421)
    if origins:
        if rules.takes_origin(origins):
            return None
    elif "cross-site" not in headers.getlist("sec-fetch-site"):
        return None
    _log.warning("a request was refused for its Origin: %s", _shown(origins))
    return PlainTextResponse("Invalid Origin header", 403)


def _shown(values: list[str]) -> str:
    return ascii(", ".join(values)[:_GLIMPSE]) if values else "none"


async def _user(headers: Headers, verifier: TokenVerifier, now: float) -> AuthenticatedUser | None:
    """Who the one Authorization header names by a bearer token that has not expired; None if it names nobody.

    Other credentials are not the verifier's to see: it may pass them on.
    """
    given = headers.getlist("authorization")
    scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return None
    verified = await verifier.verify_token(token.strip())
    if verified is None or (verified.expires_at is not None and verified.expires_at < now):
        return None
    return AuthenticatedUser(verified)
