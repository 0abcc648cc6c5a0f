import pytest

from runway_mcp.runway.models import Extension
from runway_mcp.tasks.spend.refusals import arguments_key
from tests.kit.samples import clip, extension, plan

ASSET = clip().asset_id


@pytest.mark.parametrize(
    "other",
    [
        extension(asset_id=ASSET, text_prompt="sea"),
        extension(asset_id=ASSET, seconds=10),
        extension(asset_id=ASSET, max_jobs=2),
        extension(asset_id=ASSET, reply_url="https://example.com"),
        extension(asset_id=ASSET, explore_mode=True),
    ],
)
def test_a_quote_covers_every_argument(other: Extension) -> None:
    assert arguments_key(plan(other), "") != arguments_key(plan(extension(asset_id=ASSET)), "")


def test_a_quote_covers_its_caller_alone() -> None:
    assert arguments_key(plan(), "ana") != arguments_key(plan(), "ben")
