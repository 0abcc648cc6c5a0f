import pytest

from scripts.conversations import PAGE, page


@pytest.mark.slow
def test_the_page_of_conversations_is_what_the_server_answers_today() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "run: uv run python -m scripts.conversations"
