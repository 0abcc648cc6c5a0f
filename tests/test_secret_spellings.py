import json
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote

import pytest

from runway_mcp.secret_spellings import REMOVED, spellings_of_secret

TOKEN = "user:1234-Zq7xkT0pWv9dLm3s"
BARE = TOKEN.removeprefix("user:")
SPELLINGS: dict[str, Callable[[], str]] = {
    "as it is": lambda: TOKEN,
    "without user:": lambda: BARE,
    "what follows the number": lambda: BARE.partition("-")[2],
    "percent-encoded": lambda: quote(TOKEN, safe=""),
    "percent-encoded twice": lambda: quote(quote(TOKEN, safe=""), safe=""),
    "every character percent-encoded": lambda: "".join(f"%{ord(char):02x}" for char in TOKEN),
    "base64": lambda: b64encode(TOKEN.encode()).decode(),
    "base64 without user:": lambda: b64encode(BARE.encode()).decode(),
    "base64 within more": lambda: urlsafe_b64encode(f"Bearer {TOKEN}, thanks".encode()).decode(),
    "base64 of basic authentication": lambda: b64encode(f":{TOKEN}".encode()).decode(),
    "hexadecimal": TOKEN.encode().hex,
    "in capitals": TOKEN.upper,
    "split by blanks": lambda: " ".join(TOKEN),
    "split by lines": lambda: f"{TOKEN[:12]}\n{TOKEN[12:]}",
    "split by what cannot be seen": lambda: "\u200b".join(TOKEN),
    "escaped": lambda: "".join(f"\\u{ord(char):04x}" for char in TOKEN),
    "escaped as in Python": lambda: "".join(f"\\x{ord(char):02x}" for char in TOKEN),
    "percent-encoded after more percent signs": lambda: "".join(f"%%{ord(char):02x}" for char in TOKEN),
    "split by escapes": lambda: "\\n\\u3042\\t".join(TOKEN),
    "split by marks of quoted-printable": lambda: "=\r=%\r".join(TOKEN),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_secret_is_removed_in_every_spelling(spell: Callable[[], str]) -> None:
    told = spellings_of_secret(TOKEN).removed(f"it said {spell()} to us")

    assert REMOVED in told
    assert not spellings_of_secret(TOKEN).are_in(told.encode())


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_secret_is_removed_from_names_and_values_of_json(spell: Callable[[], str]) -> None:
    body = {"name": [{"deep": spell()}], spell(): 1, "kept": "the camera rises", "number": 5.0, "none": None}

    assert spellings_of_secret(TOKEN).are_in(json.dumps(body).encode())
    told = spellings_of_secret(TOKEN).removed_from(body)

    assert not spellings_of_secret(TOKEN).are_in(json.dumps(told).encode())
    assert isinstance(told, dict)
    assert (told["kept"], told["number"], told["none"]) == ("the camera rises", 5.0, None)


@pytest.mark.parametrize(
    "text",
    [
        "user:1234-runwayml:a@example.com-task:11111111-2222-4333-8444-555555555555",
        "1234",
        "user: a person",
        b64encode(b"something else that is encoded").decode(),
        "%F0%9F%8E%AC \\u00e9 \\n",
        "",
    ],
)
def test_nothing_else_is_removed(text: str) -> None:
    assert spellings_of_secret(TOKEN).removed(text) == text


def test_a_short_secret_is_removed_as_it_is_alone() -> None:
    assert spellings_of_secret("let-me-in").removed("let me in, with let-me-in") == f"let me in, with {REMOVED}"
    assert spellings_of_secret("").removed("anything") == "anything"


def test_a_secret_that_is_escaped_twice_is_found() -> None:
    once = "".join(f"\\u{ord(char):04x}" for char in TOKEN)

    assert spellings_of_secret(TOKEN).are_in(json.dumps(once).encode())


LARGEST = 2 * 2**20
CODES = {
    "quotation marks": b'\\"',
    "line ends": b"\\n",
    "backslashes": b"\\\\",
    "letters": b"\\u0041",
    "letters, twice": b"\\\\u0041",
    "foreign letters": b"\\u3042",
    "percent": b"%41",
    "percent, twice": b"%2541",
}


@pytest.mark.parametrize("code", CODES.values(), ids=CODES.keys())
def test_an_answer_of_nothing_but_codes_is_searched_in_less_time_than_anybody_may_wait(code: bytes) -> None:
    body = code * (LARGEST // len(code))
    spellings_of_secret(TOKEN)
    began = time.thread_time()

    assert not spellings_of_secret(TOKEN).are_in(body)

    assert time.thread_time() - began < 0.15


def test_looking_for_it_in_the_largest_answer_takes_hundredths_of_a_second() -> None:
    body = json.dumps([{"name": "Ümlaut \n 50% of it", "url": "https://cdn.example.com/a%20b?x=1"}] * 20_000).encode()
    spellings_of_secret(TOKEN)
    began = time.process_time()

    assert not spellings_of_secret(TOKEN).are_in(body[: 2 * 2**20])

    assert time.process_time() - began < 0.3
