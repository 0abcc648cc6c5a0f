"""The player's page, what hosts are told of it, and which hosts show it.

The extension of MCP Apps (SEP-1865) takes two `_meta` objects; the SDK's module for it would import its high-level
server.
"""

from functools import cache
from importlib.resources import files
from typing import Any, Final, cast
from urllib.parse import urlsplit

from runway_mcp.server.context import RequestContext
from runway_mcp.server.contract.uris import PLAYER
from runway_mcp.settings import Settings
from runway_mcp.values import is_loopback

EXTENSION: Final = "io.modelcontextprotocol/ui"
"""The identifier of the extension."""

MIME_TYPE: Final = "text/html;profile=mcp-app"
"""The MIME type of a page that hosts show."""

# ChatGPT lets a page call only tools with this key, on its older way.
CALLED_BY_PLAYER: Final[dict[str, Any]] = {"openai/widgetAccessible": True}
"""The `_meta` of a tool that the page calls."""

SHOWN_BY_PLAYER: Final[dict[str, Any]] = {
    "ui": {"resourceUri": PLAYER},
    "ui/resourceUri": PLAYER,
    "openai/outputTemplate": PLAYER,
    **CALLED_BY_PLAYER,
}
"""The `_meta` of the tool whose results the page shows; under the flat keys for older hosts and for ChatGPT."""

_FILM_HOSTS = ("https://*.cloudfront.net",)


@cache
def page() -> str:
    """The page, read from the package at its first use."""
    return files("runway_mcp.server.player").joinpath("player.html").read_text(encoding="utf-8")


def page_meta(settings: Settings) -> dict[str, Any]:
    """The `_meta` of the page: it loads films and pictures from these origins, and connects to none."""
    origins = [*_FILM_HOSTS, *_stand_in(settings.url)]
    return {
        "ui": {"csp": {"resourceDomains": origins}, "prefersBorder": True},
        "openai/widgetCSP": {"connect_domains": [], "resource_domains": origins},
        "openai/widgetPrefersBorder": True,
    }


def shows_player(ctx: RequestContext) -> bool:
    """Whether the host of this request declares that it shows such pages."""
    capabilities = ctx.session.client_capabilities
    declared = (capabilities.extensions or {}) if capabilities is not None else {}
    if EXTENSION not in declared:
        return False
    types: object = cast("dict[str, object]", declared[EXTENSION] or {}).get("mimeTypes")
    return types is None or (isinstance(types, list) and MIME_TYPE in types)


def _stand_in(api_url: str) -> list[str]:
    """The origin of a stand-in on this machine, which serves films itself."""
    url = urlsplit(api_url)
    return [f"{url.scheme}://{url.netloc}"] if is_loopback(url.hostname or "") else []
