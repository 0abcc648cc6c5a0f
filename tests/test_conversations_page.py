import pytest

from scripts.conversations import PAGE, comparable, page


@pytest.mark.slow
@pytest.mark.timeout(600)  # it makes real films
def test_the_page_of_conversations_is_what_the_server_answers_today() -> None:
    told = "run: uv run python -m scripts.conversations"
    assert comparable(page()) == comparable(PAGE.read_text(encoding="utf-8")), told
