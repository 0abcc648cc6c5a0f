"""Finds a secret in an answer or a log record, however it is spelled, and takes it out."""

import json
import re
import string
from base64 import b64encode
from binascii import a2b_qp
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast
from urllib.parse import quote

REMOVED: Final = "[removed]"
"""What is told in place of a secret, unless something else is asked for."""

# A secret of fewer letters and digits is looked for as it is alone, since it may stand in words by chance.
_SHORTEST_CORE: Final = 12
_PLAIN: Final = frozenset((string.ascii_letters + string.digits).encode())
_MARKS: Final = bytes(each for each in range(256) if each not in _PLAIN)
# What would be read as quoted-printable, and the mark that stands for a backslash meanwhile.
_TAKEN: Final = bytes.maketrans(b"=\r\n\x01", bytes(4))
# Quotation marks come first, since they are the most frequent and each look for one more costs where they remain.
_ESCAPED: Final = tuple(f"\\{each}".encode() for each in "\"/'nrtbfav")
_FOREIGN: Final = re.compile(rb"\\u[0-9a-fA-F]{4}")
_PREFIX: Final = "user:"


@dataclass(frozen=True)
class SecretSpellings:
    """How one secret can be spelled: `exact` as texts, the longest first, and `cores` without case and marks."""

    exact: tuple[str, ...]
    cores: tuple[bytes, ...]

    def are_in(self, data: bytes) -> bool:
        """Whether a spelling is in these bytes, also escaped, encoded twice, or split by what is no letter or digit.

        Never of a secret that is too short to be told from other text.
        """
        if not self.cores:
            return False
        bare = _bare(data)
        return any(core in bare for core in self.cores)

    def removed(self, text: str, told: str = REMOVED) -> str:
        """The text with `told` for every exact spelling; `told` alone, if another spelling is left in it."""
        for spelling in self.exact:
            text = text.replace(spelling, told)
        return told if self.are_in(text.encode(errors="replace")) else text

    def removed_from(self, value: object) -> object:
        """A JSON value with every text, keys included, as `removed` leaves it."""
        if isinstance(value, str):
            return self.removed(value)
        if isinstance(value, list):
            return [self.removed_from(each) for each in cast("list[object]", value)]
        if isinstance(value, dict):
            entries = cast("dict[str, Any]", value).items()
            return {self.removed(name): self.removed_from(each) for name, each in entries}
        return value


@lru_cache(maxsize=8)
def spellings_of_secret(secret: str) -> SecretSpellings:
    """The spellings of a secret: as it is, without `user:`, percent-encoded, in base64 and hexadecimal."""
    if not secret:
        return SecretSpellings((), ())
    bare = secret.removeprefix(_PREFIX)
    forms = (secret, bare) if len(_core(bare)) >= _SHORTEST_CORE else (secret,)
    exact = {repr(secret)[1:-1], json.dumps(secret)[1:-1]}
    for form in forms:
        once = {form, quote(form), quote(form, safe="")}
        exact |= once | {quote(each, safe="") for each in once}
    cores: set[bytes] = set()
    if len(forms) > 1:
        # What follows the user's number is the secret proper.
        proper = bare.partition("-")[2]
        kept = proper if len(_core(proper)) >= _SHORTEST_CORE else bare
        data = kept.encode()
        cores = {_core(kept), _core(data.hex()), *(_core(_base64_within(data, offset)) for offset in range(3))}
    return SecretSpellings(tuple(sorted(exact, key=len, reverse=True)), tuple(cores))


def _core(text: str) -> bytes:
    return text.encode().translate(None, _MARKS).lower()


def _bare(data: bytes) -> bytes:
    """The letters and digits of data, in lower case, after what is escaped or encoded, also twice, was read."""
    if b"%" in data:
        data = _unquoted(_unquoted(data))
    if b"\\" in data:
        data = _unescaped(_unescaped(data))
    return data.translate(None, _MARKS).lower()


# Both go through quoted-printable, whose decoder is the one that reads 2 MiB of nothing but codes in a hundredth of a
# second; with a call of Python for each code it takes half a second, in which nobody else is answered.
def _unquoted(data: bytes) -> bytes:
    """Data with its percent-encoding read, and some marks replaced by others."""
    return a2b_qp(data.translate(_TAKEN).replace(b"%", b"\0="))


def _unescaped(data: bytes) -> bytes:
    """Data with the escapes of JSON and Python read, those that are no ASCII left out, and some marks replaced."""
    data = data.translate(_TAKEN).replace(b"\\\\", b"\x01")
    if b"\\" in data:
        data = data.replace(b"\\u00", b"\0=").replace(b"\\x", b"\0=")
        for escaped in _ESCAPED:
            data = data.replace(escaped, b"")
        data = a2b_qp(_FOREIGN.sub(b"", data))
    return data.replace(b"\x01", b"\\")


def _base64_within(data: bytes, offset: int) -> str:
    """The digits in base64 that data has after `offset` other bytes, whatever stands around it."""
    whole = b64encode(bytes(offset) + data).decode()
    first = (0, 2, 3)[offset]
    last = (len(whole), -3, -2)[(offset + len(data)) % 3]
    return whole[first:last]
