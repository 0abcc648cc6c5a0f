import pytest

from runway_mcp.tasks.spend.plan import Wish
from runway_mcp.tasks.spend.refusals import arguments_key
from tests.kit.samples import clip, plan

ASSET = clip().asset_id


@pytest.mark.parametrize(
    "other",
    [
        Wish(asset_id=ASSET, text_prompt="sea"),
        Wish(asset_id=ASSET, seconds=10),
        Wish(asset_id=ASSET, max_jobs=2),
        Wish(asset_id=ASSET, reply_url="https://example.com"),
        Wish(asset_id=ASSET, explore_mode=True),
    ],
)
def test_a_quote_covers_every_argument(other: Wish) -> None:
    assert arguments_key(plan(other)) != arguments_key(plan(Wish(asset_id=ASSET)))
