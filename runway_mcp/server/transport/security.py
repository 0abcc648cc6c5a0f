"""Checks each HTTP request before any of it is parsed: its token and so its caller, and the Host and Origin headers.

Two paths are exempt: `/healthz`, since health checks have no token and learn only that the process is up;
`/callbacks/`, since upstream knows neither the token nor the names, and is never believed.
"""

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from runway_mcp.settings import is_loopback
from runway_mcp.tasks.callbacks import PATH

HEALTH = "/healthz"
"""The path of the health check."""

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def refusal_to_listen(host: str, *, access_token: SecretStr | None, allowed_hosts: tuple[str, ...]) -> str | None:
    """Why the server must not bind to `host`, in one line that names what to set; None where it may.

    A client that reaches the server spends its owner's credits, so beyond this machine it takes both an access token
    and allowed host names.
    """
    if is_loopback(host):
        return None
    needed = {"RUNWAY_MCP_ACCESS_TOKEN": access_token, "RUNWAY_MCP_ALLOWED_HOSTS": allowed_hosts}
    missing = " and ".join(name for name, value in needed.items() if not value)
    return f"to listen on {host}, beyond this machine, set {missing}" if missing else None


def host_rules(allowed_hosts: tuple[str, ...]) -> TransportSecuritySettings:
    """The accepted Host and Origin headers: this machine's own names, and the allowed ones in lower case.

    A name without a port stands for any port.
    """
    names = (*_LOOPBACK, *allowed_hosts)
    hosts = [form for name in names for form in _with_ports(name)]
    return TransportSecuritySettings(
        allowed_hosts=hosts, allowed_origins=[f"{scheme}://{name}" for scheme in ("http", "https") for name in hosts]
    )


def _with_ports(name: str) -> tuple[str, ...]:
    has_port = name.rpartition(":")[2].isdecimal()
    return (name,) if has_port else (name, f"{name}:*")


@dataclass(frozen=True)
class OneToken(TokenVerifier):
    """The simplest verifier: one token, whose caller has no name."""

    access_token: SecretStr

    async def verify_token(self, token: str) -> AccessToken | None:
        """The nameless caller for the token, compared in constant time; None for any other."""
        if not hmac.compare_digest(token.encode(), self.access_token.get_secret_value().encode()):
            return None
        return AccessToken(token="", client_id="", scopes=[])


def access_guard(
    app: ASGIApp,
    *,
    verifier: TokenVerifier | None,
    rules: TransportSecuritySettings,
    now: Callable[[], float] = time.time,
) -> ASGIApp:
    """The app with its checks: 401 without a valid token, 421 for a wrong Host, 403 for a wrong Origin.

    The verifier tells whose a token is, and until when it is valid (Unix seconds, compared with `now`); without a
    verifier no token is asked for.
    """
    check = TransportSecurityMiddleware(rules)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == HEALTH or scope["path"].startswith(PATH):
            await app(scope, receive, send)
            return
        user = None if verifier is None else await _user(Headers(scope=scope), verifier, now())
        if verifier is not None and user is None:
            refusal = PlainTextResponse("Unauthorized", 401, headers={"WWW-Authenticate": "Bearer"})
        else:
            refusal = await check.validate_request(Request(_in_lower_case(scope)))
        await (app if refusal is None else refusal)({**scope, "user": user}, receive, send)

    return guarded


def _in_lower_case(scope: Scope) -> Scope:
    """The request with its Host and Origin in lower case, as names are compared."""
    named = (b"host", b"origin")
    headers = [(name, value.lower() if name in named else value) for name, value in scope["headers"]]
    return {**scope, "headers": headers}


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
