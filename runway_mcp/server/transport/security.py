"""What a request must show before anything of it is parsed: the access token, and a Host and Origin that are ours.

The checks stand before all routes alike, but for two. `/healthz` is open, since whatever watches a process calls it by
address and without a token, and it tells nothing but that the process is up. `/callbacks/` is, since upstream knows
neither our token nor our names; what arrives there is never believed.
"""

import hmac

from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from runway_mcp.settings import is_loopback
from runway_mcp.tasks.callbacks import PATH

HEALTH = "/healthz"

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def refusal_to_listen(host: str, *, access_token: SecretStr | None, allowed_hosts: tuple[str, ...]) -> str | None:
    """Why the server must not listen on `host`, in one line that names what to set; None where it may.

    Whoever reaches the server spends its owner's credits, so beyond this machine it takes both a token that strangers
    do not have and the names under which it may be addressed.
    """
    if is_loopback(host):
        return None
    needed = {"RUNWAY_MCP_ACCESS_TOKEN": access_token, "RUNWAY_MCP_ALLOWED_HOSTS": allowed_hosts}
    missing = " and ".join(name for name, value in needed.items() if not value)
    return f"to listen on {host}, beyond this machine, set {missing}" if missing else None


def host_rules(allowed_hosts: tuple[str, ...]) -> TransportSecuritySettings:
    """The Host and Origin headers that are taken: this machine's own names, and the allowed ones in lower case.

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


def access_guard(app: ASGIApp, *, access_token: SecretStr | None, rules: TransportSecuritySettings) -> ASGIApp:
    """The app behind its door: 401 without the token (where one is set), 421 for a strange Host, 403 for an Origin."""
    check = TransportSecurityMiddleware(rules)

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == HEALTH or scope["path"].startswith(PATH):
            await app(scope, receive, send)
            return
        if access_token is not None and not _bears(Headers(scope=scope), access_token):
            refusal = PlainTextResponse("Unauthorized", 401, headers={"WWW-Authenticate": "Bearer"})
        else:
            refusal = await check.validate_request(Request(_in_lower_case(scope)))
        await (app if refusal is None else refusal)(scope, receive, send)

    return door


def _in_lower_case(scope: Scope) -> Scope:
    """The same request with its Host and Origin in lower case, as names are compared."""
    named = (b"host", b"origin")
    headers = [(name, value.lower() if name in named else value) for name, value in scope["headers"]]
    return {**scope, "headers": headers}


def _bears(headers: Headers, access_token: SecretStr) -> bool:
    """Whether the one Authorization header is this bearer token; how long that takes tells nothing of the token."""
    given = headers.getlist("authorization")
    scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
    expected = access_token.get_secret_value().encode()
    return hmac.compare_digest(token.strip().encode(), expected) and scheme.lower() == "bearer"
