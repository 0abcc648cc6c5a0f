"""What is seen of upstream's texts, whatever characters they are made of."""

import sys
import unicodedata
from collections.abc import Callable

import pytest

from runway_mcp.runway.fields import is_storable, link, short, text, visible_line

EVERY = range(sys.maxunicode + 1)


def test_every_character_is_shown_made_a_blank_or_left_out() -> None:
    odd: list[str] = []
    for char in map(chr, EVERY):
        category = unicodedata.category(char)
        shown = "a b" if char.isspace() else "ab" if category.startswith("C") else f"a{char}b"
        if visible_line(f"a{char}b") != shown:
            odd.append(ascii(char))

    assert not odd


@pytest.mark.parametrize("read", [text, short])
def test_a_text_holds_nothing_that_a_database_cannot_keep(read: Callable[[object], str | None]) -> None:
    told = read("a\0b\ud800c")

    assert told == "ab?c"
    assert is_storable(told)


@pytest.mark.parametrize("odd", ["a\0b", "a\ud800b", "a\udfff"])
def test_nul_and_lone_surrogates_cannot_be_kept(odd: str) -> None:
    assert not is_storable(odd)
    assert is_storable("ä\u202e😀\n")


@pytest.mark.parametrize("char", ["\n", "\x00", "\u200b", "\u202e", "\u2028", "\ue000", " ", "\u00a0"])
def test_a_link_with_a_blank_or_what_is_not_seen_is_none(char: str) -> None:
    assert link(f"https://cdn.example.com/a{char}b") is None
    assert link("https://cdn.example.com/ab") == "https://cdn.example.com/ab"
