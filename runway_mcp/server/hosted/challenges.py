"""How a hosted server refuses a request for its token, and what it tells clients of its issuer (RFC 6750, RFC 9728)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Scope

from runway_mcp.callers import READ, SPEND
from runway_mcp.values import is_loopback

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
"""Where the metadata of a protected resource is, by its path."""

OF_TOKENS: Final = "/token"
"""Before the path of the endpoint: the same endpoint, but with no word of an issuer.

Hosts that discover an issuer ignore the token that they were given, so tokens of the file of callers need this one.
"""

RESOURCE: Final = "/mcp"
_SCOPES: Final = f"{READ} {SPEND}"
_HOST: Final = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:[0-9]{1,5})?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Challenges:
    """What is asked of a client without the right token; `issuer` is None where no signed tokens are taken.

    `public_url` is the address by which clients reach the server; without one it is made of the request's Host.
    """

    issuer: str | None
    public_url: str | None = None

    def unauthorized(self, scope: Scope, *, given: bool) -> Response:
        """401; that the token is wrong is told only if there was one."""
        error = {"error": "invalid_token"} if given else {}
        return PlainTextResponse("Unauthorized", 401, headers=self._headers(scope, error, _SCOPES))

    def insufficient(self, scope: Scope, needed: str) -> Response:
        """403 for a token that does not allow what was asked for; `needed` is all that this takes."""
        headers = self._headers(scope, {"error": "insufficient_scope"}, needed, always=True)
        told = {"code": -32001, "message": f"The access token lacks the scope: {needed}"}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": told}, 403, headers=headers)

    def steps_up(self, scope: Scope) -> bool:
        """Whether the client of a request can get a token of more scope by itself, from the issuer."""
        user: Any = scope.get("user")
        is_signed = user is not None and user.access_token.expires_at is not None
        return self.issuer is not None and is_signed and not scope["path"].startswith(OF_TOKENS)

    @property
    def metadata_paths(self) -> tuple[str, ...]:
        """Where the metadata is: by the path of the endpoint here, and by the one that clients know."""
        known = urlsplit(self.public_url or "").path
        return tuple(dict.fromkeys((f"{WELL_KNOWN}{RESOURCE}", f"{WELL_KNOWN}{known}{RESOURCE}")))

    def metadata(self, scope: Scope) -> Response:
        """The metadata of this server as a protected resource; 404 without an issuer."""
        if self.issuer is None:
            return JSONResponse({"error": "not_found"}, 404)
        return JSONResponse(
            {
                "resource": self.resource(scope),
                "authorization_servers": [self.issuer],
                "scopes_supported": [READ, SPEND],
                "bearer_methods_supported": ["header"],
                "resource_name": "Runway by useapi.net",
            },
            headers={"Cache-Control": "private, max-age=300"},
        )

    def resource(self, scope: Scope) -> str | None:
        """The address that clients know the endpoint by; None where the request's Host is none."""
        address = self._address(scope)
        return None if address is None else "".join(address)

    def _address(self, scope: Scope) -> tuple[str, str] | None:
        """The origin and the path of the endpoint; a challenge is made before the Host was checked."""
        if self.public_url is not None:
            parts = urlsplit(self.public_url)
            return f"{parts.scheme}://{parts.netloc}", f"{parts.path}{RESOURCE}"
        host = Headers(scope=scope).get("host", "")
        found = _HOST.fullmatch(host)
        if found is None:
            return None
        return f"{'http' if is_loopback(found['name']) else 'https'}://{host}", RESOURCE

    def _headers(
        self, scope: Scope, error: Mapping[str, str], needed: str, *, always: bool = False
    ) -> Mapping[str, str]:
        told = dict(error)
        is_told = self.issuer is not None and not scope["path"].startswith(OF_TOKENS)
        address = self._address(scope) if is_told else None
        if address is not None:
            origin, path = address
            told["resource_metadata"] = f"{origin}{WELL_KNOWN}{path}"
        if address is not None or always:
            told["scope"] = needed
        listed = ", ".join(f'{name}="{value}"' for name, value in told.items())
        return {"WWW-Authenticate": f"Bearer {listed}".strip()}
