"""Verifiers of a hosted server's tokens: those of the file of callers, and several kinds side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from mcp.server.auth.provider import AccessToken, TokenVerifier

from runway_mcp.callers import Caller, CallersFile
from runway_mcp.server.context import ScopedToken


@dataclass(frozen=True)
class CallersTokens(TokenVerifier):
    """The tokens of a file of callers, as it is at the moment; each is found by its hash, so none is compared."""

    file: CallersFile

    async def verify_token(self, token: str) -> AccessToken | None:
        """The caller of a token; None for any other."""
        caller = self.file.callers.by_token(token)
        return None if caller is None else token_of(caller)


@dataclass(frozen=True)
class AnyOf(TokenVerifier):
    """Several verifiers, of which the first one that knows a token tells whose it is."""

    verifiers: Sequence[TokenVerifier]

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whose a token is; None if none of them knows it."""
        for verifier in self.verifiers:
            verified = await verifier.verify_token(token)
            if verified is not None:
                return verified
        return None


def token_of(caller: Caller) -> ScopedToken:
    """What is verified of a caller who is named in the file: his name, and what he may do."""
    return ScopedToken(token="", client_id=caller.name, scopes=sorted(caller.scopes))
