"""Signed links of films and pictures: a JWT with an expiry in the query, as CloudFront's look at Runway."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any


class Signer:
    """Signs and verifies tokens for files; two tokens for the same file always differ."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._count = 0

    def sign(self, uuid: str, expires: float) -> str:
        """A token for the files of this asset, valid until `expires` (Unix seconds, cut to whole ones)."""
        self._count += 1
        payload = {
            "keyHash": hashlib.sha256(f"{uuid} {self._count}".encode()).hexdigest()[:16],
            "bucket": "runway-task-artifacts",
            "stage": "prod",
            "exp": int(expires),
            "asset": uuid,
        }
        body = f"{_HEADER}.{_encoded(payload)}"
        return f"{body}.{self._seal(body)}"

    def allows(self, token: str, uuid: str, now: float) -> bool:
        """Whether the token was signed here, for this asset, and is valid at `now` (Unix seconds)."""
        body, _, seal = token.rpartition(".")
        if not hmac.compare_digest(self._seal(body).encode(), seal.encode()):
            return False
        payload = json.loads(base64.urlsafe_b64decode(body.partition(".")[2] + "=="))
        return payload["asset"] == uuid and now < payload["exp"]

    def _seal(self, body: str) -> str:
        return _base64(hmac.digest(self._secret, body.encode(), "sha256"))


def _encoded(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


_HEADER = _encoded({"alg": "HS256", "typ": "JWT"})
