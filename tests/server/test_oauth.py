"""The way of a host to a token, once and whole, over real sockets: challenge, metadata, authorization, token, call."""

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.provider import AuthorizationCode, AuthorizationParams
from mcp.server.auth.routes import build_metadata, create_auth_routes
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyHttpUrl, AnyUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runway_mcp.callers import Callers
from runway_mcp.runway.http.connections import Connections
from runway_mcp.server.app import create_server
from runway_mcp.server.hosted.hosting import hosting_of
from runway_mcp.server.hosted.issuers import IssuerTokens
from runway_mcp.server.hosted.keys import AGAIN_SECONDS, OLD_SECONDS, Keys, KeysMissing
from runway_mcp.server.transport.serving import bind, url_of
from runway_mcp.simulator.builders import small_world
from tests.kit.client import ToolClient
from tests.kit.server import settings
from tests.kit.upstream import Upstream
from tests.server.issuer import AUDIENCE, EC, NOW, claims, jwk, signed
from tests.server.toy import served

pytestmark = pytest.mark.slow

REDIRECT = "http://127.0.0.1:1/callback"
"""Where the browser would end; the test reads the code from the address itself."""


@dataclass
class Issuer:
    """A toy provider behind the SDK's own routes: it grants what it is told to, in turn, to its one user."""

    url: str
    clients: dict[str, OAuthClientInformationFull] = field(default_factory=dict[str, OAuthClientInformationFull])
    codes: dict[str, AuthorizationCode] = field(default_factory=dict[str, AuthorizationCode])
    grants: list[str] = field(default_factory=lambda: ["read", "read spend"])
    asked: list[tuple[list[str] | None, str | None]] = field(default_factory=list[tuple[list[str] | None, str | None]])
    keys: list[dict[str, Any]] = field(default_factory=lambda: [jwk(EC, "one")])
    keys_status: int = 200
    keys_after: anyio.Event | None = None

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        self.clients[str(client_info.client_id)] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        self.asked.append((params.scopes, params.resource))
        code = AuthorizationCode(
            code=secrets.token_urlsafe(32),
            scopes=self.grants.pop(0).split(),
            expires_at=time.time() + 60,
            client_id=str(client.client_id),
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        self.codes[code.code] = code
        return f"{params.redirect_uri}?code={code.code}&state={params.state}"

    async def load_authorization_code(
        self, _client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self.codes[authorization_code.code]
        scope = " ".join(authorization_code.scopes)
        said = claims(iss=self.url, scope=scope, client_id=client.client_id)
        return OAuthToken(access_token=signed(said), expires_in=3600, scope=scope)

    def app(self) -> Starlette:
        """The SDK's routes, and the keys that they know nothing of."""
        registers = ClientRegistrationOptions(enabled=True, valid_scopes=["read", "spend"])
        told = build_metadata(AnyHttpUrl(self.url), None, registers, RevocationOptions())

        async def metadata(_: Request) -> Response:
            return JSONResponse(told.model_dump(mode="json", exclude_none=True) | {"jwks_uri": f"{self.url}keys"})

        async def keys(_: Request) -> Response:
            if self.keys_after is not None:
                await self.keys_after.wait()
            return JSONResponse({"keys": self.keys}, self.keys_status)

        own = [Route("/.well-known/oauth-authorization-server", metadata), Route("/keys", keys)]
        provider: Any = self
        return Starlette(routes=[*own, *create_auth_routes(provider, AnyHttpUrl(self.url), None, registers)])


@asynccontextmanager
async def issuing(**fields: Any) -> AsyncGenerator[Issuer]:
    """The issuer on a socket of this machine."""
    with bind("127.0.0.1", 0) as listener:
        issuer = Issuer(f"{url_of('127.0.0.1', listener)}/", **fields)
        serving = uvicorn.Server(uvicorn.Config(issuer.app(), lifespan="off", log_config=None, ws="none"))
        async with anyio.create_task_group() as group:
            # `serve` would take the signals of the tests.
            group.start_soon(serving._serve, [listener])  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            yield issuer
            if issuer.keys_after is not None:
                issuer.keys_after.set()
            serving.should_exit = True


class Storage(TokenStorage):
    """What a host keeps."""

    def __init__(self) -> None:
        self._tokens: OAuthToken | None = None
        self._client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._client = client_info


def signing_in(url: str) -> OAuthClientProvider:
    """A host whose user agrees to everything in a browser that this is."""
    returned: list[AuthorizationCodeResult] = []

    async def redirect(address: str) -> None:
        async with httpx2.AsyncClient() as browser:
            answer = await browser.get(address)
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        returned.append(AuthorizationCodeResult(code=query["code"][0], state=query["state"][0]))

    async def callback() -> AuthorizationCodeResult:
        return returned.pop()

    metadata = OAuthClientMetadata(
        redirect_uris=[AnyUrl(REDIRECT)],
        token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token"],
    )
    return OAuthClientProvider(url, metadata, Storage(), redirect, callback)


async def test_a_host_finds_the_issuer_gets_a_token_calls_and_steps_up_to_spend(tmp_path: Path, mode: str) -> None:
    world = small_world(pace=0.3)
    with anyio.fail_after(60):
        async with issuing() as issuer:
            here = settings(tmp_path, issuer=issuer.url, audience=AUDIENCE, poll_seconds=0.05)
            server = create_server(here, transport=Upstream(world))
            async with (
                served(server, hosting=hosting_of(here, None)) as origin,
                httpx2.AsyncClient(auth=signing_in(f"{origin}/mcp"), timeout=30) as http,
                Client(streamable_http_client(f"{origin}/mcp", http_client=http), mode=mode) as mcp,  # pyright: ignore[reportArgumentType]  the eras' names
            ):
                client = ToolClient(mcp, world)
                assert (await client.data("list_assets"))["assets"]
                assert (await client.extend(client.clip, dry_run=True))["status"] == "DRY_RUN"
                assert len(issuer.asked) == 1

                film = await client.extend(client.clip)

                assert film["status"] == "SUCCEEDED"
                assert [(set(scopes or ()), resource) for scopes, resource in issuer.asked] == [
                    ({"read", "spend"}, f"{origin}/mcp")
                ] * 2
                assert client.posts == 1


@dataclass
class Clock:
    """Seconds that a test sets."""

    seconds: float = float(NOW)

    def __call__(self) -> float:
        return self.seconds


@asynccontextmanager
async def verifying(issuer: Issuer, clock: Clock) -> AsyncGenerator[IssuerTokens]:
    """A verifier of the issuer's tokens, over the network."""
    async with Connections(token="") as connections:
        keys = Keys(issuer.url, connections, now=clock)
        audiences = frozenset({AUDIENCE})
        with anyio.fail_after(60):
            yield IssuerTokens(issuer=issuer.url, audiences=audiences, keys=keys, callers=Callers, now=clock)


async def test_tokens_of_an_issuer_on_a_socket_are_taken_as_long_as_its_keys_hold() -> None:
    clock, another = Clock(), ec.generate_private_key(ec.SECP256R1())
    async with issuing() as issuer, verifying(issuer, clock) as tokens:

        async def takes(key: Any = EC, kid: str = "one", **said: Any) -> bool:
            token = signed(claims(**{"iss": issuer.url, **said}), key=key, kid=kid)
            return await tokens.verify_token(token) is not None

        assert await takes()
        assert not await takes(aud="https://elsewhere.example.com")
        assert not await takes(exp=NOW - 3600)
        assert not await takes(iss=issuer.url.rstrip("/"))
        with pytest.raises(KeysMissing):
            await takes(another, "two")

        issuer.keys = [jwk(another, "two")]
        clock.seconds += AGAIN_SECONDS
        assert await takes(another, "two")
        assert not await takes(jti="another"), "its first key is published no more"

        issuer.keys_status = 500
        clock.seconds += OLD_SECONDS + 1
        assert await takes(another, "two", jti="third"), "its last keys hold while it is away"


@pytest.mark.parametrize("fields", [{"keys_status": 500}, {"keys_after": anyio.Event}])
async def test_an_issuer_that_fails_or_takes_too_long_leaves_tokens_unjudged(fields: dict[str, Any]) -> None:
    made = {name: value() if callable(value) else value for name, value in fields.items()}
    async with issuing(**made) as issuer, verifying(issuer, Clock()) as tokens:
        with pytest.raises(KeysMissing):
            await tokens.verify_token(signed(claims(iss=issuer.url)))
