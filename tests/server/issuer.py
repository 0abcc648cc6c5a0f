"""An OAuth issuer in the test's own process: its metadata, its keys, and tokens with whatever is wrong with them."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ISSUER = "https://issuer.example.com/tenant"
"""The issuer; the transport of the tests leads there without a network."""

AUDIENCE = "https://runway.example.com/mcp"
"""What its tokens are for."""

NOW = int(time.time())
"""The time of the tests, in Unix seconds: PyJWT knows the system's clock alone."""

EC = ec.generate_private_key(ec.SECP256R1())
"""The key `one` of the issuer."""

RSA = rsa.generate_private_key(65537, 2048)
"""The key `two` of the issuer."""

ED = ed25519.Ed25519PrivateKey.generate()
"""The key `three` of the issuer."""


def jwk(key: Any, kid: str | None, **fields: Any) -> dict[str, Any]:
    """A public key as an issuer publishes it."""
    kinds = {ec.EllipticCurvePrivateKey: ECAlgorithm, rsa.RSAPrivateKey: RSAAlgorithm}
    kind: Any = next((each for of, each in kinds.items() if isinstance(key, of)), OKPAlgorithm)
    named = {} if kid is None else {"kid": kid}
    return json.loads(kind.to_jwk(key.public_key())) | {"use": "sig"} | named | fields


def published() -> list[dict[str, Any]]:
    """The keys that the issuer has."""
    return [jwk(EC, "one"), jwk(RSA, "two"), jwk(ED, "three")]


def claims(**fields: Any) -> dict[str, Any]:
    """The claims of a good token; None leaves one out."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "exp": NOW + 86_400, "iat": NOW - 5, "scope": "read spend"}
    return {name: value for name, value in (good | fields).items() if value is not None}


def signed(
    said: dict[str, Any] | None = None, *, key: Any = EC, alg: str = "ES256", kid: str | None = "one", **header: Any
) -> str:
    """A token with these claims, signed by a key."""
    headers = {"typ": "at+jwt", **({} if kid is None else {"kid": kid}), **header}
    # The library's own function for claims refuses some that an attacker would not.
    return jwt.PyJWS().encode(json.dumps(claims() if said is None else said).encode(), key, alg, headers)


@dataclass
class Issuer(httpx.AsyncBaseTransport):
    """The issuer behind a transport; what it answers can be changed, and is counted by path."""

    keys: list[dict[str, Any]] = field(default_factory=published)
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    status: int = 200
    place: str = "/.well-known/oauth-authorization-server/tenant"
    asked: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        app = Starlette(routes=[Route("/{path:path}", self._answer)])
        self._carry = httpx.ASGITransport(app)

    async def _answer(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        if self.status != 200:
            return Response(status_code=self.status, headers={"location": "/elsewhere"})
        if request.url.path == "/keys":
            return JSONResponse({"keys": self.keys})
        if request.url.path == self.place:
            return JSONResponse({"issuer": ISSUER, "jwks_uri": "https://issuer.example.com/keys"} | self.metadata)
        return Response(status_code=404)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._carry.handle_async_request(request)
