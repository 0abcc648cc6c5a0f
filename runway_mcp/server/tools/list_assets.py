"""The tool `list_assets`: a page of assets, each with the verdict whether it can be extended."""

from runway_mcp.server.contract.arguments import ListAssets
from runway_mcp.server.contract.asset_results import assets_output
from runway_mcp.server.contract.outputs import AssetsOutput
from runway_mcp.server.reads import READING_SECONDS
from runway_mcp.server.tools.running_call import Call
from runway_mcp.tasks.listing import Page, list_page

LISTING_SECONDS = 40.0
"""The longest time for a page, in seconds, however long the configured wait is."""


async def list_assets(call: Call, arguments: ListAssets) -> AssetsOutput:
    """A page of assets with their verdicts; raises `Failure` and `RunwayError`."""
    service, settings = call.context.service, call.context.settings
    page = Page(
        arguments.media_type,
        arguments.offset,
        arguments.limit,
        arguments.email or settings.email,
        arguments.query,
        arguments.extendable_only,
    )
    seconds = min(max(settings.wait_seconds, READING_SECONDS), LISTING_SECONDS)
    return assets_output(await list_page(service.client, service.ledger, page, seconds=seconds), call.asked)
