"""Texts that are cut so that the words of a search are seen, and names that were cut."""

import pytest

from runway_mcp.tasks.searching import cut, is_cut_of

LONG = (
    "A lighthouse stands in the fog while the waves roll in from the open sea and break on the black rocks below it; "
    "then a red boat comes round the headland, and behind it the whole harbour lights up, lamp after lamp."
)


def test_a_short_text_stays_as_it_is() -> None:
    assert cut("a red boat", 10, "boat") == "a red boat"
    assert cut(None, 10, "boat") is None


@pytest.mark.parametrize("query", [None, "", "lighthouse fog", "nowhere"])
def test_a_text_whose_beginning_shows_the_words_or_that_has_none_of_them_is_cut_at_its_end(query: str | None) -> None:
    assert cut(LONG, 60, query) == "A lighthouse stands in the fog while the waves roll in from…"


@pytest.mark.parametrize(
    "query", ["boat", "BOAT lighthouse", "boat lamp", "fog rocks harbour", "fog rocks boat harbour"]
)
@pytest.mark.parametrize("longest", [60, 90, 200])
def test_a_text_is_cut_around_each_word_that_its_beginning_does_not_show(query: str, longest: int) -> None:
    told = cut(LONG, longest, query)

    assert told is not None
    assert told.startswith("A light")
    assert len(told) <= longest
    shown = [word for word in query.casefold().split() if word in told.casefold()]
    assert len(shown) >= min(3, len(query.split()))


def test_the_end_of_a_text_that_is_shown_has_no_ellipsis_behind_it() -> None:
    assert str(cut(LONG, 60, "after")).endswith("lamp after lamp.")


@pytest.mark.parametrize("longest", [20, 40, 80])
def test_what_a_name_was_cut_to_is_known_as_that_name_alone(longest: int) -> None:
    told = cut(LONG, longest)

    assert told is not None
    assert is_cut_of(told, LONG)
    assert not is_cut_of(told, f"The {LONG}")
    assert not is_cut_of(told, LONG[: longest // 3])


@pytest.mark.parametrize("told", ["…", " … ", "…boat", "A lighthouse", "A lighthouse … boat", "A … nowhere …"])
def test_other_words_are_no_cut_of_a_name(told: str) -> None:
    assert not is_cut_of(told, LONG)


def test_a_word_of_any_length_fits() -> None:
    word = "x" * 300
    told = cut(f"{'a b ' * 60}{word}", 60, word)

    assert told is not None
    assert len(told) <= 60
    assert "xxx" in told
