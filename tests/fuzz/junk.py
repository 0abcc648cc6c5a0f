"""Values that do not belong where they are put; every choice comes from the generator that is passed in."""

import json
import string
from random import Random
from typing import Any

HUGE = 200_000
DEEP = 90
"""As many levels as a reader of JSON must take; what is deeper may be refused unread."""

_SCALARS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    7,
    4_294_967_296,
    10**30,
    -(10**30),
    0.5,
    -0.0,
    1e308,
    "",
    " ",
    "0",
    "null",
    "\u0000",
    "\u202e\u0301",
    "😀" * 20,
    "../../etc/passwd",
    "%00%2e%2e%2f",
    "'; DROP TABLE intents; --",
    "${USEAPI_TOKEN}",
    "{{7*7}}",
    "\r\nX-Injected: 1",
    "ftp://example.com/",
    "http://",
    "//",
    "runway://",
    "runway://tasks/",
    "runway://assets/%ff",
)


def text(rng: Random, longest: int = 60) -> str:
    """A text of printable and of strange characters."""
    alphabet = string.printable + "äß€\u0000\u0085\u2028\ufeff😀"
    return "".join(rng.choices(alphabet, k=rng.randint(0, longest)))


def huge_text(rng: Random) -> str:
    """A text that nobody means."""
    return rng.choice(("A", "é", "😀", "\\", '"', " ")) * rng.randint(HUGE // 10, HUGE)


def deep(rng: Random, levels: int) -> Any:
    """A value nested so many levels deep."""
    value: Any = scalar(rng)
    for _ in range(levels):
        value = [value] if rng.random() < 0.5 else {rng.choice(("a", "params", "")): value}
    return value


def scalar(rng: Random) -> Any:
    """A value without parts."""
    return rng.choice(_SCALARS) if rng.random() < 0.8 else text(rng)


def value(rng: Random) -> Any:
    """Any value: mostly a scalar, sometimes a list or an object, rarely one that is huge or deep."""
    match rng.randrange(20):
        case 0:
            return deep(rng, rng.randint(2, DEEP))
        case 1:
            return [scalar(rng) for _ in range(rng.randrange(6))]
        case 2 | 3:
            return {text(rng, 8): scalar(rng) for _ in range(rng.randrange(6))}
        case 4 if rng.random() < 0.2:
            return huge_text(rng)
        case _:
            return scalar(rng)


def other_than(rng: Random, *kinds: type) -> Any:
    """A value of none of these types; a bool counts as no int."""
    while True:
        found = value(rng)
        if type(found) not in kinds:
            return found


def raw(rng: Random) -> bytes:
    """Bytes that are no JSON, or JSON that no reader has to take; never with a line end."""
    match rng.randrange(9):
        case 0:
            found = rng.randbytes(rng.randint(1, 300))
        case 1:
            whole = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": text(rng)}}).encode()
            found = whole[: rng.randrange(1, len(whole))]
        case 2:
            found = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"' + b"\xff\xc3\x28\xed\xa0\x80" + b'"}}'
        case 3:
            found = (b"[" if rng.random() < 0.5 else b'{"a":') * rng.randint(500, 20_000)
        case 4:
            found = b"\xef\xbb\xbf" + b'{"jsonrpc":"2.0","method":"ping"}'
        case 5:
            found = json.dumps({"a": 1}).encode("utf-16")
        case 6:
            found = b'{"jsonrpc":"2.0","id":' + b"9" * rng.randint(5_000, 9_000) + b',"method":"ping"}'
        case 7:
            found = b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping\\udfff"}'
        case _:
            found = rng.choice(
                (b"", b" ", b"\t", b"\x00", b"nope", b"{]", b"'x'", b"{'a': 1}", b"NaN", b"Content-Length: 5")
            )
    return found.replace(b"\n", b" ").replace(b"\r", b" ")
