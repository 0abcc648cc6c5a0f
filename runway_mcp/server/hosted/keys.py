"""The public keys of an OAuth issuer: found by its metadata, fetched in bounded time, kept while it is away."""

import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit

import anyio
import jwt

from runway_mcp.runway.http.answers import Answer, Lost
from runway_mcp.runway.http.connections import Connections
from runway_mcp.server.transport.security import CannotVerify
from runway_mcp.values import is_loopback

ALGORITHMS: Final[Mapping[str, str]] = {"ES256": "EC", "RS256": "RSA", "PS256": "RSA", "EdDSA": "OKP"}
"""The signatures that are taken, each with the kind of its key; which one holds is never the token's to say alone."""

FETCH_SECONDS: Final = 5.0
"""How long one document of the issuer's may take, in seconds."""

LARGEST_DOCUMENT: Final = 65_536
"""The most bytes of such a document."""

AGAIN_SECONDS: Final = 60.0
"""The shortest time between two fetches for the sake of a key that is not known, in seconds."""

OLD_SECONDS: Final = 900.0
"""After how many seconds keys are fetched anew, so that one that the issuer has withdrawn goes."""

_FIRST_AGAIN_SECONDS: Final = 2.0
_SHORTEST_RSA: Final = 2048
_CURVES: Final[Mapping[str, tuple[str | None, ...]]] = {"EC": ("P-256",), "RSA": (None,), "OKP": ("Ed25519", "Ed448")}
_MOST_KEYS: Final = 100
_OK: Final = 200
_log = logging.getLogger(__name__)


class KeysMissing(CannotVerify):
    """The issuer's keys could not be had yet, or not since a token named one that is new to this server."""


@dataclass(frozen=True)
class Key:
    """A public key and the one signature that it is for in this token."""

    key: Any
    algorithm: str


@dataclass(frozen=True)
class _Published:
    id: str | None
    kind: str
    algorithm: str | None
    key: Any


class Keys:
    """The keys of `issuer`, as it published them last; `now` gives seconds. Fetches follow no redirect.

    They are fetched when they are old or a token names another one, by one caller at a time; those who come meanwhile
    wait for him only if there are none yet.
    """

    def __init__(self, issuer: str, connections: Connections, *, now: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._connections = connections
        self._now = now
        self._keys: tuple[_Published, ...] = ()
        self._fetched: float = -math.inf
        self._tried: float = -math.inf
        self._fetching = anyio.Lock()
        # What was fetched for and not there. Whoever names keys at random, no token but his own is refused for that.
        self._unpublished: dict[str, None] = {}
        self.are_away = True
        """Whether the issuer could not be asked, or gave none, when they were wanted last."""

    @property
    def are_there(self) -> bool:
        """Whether keys have been fetched."""
        return bool(self._keys)

    async def find(self, key_id: object, algorithm: object) -> Key | None:
        """The key that a token names, for the signature that it names; None if the issuer has none such.

        A token that names no key is taken where one key fits alone. Raises `KeysMissing`, also while it is too early to
        fetch for a key that was not asked for yet.
        """
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            return None
        if not (key_id is None or isinstance(key_id, str)):
            return None
        found = self._fitting(key_id, algorithm)
        now = self._now()
        is_old = now - self._fetched > OLD_SECONDS
        if (found is None or is_old) and now >= self._again_from:
            await self.fetch()
            found = self._fitting(key_id, algorithm)
            if key_id is not None and self._fetched >= now:
                self._unpublished[key_id] = None
                while len(self._unpublished) > _MOST_KEYS:
                    del self._unpublished[next(iter(self._unpublished))]
        is_new = key_id is not None and key_id not in self._unpublished and all(key_id != key.id for key in self._keys)
        if not self._keys or is_new:
            raise KeysMissing(self._again_from - self._now())
        return None if found is None else Key(found.key, algorithm)

    @property
    def _again_from(self) -> float:
        """From when on keys may be fetched again for the sake of one that is not known."""
        return self._tried + (AGAIN_SECONDS if self._keys else _FIRST_AGAIN_SECONDS)

    async def fetch(self) -> None:
        """Fetches the keys, unless somebody does; keeps those there are if that fails, and logs why."""
        before = self._tried
        if self._keys and self._fetching.locked():
            return
        async with self._fetching:
            if self._tried != before:
                return
            self._tried = self._now()
            try:
                keys = _published(await self._document(await self._address()))
            except _Unusable as error:
                self.are_away = True
                _log.warning("the keys of RUNWAY_MCP_ISSUER could not be had: %s", error)
                return
            self._keys, self._fetched, self.are_away = keys, self._now(), False

    def _fitting(self, key_id: str | None, algorithm: str) -> _Published | None:
        fits = [
            key
            for key in self._keys
            if key.kind == ALGORITHMS[algorithm]
            and key.algorithm in (None, algorithm)
            and (key_id is None or key.id == key_id)
        ]
        return fits[0] if len(fits) == 1 else None

    async def _address(self) -> str:
        """Where the keys are, by the issuer's metadata, which must name the issuer itself."""
        failure = _Unusable("it has no metadata")
        for place in _places(self._issuer):
            try:
                told = await self._document(place)
            except _Unusable as error:
                failure = error
                continue
            if told.get("issuer") != self._issuer:
                raise _Unusable("its metadata names another issuer")
            address = told.get("jwks_uri")
            if not isinstance(address, str) or not _is_safe(address, self._issuer):
                raise _Unusable("its metadata names no https address of keys")
            return address
        raise failure

    async def _document(self, url: str) -> Mapping[str, Any]:
        answer: Answer | Lost | None = None
        with anyio.move_on_after(FETCH_SECONDS):
            answer = await self._connections.get(url, {}, largest=LARGEST_DOCUMENT)
        if not isinstance(answer, Answer) or answer.status != _OK or answer.body is None:
            why = f"HTTP {answer.status}" if isinstance(answer, Answer) else "no answer"
            raise _Unusable(f"{why} at {urlsplit(url).path}")
        try:
            told = json.loads(answer.body)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise _Unusable(f"no JSON object at {urlsplit(url).path}")
        return cast("dict[str, Any]", told)


class _Unusable(Exception):  # noqa: N818  named for the fact
    """What the issuer tells cannot be used."""


def _places(issuer: str) -> Iterable[str]:
    """Where the metadata of an issuer may be: by RFC 8414, and by OpenID Connect in both spellings."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    yield f"{origin}/.well-known/oauth-authorization-server{path}"
    yield f"{origin}{path}/.well-known/openid-configuration"
    if path:
        yield f"{origin}/.well-known/openid-configuration{path}"


def _is_safe(url: str, issuer: str) -> bool:
    """Whether keys may be fetched from there: https, or this machine if the issuer itself is there."""
    parts = urlsplit(url)
    here = is_loopback(parts.hostname or "") and is_loopback(urlsplit(issuer).hostname or "")
    return parts.scheme == "https" or (parts.scheme == "http" and here)


def _published(told: Mapping[str, Any]) -> tuple[_Published, ...]:
    """The keys for signatures that we take; secrets, keys for other uses and weak ones are left out.

    Raises `_Unusable` if none is left.
    """
    given = told.get("keys")
    each = cast("list[Any]", given)[:_MOST_KEYS] if isinstance(given, list) else []
    keys = tuple(key for one in each if isinstance(one, dict) and (key := _read(cast("dict[str, Any]", one))))
    if not keys:
        raise _Unusable("it publishes no key that fits")
    return keys


def _read(jwk: Mapping[str, Any]) -> _Published | None:
    kind, named, algorithm = str(jwk.get("kty")), jwk.get("kid"), jwk.get("alg")
    fits = kind in ALGORITHMS.values() and jwk.get("use", "sig") == "sig" and "d" not in jwk
    if not fits or algorithm not in (None, *ALGORITHMS) or jwk.get("crv") not in _CURVES[kind]:
        return None
    try:
        key = jwt.PyJWK(dict(jwk), algorithm or next(name for name, of in ALGORITHMS.items() if of == kind)).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if kind == "RSA" and key.key_size < _SHORTEST_RSA:
        return None
    return _Published(named if isinstance(named, str) else None, kind, algorithm, key)
