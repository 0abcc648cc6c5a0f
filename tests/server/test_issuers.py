"""Signed tokens of an issuer: whose they are, and every way in which one of them is not surely for this server."""

import base64
import hmac
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from mcp.server.auth.provider import AccessToken

from runway_mcp.callers import Caller, Callers
from runway_mcp.runway.http.connections import Connections
from runway_mcp.server.context import caller_named
from runway_mcp.server.hosted.issuers import KEPT_SECONDS, LONGEST_SUBJECT, LONGEST_TOKEN, IssuerTokens
from runway_mcp.server.hosted.keys import AGAIN_SECONDS, OLD_SECONDS, Keys, KeysMissing
from tests.server.issuer import AUDIENCE, EC, ED, ISSUER, NOW, RSA, Issuer, claims, jwk, signed

STRANGERS_EC = ec.generate_private_key(ec.SECP256R1())
PUBLIC_PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
UNNAMED = json.dumps([ISSUER, "u1"])


@dataclass
class Clock:
    """Seconds that a test sets."""

    seconds: float = float(NOW)

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Place:
    """A verifier of an issuer's tokens, the issuer, the time and the callers."""

    tokens: IssuerTokens
    issuer: Issuer
    clock: Clock
    callers: list[Callers]

    async def caller(self, token: str) -> str | None:
        """Whose a token is; None if it is nobody's."""
        verified = await self.tokens.verify_token(token)
        return None if verified is None else caller_named(verified)

    async def verified(self, token: str) -> AccessToken:
        """What a token is verified as."""
        verified = await self.tokens.verify_token(token)
        assert verified is not None
        return verified


@asynccontextmanager
async def place(issuer: Issuer | None = None) -> AsyncGenerator[Place]:
    issuer, clock, callers = issuer or Issuer(), Clock(), [Callers()]
    async with Connections(token="", transport=issuer) as connections:
        keys = Keys(ISSUER, connections, now=clock)
        tokens = IssuerTokens(
            issuer=ISSUER,
            audiences=frozenset({AUDIENCE, "runway"}),
            keys=keys,
            callers=lambda: callers[0],
            now=clock,
        )
        yield Place(tokens, issuer, clock, callers)


def hand_made(header: dict[str, Any], said: dict[str, Any], signature: bytes = b"") -> str:
    """A token as no library would make it."""
    parts = [json.dumps(header).encode(), json.dumps(said).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


# --- whose a token is


@pytest.mark.parametrize(
    "token",
    [
        signed(),
        signed(key=RSA, alg="RS256", kid="two"),
        signed(key=RSA, alg="PS256", kid="two"),
        signed(key=ED, alg="EdDSA", kid="three"),
        signed(kid=None),
        signed(claims(aud=["https://elsewhere.example.com", AUDIENCE])),
        signed(claims(aud="runway")),
        signed(typ="JWT"),
    ],
)
async def test_a_token_of_the_issuer_for_this_server_is_its_subjects(token: str) -> None:
    async with place() as here:
        assert await here.caller(token) == UNNAMED


async def test_the_longest_subject_of_openid_connect_is_taken() -> None:
    async with place() as here:
        assert await here.caller(signed(claims(sub="s" * 255))) == json.dumps([ISSUER, "s" * 255])


@pytest.mark.parametrize("claim", ["exp", "nbf"])
async def test_the_issuers_clock_may_differ_by_half_a_minute(claim: str) -> None:
    at = int(time.time()) + (-30 if claim == "exp" else 30)
    async with place() as here:
        assert await here.caller(signed(claims(**{claim: at}))) == UNNAMED


@pytest.mark.parametrize(
    ("said", "scopes"),
    [
        ({}, {"read", "spend"}),
        ({"scope": "spend"}, {"read", "spend"}),
        ({"scope": "read openid"}, {"read"}),
        ({"scope": "runway:read runway:spend"}, {"read", "spend"}),
        ({"scope": None, "scp": ["read"]}, {"read"}),
        ({"scope": None, "scp": "read spend"}, {"read", "spend"}),
        ({"scope": None}, set[str]()),
        ({"scope": 7, "scp": [["spend"], {"spend": 1}]}, set[str]()),
        ({"scope": "respend"}, set[str]()),
    ],
)
async def test_a_token_allows_what_its_scopes_say(said: dict[str, Any], scopes: set[str]) -> None:
    async with place() as here:
        assert set((await here.verified(signed(claims(**said)))).scopes) == scopes


async def test_a_subject_of_the_file_is_its_caller_and_may_what_both_allow() -> None:
    async with place() as here:
        ana = Caller("ana", frozenset({"read"}), subjects=("u1",))
        here.callers[0] = Callers({"ana": ana}, {}, {"u1": ana})

        assert await here.caller(signed()) == "ana"
        assert (await here.verified(signed())).scopes == ["read"]
        assert await here.caller(signed(claims(sub="u2"))) == json.dumps([ISSUER, "u2"])


async def test_where_only_named_subjects_come_in_a_change_of_the_file_holds_at_once() -> None:
    async with place() as here:
        ana = Caller("ana", frozenset({"read"}), subjects=("u1",))
        here.callers[0] = Callers({"ana": ana}, {}, {"u1": ana}, only_named=True)
        assert await here.caller(signed()) == "ana"
        assert await here.caller(signed(claims(sub="u2"))) is None

        here.callers[0] = Callers(only_named=True)
        assert await here.caller(signed()) is None


# --- what gets nobody in

ATTACKS = {
    "no signature": hand_made({"alg": "none", "typ": "JWT", "kid": "one"}, claims()),
    "no signature, in another case": hand_made({"alg": "NoNe", "typ": "JWT", "kid": "one"}, claims()),
    "a signature that is empty": hand_made({"alg": "ES256", "typ": "JWT", "kid": "one"}, claims()),
    "HS256 with a secret": jwt.encode(claims(), "s" * 32, algorithm="HS256", headers={"kid": "one"}),
    "another key": signed(key=STRANGERS_EC),
    "another key, which the token brings": signed(key=STRANGERS_EC, jwk=jwk(STRANGERS_EC, "one")),
    "another key, to be fetched": signed(key=STRANGERS_EC, kid=None, jku="https://evil.example.com/keys"),
    "another issuer": signed(claims(iss="https://issuer.example.com/other")),
    "the issuer and a slash": signed(claims(iss=f"{ISSUER}/")),
    "a part of the issuer": signed(claims(iss="https://issuer.example.com")),
    "no issuer": signed(claims(iss=None)),
    "a list of issuers": signed(claims(iss=[ISSUER])),
    "another audience": signed(claims(aud="https://elsewhere.example.com")),
    "a part of the audience": signed(claims(aud="https://runway.example.com")),
    "no audience": signed(claims(aud=None)),
    "an audience of nothing": signed(claims(aud=[])),
    "expired": signed(claims(exp=NOW - 120)),
    "never expires": signed(claims(exp=None)),
    "expires at no time": signed(claims(exp="tomorrow")),
    "expires later than any number": signed(claims(exp=10**400)),
    "not yet": signed(claims(nbf=NOW + 3600)),
    "no subject": signed(claims(sub=None)),
    "an empty subject": signed(claims(sub="")),
    "a subject that is too long": signed(claims(sub="s" * (LONGEST_SUBJECT + 1))),
    "a subject that is no text": signed(claims(sub=["u1"])),
    "an ID token": signed(claims(nonce="n")),
    "an ID token of a hybrid flow": signed(claims(at_hash="h")),
    "another type": signed(typ="dpop+jwt"),
    "a critical extension": signed(crit=["x"], x=1),
    "an unknown key": signed(kid="four"),
    "a key's name that is no text": hand_made({"alg": "ES256", "kid": ["one"]}, claims()),
    "a key for another signature": signed(key=RSA, alg="RS256", kid="one"),
    "a signature that is not taken": signed(key=RSA, alg="RS512", kid="two"),
    "a signature that nobody knows": hand_made({"alg": "ES257", "kid": "one"}, claims()),
    "no header": ".".join(["", *signed().split(".")[1:]]),
    "a header that is a list": "W10." + ".".join(signed().split(".")[1:]),
    "another body": ".".join(
        [signed().split(".")[0], hand_made({}, claims(sub="root")).split(".")[1], signed().split(".")[2]]
    ),
    "encrypted": "a.b.c.d.e",
    "too long": signed(claims(more="m" * LONGEST_TOKEN)),
    "nothing": "..",
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_no_other_token_gets_anybody_in(attack: str) -> None:
    async with place() as here:
        assert await here.caller(signed()) == UNNAMED, "the verifier works"
        # Else a key that is unknown might be a new one.
        here.clock.seconds += AGAIN_SECONDS
        assert await here.caller(ATTACKS[attack]) is None


async def test_a_public_key_is_no_secret_with_which_a_token_can_be_signed() -> None:
    header, body, _ = hand_made({"alg": "HS256", "typ": "JWT", "kid": "two"}, claims()).split(".")
    signature = hmac.digest(PUBLIC_PEM, f"{header}.{body}".encode(), "sha256")
    forged = f"{header}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    async with place() as here:
        assert await here.caller(forged) is None


@pytest.mark.parametrize(
    "published",
    [
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ", "kid": "one"},
        jwk(EC, "one", use="enc"),
        jwk(EC, "one", alg="ES512"),
        jwk(EC, "one", d="AA"),
        jwk(ec.generate_private_key(ec.SECP384R1()), "one"),
        jwk(rsa.generate_private_key(65537, 1024), "one"),  # noqa: S505  that it is weak is the point
        {"kty": "EC", "kid": "one", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "kid": "one"},
    ],
)
async def test_a_key_that_is_no_strong_public_key_for_signatures_is_none(published: dict[str, Any]) -> None:
    async with place(Issuer(keys=[published, jwk(RSA, "two")])) as here:
        assert await here.caller(signed()) is None
        assert await here.caller(signed(key=RSA, alg="RS256", kid="two")) == UNNAMED


async def test_two_keys_of_one_name_are_no_key() -> None:
    async with place(Issuer(keys=[jwk(STRANGERS_EC, "one"), jwk(EC, "one")])) as here:
        assert await here.caller(signed()) is None


# --- the issuer's keys


async def test_a_flood_of_unknown_keys_costs_the_issuer_one_look_a_minute() -> None:
    async with place() as here:
        await here.caller(signed())
        looks = len(here.issuer.asked)
        await flood(here)
        assert len(here.issuer.asked) == looks

        here.clock.seconds += AGAIN_SECONDS
        assert await here.caller(signed(kid="unknown")) is None
        await flood(here)
        assert len(here.issuer.asked) == 2 * looks


async def flood(here: Place) -> None:
    """Comes with tokens of keys that nobody has asked for; none of them can be judged."""
    for number in range(50):
        with pytest.raises(KeysMissing):
            await here.caller(signed(kid=f"unknown-{number}"))


async def test_a_key_that_is_too_new_to_be_known_is_refused_only_once_the_issuer_was_asked_for_it() -> None:
    async with place() as here:
        assert await here.caller(signed()) == UNNAMED
        here.issuer.keys = [jwk(EC, "one"), jwk(STRANGERS_EC, "four")]
        here.clock.seconds += 10
        for kid in ("four", "five"):
            with pytest.raises(KeysMissing) as missing:
                await here.caller(signed(key=STRANGERS_EC, kid=kid))
            assert missing.value.seconds == AGAIN_SECONDS - 10

        here.clock.seconds += missing.value.seconds
        assert await here.caller(signed(kid="five")) is None
        assert await here.caller(signed(key=STRANGERS_EC, kid="four")) == UNNAMED
        assert await here.caller(signed(kid="five")) is None


async def test_while_the_issuer_is_away_a_key_that_is_new_is_not_refused() -> None:
    async with place() as here:
        assert await here.caller(signed()) == UNNAMED
        here.issuer.status = 500
        here.clock.seconds += AGAIN_SECONDS

        with pytest.raises(KeysMissing):
            await here.caller(signed(kid="four"))


async def test_a_new_key_is_found_and_one_that_was_withdrawn_is_gone() -> None:
    async with place() as here:
        assert await here.caller(signed()) == UNNAMED
        here.issuer.keys = [jwk(STRANGERS_EC, "four")]
        here.clock.seconds += AGAIN_SECONDS

        assert await here.caller(signed(key=STRANGERS_EC, kid="four")) == UNNAMED
        assert await here.caller(signed(claims(jti="another"))) is None


async def test_old_keys_serve_while_the_issuer_is_away() -> None:
    async with place() as here:
        assert await here.caller(signed()) == UNNAMED
        here.issuer.status = 500
        here.clock.seconds += OLD_SECONDS + 1

        assert await here.caller(signed(claims(jti="another"))) == UNNAMED


@pytest.mark.parametrize(
    "issuer",
    [
        Issuer(status=500),
        Issuer(status=302),
        Issuer(place="/elsewhere"),
        Issuer(keys=[]),
        Issuer(metadata={"issuer": "https://issuer.example.com/other"}),
        Issuer(metadata={"jwks_uri": "http://issuer.example.com/keys"}),
        Issuer(metadata={"jwks_uri": "http://127.0.0.1/keys"}),
        Issuer(metadata={"jwks_uri": "file:///keys"}),
        Issuer(metadata={"jwks_uri": 7}),
        Issuer(keys=[jwk(EC, "one", more="m" * 70_000)]),
    ],
)
async def test_without_any_key_whose_a_token_is_cannot_be_told(issuer: Issuer) -> None:
    async with place(issuer) as here:
        with pytest.raises(KeysMissing):
            await here.caller(signed())


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server/tenant",
        "/tenant/.well-known/openid-configuration",
        "/.well-known/openid-configuration/tenant",
    ],
)
async def test_the_metadata_is_found_where_either_standard_puts_it(path: str) -> None:
    async with place(Issuer(place=path)) as here:
        assert await here.caller(signed()) == UNNAMED


async def test_a_verified_token_is_not_verified_again_for_a_minute() -> None:
    async with place() as here:
        token = signed()
        assert await here.caller(token) == UNNAMED
        here.issuer.keys = [jwk(STRANGERS_EC, "four")]
        here.clock.seconds += KEPT_SECONDS - 1
        assert await here.caller(token) == UNNAMED

        here.clock.seconds += OLD_SECONDS
        assert await here.caller(token) is None
