"""The player's page and what hosts are told of it; the page itself is tried in `tests/browser`."""

import hashlib
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from mcp.client.extension import advertise
from mcp_types import TextResourceContents

from runway_mcp.server.contract.uris import PLAYER, PLAYER_VERSION
from runway_mcp.server.player.page import EXTENSION, MIME_TYPE, page
from runway_mcp.simulator.builders import add_video
from tests.kit.client import ToolClient
from tests.kit.protocol_tasks import TakesTasks
from tests.kit.server import open_client, open_server
from tests.kit.upstream import virtual_world

pytestmark = pytest.mark.virtual_time

LARGEST = 60_000
APPS: dict[str, Any] = {"mimeTypes": [MIME_TYPE]}
CLOUDFRONT = "https://*.cloudfront.net"
PLAIN = "ui://runway/player.html"


@asynccontextmanager
async def app_host(
    folder: Path, mode: str, told: dict[str, Any] | None = APPS, *, pace: float = 300
) -> AsyncGenerator[ToolClient]:
    """A client that declares the extension with these settings; None declares nothing."""
    extensions = [] if told is None else [advertise(EXTENSION, told)]
    async with (
        open_server(virtual_world(pace=pace), folder) as server,
        server.client(mode, extensions=extensions) as client,
    ):
        yield client


async def read(client: ToolClient, uri: str) -> TextResourceContents:
    (contents,) = (await client.mcp.read_resource(uri)).contents
    assert isinstance(contents, TextResourceContents)
    return contents


def test_the_uri_of_the_page_changes_with_its_content() -> None:
    version = hashlib.sha256(page().encode()).hexdigest()[:12]

    assert version == PLAYER_VERSION, "write this version into server/contract/uris.py"
    assert f"ui://runway/player-{version}.html" == PLAYER


def test_the_page_is_small_and_stands_alone() -> None:
    assert len(page().encode()) <= LARGEST
    assert not re.findall(r"""(?:src|href)\s*=|@import|\bimport\(|url\(""", page().partition("<script>")[0])
    assert not re.findall(r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|localStorage|eval)\b", page())
    assert "innerHTML" not in page()


def test_the_page_calls_one_tool_which_only_reads() -> None:
    assert re.findall(r'"tools/call", \{ name: "(\w+)"', page()) == ["get_task"]
    assert page().count("tools/call") == 1


async def test_one_tool_is_bound_to_the_page_and_under_every_key_that_a_host_looks_at(
    tmp_path: Path, mode: str
) -> None:
    async with open_client(virtual_world(), tmp_path, mode, token=None) as client:
        meta = {tool.name: dict(tool.meta or {}) for tool in (await client.mcp.list_tools()).tools}

        assert meta["extend_video"]["ui"] == {"resourceUri": PLAYER}
        assert meta["extend_video"]["ui/resourceUri"] == PLAYER
        assert meta["extend_video"]["openai/outputTemplate"] == PLAYER
        assert [name for name, told in meta.items() if PLAYER in str(told)] == ["extend_video"]
        assert meta["get_task"] == {"openai/widgetAccessible": True}


@pytest.mark.parametrize(
    ("url", "origins"),
    [
        ("https://api.useapi.net/v1/runwayml", [CLOUDFRONT]),
        ("https://proxy.example.com:8443/v1", [CLOUDFRONT]),
        ("http://127.0.0.1:4711/v1/runwayml", [CLOUDFRONT, "http://127.0.0.1:4711"]),
        ("http://localhost:4711/v1", [CLOUDFRONT, "http://localhost:4711"]),
        ("http://[::1]:4711/v1", [CLOUDFRONT, "http://[::1]:4711"]),
    ],
)
async def test_the_page_may_load_films_of_runway_and_of_a_stand_in_and_connect_to_nothing(
    tmp_path: Path, mode: str, url: str, origins: list[str]
) -> None:
    async with open_client(virtual_world(), tmp_path, mode, token=None, url=url) as client:
        (listed,) = [each for each in (await client.mcp.list_resources()).resources if each.uri == PLAYER]
        contents = await read(client, PLAYER)

        for meta in (listed.meta, contents.meta):
            told: dict[str, Any] = cast("dict[str, Any]", meta)
            assert told["ui"] == {"csp": {"resourceDomains": origins}, "prefersBorder": True}
            assert told["openai/widgetCSP"] == {"connect_domains": [], "resource_domains": origins}
        assert listed.mime_type == contents.mime_type == MIME_TYPE
        assert contents.text == page()


@pytest.mark.parametrize("uri", [PLAYER, PLAIN, "ui://runway/player-0123456789ab.html"])
async def test_the_page_answers_to_its_plain_uri_and_to_those_of_other_versions(
    tmp_path: Path, mode: str, uri: str
) -> None:
    async with open_client(virtual_world(), tmp_path, mode, token=None) as client:
        contents = await read(client, uri)

        assert (contents.uri, contents.text) == (uri, page())


async def test_where_the_player_is_shown_a_call_without_a_wait_answers_at_once(tmp_path: Path, mode: str) -> None:
    async with app_host(tmp_path, mode) as client:
        told = await client.extend(client.clip)

        assert client.took < 1
        assert told["taskId"] == client.world.task_id(client.last_task())
        assert "The player shown to the user follows it" in told["summary"]
        assert told["next_step"]["tool"] == "get_task"


async def test_a_named_wait_is_waited_there_too(tmp_path: Path, mode: str) -> None:
    async with app_host(tmp_path, mode) as client:
        told = await client.extend(client.clip, wait_seconds=20)

        assert client.took >= 20
        assert "player" not in told["summary"]


@pytest.mark.parametrize("told", [None, {"mimeTypes": ["text/html"]}, {"mimeTypes": "text/html"}])
async def test_a_host_that_does_not_show_such_pages_is_waited_for_as_ever(
    tmp_path: Path, mode: str, told: dict[str, Any] | None
) -> None:
    async with app_host(tmp_path, mode, told, pace=30) as client:
        film = await client.extend(client.clip)

        assert film["status"] == "SUCCEEDED"


async def test_a_host_that_names_no_types_shows_the_player(tmp_path: Path, mode: str) -> None:
    async with app_host(tmp_path, mode, {}) as client:
        assert "player" in (await client.extend(client.clip))["summary"]


async def test_what_nothing_follows_says_nothing_of_the_player(tmp_path: Path, mode: str) -> None:
    async with app_host(tmp_path, mode, pace=0) as client:
        priced = await client.extend(client.clip, dry_run=True)
        made = await client.extend(client.clip, wait_seconds=20)
        again = await client.extend(client.clip)

        assert made["status"] == again["status"] == "SUCCEEDED"
        assert not [told for told in (priced, made, again) if "player" in told["summary"]]


async def test_the_page_gets_progress_and_film_by_the_calls_that_it_makes(tmp_path: Path, mode: str) -> None:
    async with app_host(tmp_path, mode, pace=8) as client:
        told = await client.extend(client.clip)
        source = await client.data("get_task", taskId=told["lineage"]["source_assetId"], wait_seconds=0)
        film = await client.data("get_task", taskId=told["taskId"], wait_seconds=30)

        assert source["video"]["preview_urls"]
        assert film["video"]["duration_seconds"] == source["video"]["duration_seconds"] + 5


async def test_a_host_that_takes_tasks_too_gets_a_task(tmp_path: Path) -> None:
    async with (
        open_server(virtual_world(pace=20), tmp_path) as server,
        server.client("auto", extensions=[advertise(EXTENSION, APPS), TakesTasks()]) as client,
    ):
        clip = add_video(server.world)

        film = await client.extend(clip)

        assert film["status"] == "SUCCEEDED"
