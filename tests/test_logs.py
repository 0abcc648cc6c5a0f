import io
import json
import logging
import pickle
from datetime import datetime
from typing import Any

import pytest
from opentelemetry.propagate import extract
from pydantic import BaseModel, ValidationError

from runway_mcp.logs import (
    MOST_OF_ONE_PLACE,
    SPENDS,
    WINDOW_SECONDS,
    CountingHandler,
    Redacted,
    logs_to_stderr,
    said_of,
)


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


def test_a_secret_that_is_given_again_costs_nothing_more() -> None:
    form = Redacted()
    form.hide("user:1-abc")
    once = len(pickle.dumps(form))
    for _ in range(10):
        form.hide("user:1-abc")

    assert len(pickle.dumps(form)) == once


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


def test_what_a_client_names_as_its_trace_is_not_logged_however_wrong_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with logs_to_stderr(Redacted()):
        extract({"traceparent": f"00-{'f' * 32}-{'f' * 16}-01", "tracestate": "wrong", "baggage": "wrong" * 2000})

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n2026-01-01 ERROR forged", "a\\n2026-01-01 ERROR forged"),
        ("a\r\x1b[31mred\x07\x9b", "a\\r\\x1b[31mred\\x07\\x9b"),
        ("a\u202eb\u2066c\u200bd\u2028e\x85f", "a\\u202eb\\u2066c\\u200bd\\u2028e\\x85f"),
        ('at\n  File "x", line 1', 'at\n  File "x", line 1'),
        ("Ümlaut, 砂丘, 🎬", "Ümlaut, 砂丘, 🎬"),
    ],
)
def test_nothing_of_a_record_can_pose_as_another_or_change_how_it_looks(text: str, shown: str) -> None:
    assert written("%s", text) == shown


class Wanted(BaseModel):
    """What is refused."""

    number: int


@pytest.mark.parametrize(
    "secret", ["token-of-forty-characters-that-is-cut-short", "https://example.com/a.mp4?_jwt=abc"]
)
def test_what_was_sent_is_in_no_record_of_a_refusal(secret: str) -> None:
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    handler.setFormatter(Redacted())
    with pytest.raises(ValidationError) as caught:
        Wanted.model_validate({"number": f"{'x' * 30}{secret}\n"})

    failed = (caught.type, caught.value, caught.tb)
    handler.emit(logging.LogRecord("mcp", logging.ERROR, __file__, 1, "failed: %s", (caught.value,), failed))

    assert told.getvalue().count("[type=int_parsing, input_type=str]") == 2
    assert "xxxx" not in told.getvalue()
    assert secret[-12:] not in told.getvalue()


class Log:
    """A log of its own at a time of the test's."""

    def __init__(self) -> None:
        self.now = 0.0
        self.told = io.StringIO()
        self.handler = CountingHandler(self.told, now=lambda: self.now)

    def say(self, text: str, place: int = 1) -> None:
        self.handler.handle(logging.LogRecord("x", logging.WARNING, __file__, place, text, (), None))

    @property
    def lines(self) -> list[str]:
        return self.told.getvalue().splitlines()


def test_a_repeated_record_is_written_once_a_window_and_then_counted() -> None:
    log = Log()
    for _ in range(1000):
        log.say("the same")
    assert log.lines == ["the same"]

    log.now = WINDOW_SECONDS
    log.say("another", place=2)

    assert log.lines[1].startswith("999 more records like the ones before")
    assert log.lines[2:] == ["another"]
    log.say("the same")
    assert log.lines[3:] == ["the same"]


def test_records_that_differ_by_what_a_stranger_sent_are_bounded_and_leave_other_places_alone() -> None:
    log = Log()
    for number in range(1000):
        log.say(f"stranger {number}")
    log.say("the outcome of a submit", place=2)

    assert len(log.lines) == MOST_OF_ONE_PLACE + 1
    assert log.lines[-1] == "the outcome of a submit"
    log.handler.close()
    assert log.lines[-1].startswith(f"{1000 - MOST_OF_ONE_PLACE} more records")


def test_a_log_call_whose_message_does_not_fit_its_arguments_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    handler = CountingHandler(io.StringIO())

    handler.handle(logging.LogRecord("library", logging.WARNING, __file__, 1, "%d", ("one",), None))

    assert "Logging error" in capsys.readouterr().err


def test_each_spend_is_a_line_however_many_there_are() -> None:
    told = io.StringIO()
    handler = CountingHandler(told)
    for _ in range(MOST_OF_ONE_PLACE + 5):
        handler.emit(logging.LogRecord(SPENDS, logging.INFO, __file__, 1, "accepted", (), None))

    assert told.getvalue().count("accepted") == MOST_OF_ONE_PLACE + 5


# --- as JSON


def as_json(message: str, *arguments: object) -> dict[str, Any]:
    """The object that a warning becomes."""
    form = Redacted()
    form.as_json = True
    form.hide("user:1-abc")
    line = form.format(logging.LogRecord("runway_mcp.x", logging.WARNING, __file__, 1, message, arguments, None))
    assert "\n" not in line
    return json.loads(line)


def test_a_record_is_one_json_object_that_says_what_it_is_about() -> None:
    with said_of(caller="ana", task=""), said_of(task="user:9-runwayml:a@example.com-task:1"):
        told = as_json("a %s", "line\nand another")
    assert datetime.fromisoformat(told.pop("ts")).tzinfo is not None
    assert told == {
        "level": "WARNING",
        "logger": "runway_mcp.x",
        "event": "a line\\nand another",
        "caller": "ana",
        "task": "user:9-runwayml:a@example.com-task:1",
    }
    assert "caller" not in as_json("later")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token user:1-abc here", "token [hidden] here"),
        ("https://cdn.example.com/a.mp4?_jwt=x", "https://cdn.example.com/a.mp4"),
        ('a "quoted" one: yes', 'a "quoted" one: yes'),
    ],
)
def test_as_json_nothing_is_told_that_is_not_told_as_text(text: str, shown: str) -> None:
    assert as_json(text)["event"] == shown
