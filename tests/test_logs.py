import io
import logging

import pytest

from runway_mcp.logs import Redacted, logs_to_stderr


def written(message: str, *arguments: object, secrets: tuple[str, ...] = ()) -> str:
    """The line that a warning becomes."""
    form = Redacted()
    for secret in secrets:
        form.hide(secret)
    record = logging.LogRecord("runway_mcp", logging.WARNING, __file__, 1, message, arguments, None)
    return form.format(record).split(": ", 1)[1]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token user:1-abc here", "token [hidden] here"),
        ("user:1-abcuser:1-abc", "[hidden][hidden]"),
        ("user:1-abc-and-more", "[hidden]"),
        (repr(r"back\slash"), "'[hidden]'"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_a_secret_is_hidden_wherever_it_stands(text: str, shown: str) -> None:
    assert written(text, secrets=("user:1-abc", "user:1-abc-and-more", r"back\slash")) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://cdn.example.com/a.mp4?_jwt=x.y.z&b=1 200", "GET https://cdn.example.com/a.mp4 200"),
        ("('https://cdn.example.com/a.mp4?_jwt=x', 1)", "('https://cdn.example.com/a.mp4', 1)"),
        ("see http://127.0.0.1:8000/a#secret", "see http://127.0.0.1:8000/a"),
        ("is that so? https://example.com/a", "is that so? https://example.com/a"),
        ("two https://a.example/x?1 https://b.example/y?2", "two https://a.example/x https://b.example/y"),
    ],
)
def test_a_link_loses_what_opens_it(text: str, shown: str) -> None:
    assert written(text) == shown


def fail() -> None:
    raise ValueError("hunter2 at https://example.com/a?hunter")


def test_arguments_and_tracebacks_are_redacted_like_messages() -> None:
    told = io.StringIO()
    form = Redacted()
    form.hide("hunter2")
    handler = logging.StreamHandler(told)
    handler.setFormatter(form)
    log = logging.getLogger("runway_mcp.test")
    log.addHandler(handler)

    try:
        fail()
    except ValueError:
        log.exception("lost %s", {"token": "hunter2"}, stack_info=True)
    finally:
        log.removeHandler(handler)

    assert "lost {'token': '[hidden]'}" in told.getvalue()
    assert "ValueError: [hidden] at https://example.com/a\n" in told.getvalue()
    assert "Stack (most recent call last)" in told.getvalue()
    assert "hunter2" not in told.getvalue()


def test_warnings_are_written_to_stderr_and_less_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with logs_to_stderr(Redacted()):
        logging.getLogger("httpx").info("GET https://example.com")
        logging.getLogger("runway_mcp.test").info("quiet")
        logging.getLogger("runway_mcp.test").warning("loud")
    logging.getLogger("runway_mcp.test").info("after")

    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(" WARNING runway_mcp.test: loud\n")
    assert err.count("\n") == 1
