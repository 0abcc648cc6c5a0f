"""What is taken for a token, what is refused, and where it may come from."""

import pytest

from runway_mcp.install.command import InstallError
from runway_mcp.install.formats.edits import ConfigurationError
from runway_mcp.install.tokens import token_of
from tests.install.machines import SECRET, Desk, tree

REFUSED = [
    *((text, "is a placeholder") for text in ("user:1234-...", "user:1234-\u2026", "<token>", "(your token)")),
    *((text, "is a placeholder") for text in ("your-token", "YOUR_TOKEN_HERE", "user:1-xxxxxx", "API_KEY", "[token]")),
    *(
        (text, "is a reference")
        for text in ("${USEAPI_TOKEN}", "${env:T}", "{env:T}", "$TOKEN", "%TOKEN%", "$(pass t)")
    ),
    (f"USEAPI_TOKEN={SECRET}", "begins with USEAPI_TOKEN"),
    (f"Bearer {SECRET}", "begins with Bearer"),
    ("https://useapi.net/docs", "is an address"),
    *((text, "has blanks or signs that no token has") for text in ("user:1 2-abc", "user:1-\u20ac", "a\x07bcdefg")),
    *(
        (text, "has blanks or signs that no token has")
        for text in (f"{SECRET}\n{SECRET}", f'{SECRET}",', "user:{1234}")
    ),
    ("user", "is too short"),
    ("user:1-" + "a" * 2000, "is too long"),
]


@pytest.mark.parametrize(("text", "told"), REFUSED)
def test_what_can_be_no_token_is_refused_in_a_sentence_that_does_not_show_it(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        token_of(text)

    assert f"the token {told}" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        (SECRET, ()),
        (f"{SECRET}\n", ()),
        (f"  {SECRET}", ("The blanks around the token are left out.",)),
        (f'"{SECRET}"', ("The quotation marks around the token are left out.",)),
        (f" '{SECRET}' ", ("The quotation marks around the token are left out.",)),
        (f"\u201c{SECRET}\u201d", ("The quotation marks around the token are left out.",)),
    ],
)
def test_blanks_and_quotation_marks_around_a_token_are_left_out_and_told(text: str, notes: tuple[str, ...]) -> None:
    assert (token_of(text).text, token_of(text).notes) == (SECRET, notes)


def test_a_token_of_another_form_is_taken_with_a_word_of_doubt() -> None:
    token = token_of("1234567890")

    assert token.text == "1234567890"
    assert token.notes == ("The token does not look like one of useapi.net (user:1234-...); `doctor` tries it.",)


@pytest.mark.parametrize("way", ["environment", "question", "pipe"])
@pytest.mark.parametrize("host", ["cursor", "codex"])
def test_a_placeholder_is_refused_before_anything_is_fetched_or_written(way: str, host: str, desk: Desk) -> None:
    desk.put(host, b"").touch()
    before = tree(desk.home)
    match way:
        case "environment":
            desk.environ["USEAPI_TOKEN"] = "user:1234-..."
        case "question":
            desk.answer = "user:1234-..."
        case _:
            desk.piped = "user:1234-...\n"

    with pytest.raises(InstallError, match="was left as it is: the token is a placeholder"):
        desk.install(host)

    assert (tree(desk.home), desk.fetched) == (before, [])


@pytest.mark.parametrize(
    "there", [b"", b'{"mcpServers": {"runway": {"command": "uvx", "args": ["useapi-runway-mcp"]}}}']
)
def test_a_piped_token_is_written_and_not_shown(there: bytes, desk: Desk) -> None:
    file = desk.put("cursor", there)
    desk.piped = f"{SECRET}\n"

    said = desk.install("cursor")

    assert SECRET in file.read_text()
    assert SECRET not in said


@pytest.mark.parametrize(
    ("piped", "environ", "written"),
    [(SECRET, {"USEAPI_TOKEN": "user:2-other"}, "user:2-other"), (SECRET, {}, SECRET), ("", {}, "user:1-old")],
)
def test_the_variable_comes_before_the_pipe_and_both_before_what_stood_there(
    piped: str, environ: dict[str, str], written: str, desk: Desk
) -> None:
    entry = b'{"command": "uvx", "args": ["useapi-runway-mcp"], "env": {"USEAPI_TOKEN": "user:1-old"}}'
    file = desk.put("cursor", b'{"mcpServers": {"runway": ' + entry + b"}}")
    desk.piped, desk.environ = piped, environ

    desk.install("cursor")

    assert f'"USEAPI_TOKEN": "{written}"' in file.read_text()


def test_print_neither_asks_nor_reads_a_pipe(desk: Desk) -> None:
    desk.piped = desk.answer = "user:1234-..."

    desk.install("cursor", print_only=True)

    assert desk.asked == []
