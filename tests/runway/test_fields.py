"""What is seen of upstream's texts, whatever characters they are made of."""

import sys
import unicodedata

import pytest

from runway_mcp.runway.fields import link, visible_line

EVERY = range(sys.maxunicode + 1)


def test_every_character_is_shown_made_a_blank_or_left_out() -> None:
    odd: list[str] = []
    for char in map(chr, EVERY):
        category = unicodedata.category(char)
        shown = "a b" if char.isspace() else "ab" if category.startswith("C") else f"a{char}b"
        if visible_line(f"a{char}b") != shown:
            odd.append(ascii(char))

    assert not odd


@pytest.mark.parametrize("char", ["\n", "\x00", "\u200b", "\u202e", "\u2028", "\ue000", " ", "\u00a0"])
def test_a_link_with_a_blank_or_what_is_not_seen_is_none(char: str) -> None:
    assert link(f"https://cdn.example.com/a{char}b") is None
    assert link("https://cdn.example.com/ab") == "https://cdn.example.com/ab"
