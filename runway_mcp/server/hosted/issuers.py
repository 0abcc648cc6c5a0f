"""Verifies the signed tokens (JWT) of one OAuth issuer, by keys that it publishes; imported where one is set alone."""

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import jwt
from mcp.server.auth.provider import AccessToken, TokenVerifier

from runway_mcp.callers import Callers, scopes_of
from runway_mcp.server.context import ScopedToken
from runway_mcp.server.hosted.keys import Keys
from runway_mcp.server.hosted.tokens import token_of

LONGEST_TOKEN: Final = 8192
"""The most characters of a token that is looked at."""

LONGEST_SUBJECT: Final = 255
"""The most characters of a subject, as OpenID Connect has it; it names the caller in the ledger and the log."""

KEPT_SECONDS: Final = 60.0
"""For how long a verified token is not verified again, in seconds: a token that is revoked still serves for so long."""

MOST_KEPT: Final = 10_000
"""How many verified tokens are kept."""

LEEWAY_SECONDS: Final = 60
"""By how much the issuer's clock may differ, in seconds."""

_TYPES: Final = frozenset({"at+jwt", "application/at+jwt", "jwt"})
_OF_SIGN_IN: Final = ("nonce", "at_hash", "c_hash")
_PARTS: Final = 3


@dataclass(frozen=True)
class _Verified:
    """The claims of a token, and until when they need no check, in seconds of the clock."""

    claims: Mapping[str, Any]
    until: float


class IssuerTokens(TokenVerifier):
    """The tokens of `issuer` for one of the `audiences`.

    Whose token it is: the caller whom the file names for its subject, else its issuer and subject. What it may do: what
    its scopes and, for a named caller, the file allow both. `now` gives Unix seconds. Raises `KeysMissing` while no key
    could be had.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audiences: frozenset[str],
        keys: Keys,
        callers: Callable[[], Callers],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._audiences = sorted(audiences)
        self._keys = keys
        self._callers = callers
        self._now = now
        self._kept: OrderedDict[bytes, _Verified] = OrderedDict()

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whose a token is; None for one that is not surely the issuer's for this server, and still valid."""
        if len(token) > LONGEST_TOKEN or token.count(".") != _PARTS - 1:
            return None
        digest = hashlib.sha256(token.encode()).digest()
        kept = self._kept.get(digest)
        if kept is None or self._now() >= kept.until:
            self._kept.pop(digest, None)
            claims = await self._checked(token)
            if claims is None:
                return None
            until = min(self._now() + KEPT_SECONDS, float(claims["exp"]) + LEEWAY_SECONDS)
            kept = self._kept[digest] = _Verified(claims, until)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return self._told(kept.claims)

    async def _checked(self, token: str) -> Mapping[str, Any] | None:
        try:
            header = jwt.get_unverified_header(token)
            key = await self._keys.find(header.get("kid"), header.get("alg"))
            if key is None or "crit" in header or str(header.get("typ", "JWT")).lower() not in _TYPES:
                return None
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=self._audiences,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            # The library takes whole numbers of any length.
            is_time = math.isfinite(float(claims["exp"]))
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError):
            return None
        # The library has compared texts in part before.
        subject = claims["sub"]
        is_named = isinstance(subject, str) and 0 < len(subject) <= LONGEST_SUBJECT
        is_plain = is_time and is_named and claims["iss"] == self._issuer
        # What proves to a client who signed in is no access token, though it is signed and may have the same audience.
        return claims if is_plain and not any(claim in claims for claim in _OF_SIGN_IN) else None

    def _told(self, claims: Mapping[str, Any]) -> AccessToken | None:
        """Whose these claims are now: the file may have changed since they were checked."""
        callers, subject = self._callers(), claims["sub"]
        named, scopes = callers.by_subject.get(subject), scopes_of(_scopes(claims))
        if named is None and callers.only_named:
            return None
        fields: dict[str, Any] = {"expires_at": int(claims["exp"]) + LEEWAY_SECONDS}
        if named is not None:
            return token_of(named).model_copy(update={**fields, "scopes": sorted(named.scopes & scopes)})
        client = claims.get("client_id", claims.get("azp"))
        return ScopedToken(
            token="",
            client_id=client if isinstance(client, str) else subject,
            scopes=sorted(scopes),
            subject=subject,
            claims={"iss": self._issuer},
            **fields,
        )


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    """The scopes of a token, as texts or lists under either name; a prefix `runway:` may stand before ours."""
    found: list[str] = []
    for claim in ("scope", "scp"):
        given = claims.get(claim)
        each = given.split() if isinstance(given, str) else given
        if isinstance(each, list):
            texts = [one for one in cast("list[object]", each) if isinstance(one, str)]
            found += [one.removeprefix("runway:") for one in texts]
    return found
