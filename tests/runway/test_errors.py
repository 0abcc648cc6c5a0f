import inspect

import pytest

from runway_mcp.runway import errors
from runway_mcp.runway.errors import RunwayError, quoted
from tests.runway.samples import SIGNED, TASK_ID, TOKEN

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("error", ALL)
def test_every_error_is_of_one_tree_and_has_a_kind_of_its_own(error: type[RunwayError]) -> None:
    assert issubclass(error, RunwayError)
    if error is not RunwayError:
        assert [other for other in ALL if getattr(other, "kind", "") == error.kind] == [error]
        assert error.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Not found.", "Not found."),
        ("two\nlines\r\nand\ta  tab\u2028end ", "two lines and a tab end"),
        ("bell\x07 and \x1b[31mred \u202eright-to-left\u200b \ue000\ud800", "bell and [31mred right-to-left"),
        ('he "said" so', "he 'said' so"),
        (f"see {SIGNED}.", "see https://d2jqrm6oza8nb6.cloudfront.net/film.mp4"),
        ("see https://example.org/a#secret now", "see https://example.org/a now"),
        ("see https://me:pass@example.org/a now", "see https://example.org/a now"),
        ("at /assets/?email=a@b.example&token=x now", "at /assets/ now"),
        (f"token {TOKEN} is bad", "token [removed] is bad"),
        ("token user%3A1234-AbCdEf0123456789xyz is bad", "token [removed] is bad"),
        ("token user:99-Another0Token, sorry", "token [removed], sorry"),
        ("token us\u200ber:99-Another0Token, sorry", "token [removed], sorry"),
        ("Authorization: Bearer abc.def", "Authorization: [removed]"),
        ("login me@example.com, password: hunter2!, failed", "login me@example.com, [removed], failed"),
        ('{"password": "hunter2"} and a password is needed', "{'[removed]'} and a password is needed"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2ln end", "jwt [removed] end"),
        (f"no task {TASK_ID}", f"no task {TASK_ID}"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
        ("x" * 190 + " " + TOKEN, "x" * 190 + " [removed]"),
        ("x" * 100_000, "x" * 199 + "…"),
    ],
)
def test_a_strangers_text_is_quoted_on_one_line_without_secrets(said: str, shown: str) -> None:
    assert quoted(said, secret=TOKEN) == f'"{shown}"'


def test_a_token_of_an_unusual_form_is_removed_too() -> None:
    assert quoted("bad token p/w+1 or p%2Fw%2B1", secret="p/w+1") == '"bad token [removed] or [removed]"'


def test_hostile_text_is_cleaned_in_no_time() -> None:
    for hostile in ("https://" * 10_000, "?a=" * 30_000, "user:" * 20_000, "eyJ." * 25_000, "Bearer " * 20_000):
        assert len(quoted(hostile, secret=TOKEN)) <= 202


def test_an_unclear_submit_says_what_was_seen() -> None:
    error = errors.SubmitUnclear("the connection was lost")

    assert error.cause == "the connection was lost"
    assert "the connection was lost" in error.message
    assert error.running == ()
