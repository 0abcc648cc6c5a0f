"""What hosts with strict schemas put into every optional argument, and what they leave `dry_run` with."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.server.tools.definitions import TOOLS
from tests.agents.reading import Data, next_call, step_of
from tests.kit.client import structured, text
from tests.kit.server import open_client
from tests.kit.upstream import virtual_world

pytestmark = pytest.mark.virtual_time

STRUCTURED = [name for name, tool in TOOLS.items() if tool.output_schema]
"""The tools with structured content; the others' own tests fill in their arguments."""


def filled(tool: str, filler: object) -> dict[str, Any]:
    """Every optional argument of a tool with that filler."""
    schema = TOOLS[tool].input_schema
    return {name: filler for name in schema["properties"] if name not in schema.get("required", ())}


def comparable(data: Data) -> Data:
    """A result without what is made anew for each call: links, quotes, and the call as it was given."""
    kept = {name: value for name, value in data.items() if name not in ("quote", "next_step")}
    links = ("url", "url_expires_at", "preview_urls")
    if "video" in data:
        kept["video"] = {name: value for name, value in data["video"].items() if name not in links}
    return kept


@pytest.mark.parametrize("filler", [None, "", "  ", 0])
@pytest.mark.parametrize("tool", STRUCTURED)
async def test_fillers_for_all_optional_arguments_at_once_count_as_absent(
    tmp_path: Path, mode: str, tool: str, filler: object
) -> None:
    world = virtual_world()
    async with open_client(world, tmp_path, mode) as client:
        assert client.clip.task is not None
        ids = {"assetId": world.asset_id(client.clip), "taskId": world.task_id(client.clip.task)}
        schema = TOOLS[tool].input_schema
        given = {name: ids[name] for name in schema.get("required", ())}
        given |= {"dry_run": True} if "dry_run" in schema["properties"] else {}
        plain = await client.data(tool, **given)
        told = await client.data(tool, **{**given, **filled(tool, filler)})

        assert comparable(told) == comparable(plain)
        assert client.posts == 0


async def test_nulls_beside_a_real_call_make_the_same_film_as_none(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        first = await client.extend(client.clip, **filled("extend_video", None) | {"dry_run": False})
        again = await client.extend(client.clip)

        assert (first["status"], again["twin"]) == ("SUCCEEDED", True)
        assert client.posts == 1


@pytest.mark.parametrize("odd", [None, "", " ", "maybe", 1, 0, [], {}, "TRUE", "yes"])
async def test_a_dry_run_that_is_no_boolean_prices_and_never_spends(tmp_path: Path, mode: str, odd: object) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        data = await client.extend(client.clip, text_prompt="on", dry_run=odd)
        await anyio.sleep(100)

        assert (data["status"], data["credits"]["cost"]) == ("DRY_RUN", 50)
        assert data["next_step"]["arguments"]["dry_run"] is False
        assert client.posts == 0


async def test_the_next_call_of_a_dry_run_says_that_it_is_none_in_both_forms(tmp_path: Path, mode: str) -> None:
    """Hosts that fill dry_run with null would never get out of pricing otherwise."""
    async with open_client(virtual_world(), tmp_path, mode) as client:
        result = await client.call(
            "extend_video", **filled("extend_video", None), assetId=client.world.asset_id(client.clip)
        )

        tool, arguments = step_of(structured(result))
        assert (tool, arguments["dry_run"]) == ("extend_video", False)
        assert None not in arguments.values()
        assert next_call(text(result)) == (tool, arguments)
        assert (await client.data(tool, **filled(tool, None) | arguments))["status"] == "SUCCEEDED"


async def test_the_word_false_is_no_dry_run(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        assert (await client.extend(client.clip, dry_run="False"))["status"] == "SUCCEEDED"


@pytest.mark.parametrize("tool", STRUCTURED)
async def test_an_unknown_argument_is_refused_by_name_with_the_accepted_ones(
    tmp_path: Path, mode: str, tool: str
) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        result = await client.call(tool, colour="blue", **{"assetId": "x"} if tool == "extend_video" else {})

        error = structured(result)["error"]
        assert (error["kind"], error["charged"], error["retry"]) == ("invalid_request", "no", "after_change")
        assert '"colour"' in error["message"]
        assert all(name in error["message"] for name in TOOLS[tool].input_schema["properties"])
        assert not client.world.requests


@pytest.mark.parametrize("filler", [None, ""])
async def test_an_unknown_argument_is_refused_even_if_it_is_only_filled_in(
    tmp_path: Path, mode: str, filler: object
) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        data = await client.extend(client.clip, colour=filler)

        assert data["error"]["kind"] == "invalid_request"
        assert client.posts == 0


@pytest.mark.parametrize(("tool", "name"), [("extend_video", "assetId"), ("get_task", "taskId")])
@pytest.mark.parametrize("filler", [None, "", "   "])
async def test_what_is_required_cannot_be_filled_in(
    tmp_path: Path, mode: str, tool: str, name: str, filler: object
) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        data = await client.data(tool, **{name: filler})

        assert data["error"]["kind"] == "invalid_request"
        assert data["summary"].startswith(f"{name} is ")
        assert not client.world.requests
