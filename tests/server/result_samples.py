"""What the tests of results begin with: a call, a link as long as Runway's, a film."""

from typing import Any

from runway_mcp.server.contract.next_steps import EXTENDS, Asked
from tests.kit.samples import long_id

ASKED = Asked("extend_video", {"assetId": "a", "text_prompt": "on"}, 45, EXTENDS)


LINK = "https://cdn.example.com/11111111-2222-4333-8444-555555555555.mp4?_jwt=" + "j" * 280


def film(**fields: Any) -> dict[str, Any]:
    """An artifact in the wire's form, with links as long as Runway's."""
    measures = {"duration": 20.542, "size": {"width": 1280, "height": 768}}
    body = {"assetId": long_id("asset", 9), "url": LINK, "filename": "Gen-3 Alpha 1, on.mp4", "metadata": measures}
    return {**body, **fields}
