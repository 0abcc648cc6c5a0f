import anyio
import pytest

from runway_mcp.films.recent import KEPT_SECONDS, MOST, Recent

pytestmark = pytest.mark.virtual_time


async def test_what_was_noted_is_used_for_a_while_and_then_no_more() -> None:
    recent = Recent[str]()
    recent.note("key", "value")
    await anyio.sleep(KEPT_SECONDS - 1)

    assert recent.get("key") == "value"
    assert recent.get("other") is None

    await anyio.sleep(2)

    assert recent.get("key") is None


async def test_of_too_much_what_was_noted_first_goes_first() -> None:
    recent = Recent[int]()
    for number in range(MOST + 1):
        recent.note(number, number)
        recent.note(1, 1)

    assert [number for number in range(MOST + 1) if recent.get(number) is None] == [0]


async def test_what_is_forgotten_is_used_no_more_and_leaves_the_rest() -> None:
    recent = Recent[str]()
    recent.note("key", "value")
    recent.note("other", "value")
    for key in ("key", "key", "never noted"):
        recent.forget(key)

    assert (recent.get("key"), recent.get("other")) == (None, "value")
