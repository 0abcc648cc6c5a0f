from pathlib import Path

import anyio
import pytest

from tests.conversations.__main__ import ERAS, wishes
from tests.conversations.wishes import WISHES, played

pytestmark = [pytest.mark.virtual_time, pytest.mark.slow]

# What each wish ends with, in either reading; how many calls it may take; credits that it may cost.
ENDS = {
    "beach_longer": ("The longer film is ready, 20 s long", 5, 100),
    "which_and_how_far": ("8 of the newest 8 assets; 5 extendable", 1, 0),
    "turbo_ten": ("The longer film is ready, 18 s long", 6, 40),
    "fourth_extension": ("with Gen-4.5 would cost at most 60 credits", 2, 0),
    "other_models": ("The film would then be 15 s long, of 2 parts", 3, 0),
    "forty_for_three_hundred": ("40 s long: extension 3 of 3", 13, 300),
    "impatient": ("The longer film is ready, 20 s long", 30, 100),
    "two_alternatives": ("The longer film is ready, 15 s long", 9, 100),
    "confirm_and_cap": ("Ask for 5 s", 6, 100),
    "no_token": ("USEAPI_TOKEN", 1, 0),
    "yesterdays_film": ("The longer film is ready, 20 s long", 7, 100),
    "two_prompts": ("list_assets", 0, 0),
}


@pytest.fixture(params=list(ERAS))
def mode(request: pytest.FixtureRequest) -> str:
    """The protocol era of the client."""
    return str(request.param)


@pytest.mark.parametrize("by_text", [False, True], ids=["structured", "text"])
@pytest.mark.parametrize("name", WISHES)
async def test_a_wish_is_fulfilled_by_what_results_say_alone(
    tmp_path: Path, mode: str, name: str, *, by_text: bool
) -> None:
    end, most_calls, cost = ENDS[name]
    with anyio.fail_after(200_000):
        agent = await played(name, tmp_path, mode, by_text=by_text)

    assert end in agent.seen
    assert agent.calls <= most_calls
    assert sum(agent.client.world.charged.values()) == cost


def test_what_each_wish_takes_is_a_table_with_a_row_for_each_reading() -> None:
    head, *rows = (line.split() for line in wishes())

    assert head == ["wish", "read", "as", "calls", "characters"]
    assert [row[:2] for row in rows] == [[name, way] for name in WISHES for way in ("structured", "text")]
