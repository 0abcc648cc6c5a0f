"""The callers of a measured server: a file with their hashes, and an issuer that has signed a token for each."""

import json
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from runway_mcp.callers import hash_of, minted

AUDIENCE: Final = "https://runway.example.com/mcp"
"""What the issuer's tokens are for."""


@dataclass(frozen=True)
class Callers:
    """Callers who may read and spend: a token of each, and the file that names them."""

    tokens: tuple[str, ...]
    file: Path


def callers_file(folder: Path, count: int) -> Callers:
    """Writes the file of so many callers."""
    pairs = [minted(f"caller-{number}") for number in range(count)]
    file = folder / "callers.toml"
    file.write_text("\n".join(entry for _, entry in pairs), encoding="utf-8")
    return Callers(tuple(token for token, _ in pairs), file)


def hashes_file(folder: Path, tokens: tuple[str, ...]) -> Path:
    """Writes whose each token is by its hash, for the bare server."""
    file = folder / "hashes.json"
    file.write_text(json.dumps({hash_of(token): f"caller-{n}" for n, token in enumerate(tokens)}), encoding="utf-8")
    return file


@dataclass(frozen=True)
class Issuer:
    """An issuer that listens: its URL, and the tokens (JWT, ES256) that it has signed."""

    url: str
    tokens: tuple[str, ...]


@contextmanager
def issuer(count: int) -> Generator[Issuer]:
    """An issuer on this machine, with a token for each of so many subjects."""
    key = ec.generate_private_key(ec.SECP256R1())
    published = {"keys": [json.loads(ECAlgorithm.to_jwk(key.public_key())) | {"use": "sig", "kid": "one"}]}

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            origin = f"http://{self.headers['host']}"
            told = published if self.path == "/keys" else {"issuer": origin, "jwks_uri": f"{origin}/keys"}
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name that the library gives it
            """Tells nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield Issuer(url, tuple(_signed(url, key, count)))
        finally:
            server.shutdown()
            thread.join(10)


def _signed(url: str, key: ec.EllipticCurvePrivateKey, count: int) -> Iterator[str]:
    now = int(time.time())
    for number in range(count):
        claims = {"iss": url, "aud": AUDIENCE, "sub": f"subject-{number}", "iat": now, "exp": now + 86_400}
        yield jwt.encode({**claims, "scope": "read spend"}, key, "ES256", {"kid": "one", "typ": "at+jwt"})
