"""The bare server as several callers reach it: the SDK's own check of their tokens, and its own streams.

    python -m benchmarks.hosting.bare ANSWERS HASHES [--stateless] [--uri URI]

ANSWERS is that of `benchmarks.bare`; HASHES is a JSON file of callers by the hashes of their tokens. At SIGUSR1 it
tells every stream that the resource URI has changed.
"""

import argparse
import json
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import uvicorn
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from pydantic import AnyHttpUrl
from starlette.applications import Starlette

from benchmarks.bare import bare_server
from runway_mcp.callers import READ, SPEND, hash_of

_HERE: Final = AnyHttpUrl("http://127.0.0.1")


@dataclass(frozen=True)
class Hashes(TokenVerifier):
    """Callers by the hashes of their tokens."""

    names: Mapping[str, str]

    async def verify_token(self, token: str) -> AccessToken | None:
        """The caller of a token; None for any other."""
        name = self.names.get(hash_of(token))
        return None if name is None else AccessToken(token=token, client_id=name, scopes=[READ, SPEND])


def bare_app(answers: Path, hashes: Path, bus: InMemorySubscriptionBus, *, stateless: bool) -> Starlette:
    """The app of the bare server behind a check of tokens."""
    server = bare_server(json.loads(answers.read_text(encoding="utf-8")), ListenHandler(bus))
    return server.streamable_http_app(
        stateless_http=stateless,
        auth=AuthSettings(
            issuer_url=_HERE, resource_server_url=_HERE, required_scopes=[READ], validate_token_resource=False
        ),
        token_verifier=Hashes(json.loads(hashes.read_text(encoding="utf-8"))),
    )


async def _serve(app: Starlette, bus: InMemorySubscriptionBus, uri: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as made:
        # asyncio sends small responses without delay only on sockets that name their protocol.
        listener = socket.socket(made.family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=made.detach())
    sys.stderr.write(f"bare listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp\n")
    sys.stderr.flush()
    config = uvicorn.Config(app, log_config=None, access_log=False)
    async with anyio.create_task_group() as group:
        group.start_soon(_publish, bus, uri)
        await uvicorn.Server(config).serve([listener])
        group.cancel_scope.cancel()


async def _publish(bus: InMemorySubscriptionBus, uri: str) -> None:
    with anyio.open_signal_receiver(signal.SIGUSR1) as signals:
        async for _ in signals:
            await bus.publish(ResourceUpdated(uri=uri))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("answers", type=Path)
    parser.add_argument("hashes", type=Path)
    parser.add_argument("--stateless", action="store_true")
    parser.add_argument("--uri", default="")
    asked = parser.parse_args()
    shared = InMemorySubscriptionBus()
    anyio.run(_serve, bare_app(asked.answers, asked.hashes, shared, stateless=asked.stateless), shared, asked.uri)
