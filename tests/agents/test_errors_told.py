"""What an error says of money and of a repeat, row by row of the contract's table, and where its next step leads."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.builders import add_task, add_upload, add_video
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.world import World
from tests.agents.reading import next_call, step_of
from tests.kit.client import ToolClient, structured, text
from tests.kit.server import open_client
from tests.kit.upstream import extended_clips, virtual_world

pytestmark = pytest.mark.virtual_time


def refused(status: int, said: str) -> Callable[[World], None]:
    """A world that answers every submit so."""

    def set_up(world: World) -> None:
        world.faults.append(Fault(method="POST", times=None, status=status, body={"error": said, "code": status}))

    return set_up


def broken(status: int, **answer: Any) -> Callable[[World], None]:
    """A world that answers every read so."""

    def set_up(world: World) -> None:
        world.faults.append(Fault(method="GET", times=None, status=status, **answer))

    return set_up


def ends(outcome: str) -> Callable[[World], None]:
    """A world whose next task ends so at once."""

    def set_up(world: World) -> None:
        world.script_next(outcome=outcome, queue=0, duration=0)

    return set_up


def nothing(_: World) -> None:
    """A world without trouble."""


@dataclass(frozen=True)
class Row:
    """A row of the table: what provokes it, and what is told."""

    kind: str
    charged: str
    retry: str
    trouble: Callable[[World], None] = nothing
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    tells_apart: str = ""
    retry_safe: bool = True


CHANGE = ("no", "after_change")
LATER = ("no", "later")
ROWS = [
    Row("invalid_request", *CHANGE, refused(400, "Parameter seconds is odd.")),
    Row("invalid_request", *CHANGE, arguments={"seconds": 7}, tells_apart="by us"),
    Row("not_found", *CHANGE, arguments={"assetId": "nobody"}),
    Row("unauthorized", *CHANGE, broken(401, body={"error": "Unauthorized"})),
    Row("subscription", *CHANGE, broken(402, body={"error": "Account has no subscription"})),
    Row("account", *CHANGE, broken(596, body={"error": "Account is in an error state."})),
    Row("not_configured", *CHANGE, settings={"token": None}),
    Row("declined", *CHANGE, settings={"confirm_above": 0.0}),
    Row("insufficient_credits", *CHANGE, refused(412, "You do not have enough credits to run this task.")),
    Row("spend_limit", *CHANGE, settings={"max_credits_per_call": 40}, tells_apart="call"),
    Row("spend_limit", *LATER, settings={"max_credits_per_day": 40}, tells_apart="day"),
    Row("busy", *LATER, refused(429, "You have too many tasks running or pending.")),
    Row("unavailable", *LATER, broken(503)),
    Row("unexpected_response", *LATER, broken(200, body={"hello": "world"})),
    Row("moderated", "no", "after_change", refused(422, "Text prompt did not pass moderation"), retry_safe=False),
    Row("moderated", "unknown", "after_change", ends("moderate"), tells_apart="as a task", retry_safe=False),
    Row("generation_failed", "unknown", "after_change", ends("fail")),
    Row("cancelled", "unknown", "after_change", ends("cancel")),
    Row(
        "submission_unknown",
        "unknown",
        "now",
        lambda world: world.faults.append(Fault(method="POST", status=502)),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind} {row.tells_apart}".strip())
async def test_an_error_tells_its_row_of_the_table_and_speaks_of_a_repeat_only_where_one_helps(
    tmp_path: Path, mode: str, row: Row
) -> None:
    world = virtual_world()
    row.trouble(world)
    async with open_client(world, tmp_path, mode, **row.settings) as client:
        asked = {"assetId": world.asset_id(client.clip), "wait_seconds": 20, **row.arguments}
        result = await client.call("extend_video", **asked)

        data = structured(result)
        error = data["error"]
        told = (error["kind"], error["charged"], error["retry_safe"], error["retry"])
        assert told == (row.kind, row.charged, row.retry_safe, row.retry)
        assert ("repeat the same call" in text(result)) is (row.retry != "after_change")
        assert f"Charged: {row.charged}" in text(result)
        if row.retry == "after_change":
            assert data.get("next_step", {}).get("arguments") != asked
            assert "the same call again" not in text(result).replace("Do not make the same call again", "")
        if "next_step" in data:
            assert next_call(text(result)) == step_of(data)


@pytest.mark.parametrize("row", [row for row in ROWS if row.charged == "unknown" and row.kind != "submission_unknown"])
async def test_a_failed_task_that_is_read_is_an_error_that_may_be_read_again(
    tmp_path: Path, mode: str, row: Row
) -> None:
    world = virtual_world()
    row.trouble(world)
    async with open_client(world, tmp_path, mode) as client:
        await client.extend(client.clip)
        result = await client.call("get_task", taskId=world.task_id(client.last_task()))

        error = structured(result)["error"]
        assert (error["kind"], error["retry_safe"], result.is_error) == (row.kind, True, True)


async def test_a_success_without_a_film_is_running_for_a_minute_and_then_charged_and_to_be_asked_later(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world()
    ends("empty")(world)
    async with open_client(world, tmp_path, mode) as client:
        first = await client.extend(client.clip, wait_seconds=45)
        await anyio.sleep(120)
        result = await client.call("extend_video", assetId=world.asset_id(client.clip))

        error = structured(result)["error"]
        assert first["status"] == "RUNNING"
        told = (error["kind"], error["charged"], error["retry_safe"], error["retry"])
        assert told == ("generation_failed", "yes", True, "later")
        assert client.posts == 1


async def test_a_submit_that_was_closed_as_unknown_is_for_good_and_its_next_step_is_a_look(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(pace=3000)
    world.faults += [Fault(method="POST", status=502)]
    async with open_client(world, tmp_path, mode) as client:
        await client.extend(client.clip, wait_seconds=1)
        await anyio.sleep(700)
        result = await client.call("extend_video", assetId=world.asset_id(client.clip), wait_seconds=1)

        data = structured(result)
        told = (data["error"]["kind"], data["error"]["charged"], data["error"]["retry"])
        assert told == ("submission_unknown", "unknown", "after_change")
        assert data["next_step"]["tool"] in ("list_assets", "get_task")
        assert "repeat" not in text(result)
        assert "about 50 credits" not in text(result)
        assert client.posts == 1


async def test_a_paid_film_that_was_deleted_is_not_found_and_charged(tmp_path: Path, mode: str) -> None:
    world = virtual_world()
    async with open_client(world, tmp_path, mode) as client:
        await client.extend(client.clip)
        await anyio.sleep(600)
        client.last_task().hidden = True
        client.last_task().artifacts[0].deleted = True
        data = await client.extend(client.clip)

        told = (data["error"]["kind"], data["error"]["charged"], data["error"]["retry"])
        assert told == ("not_found", "yes", "after_change")
        assert client.posts == 1


def complete(world: World) -> list[Asset]:
    """A extended_clips of a clip and its three extensions."""
    return extended_clips(world, "a quiet beach", "gulls rise", "the pier burns", "night falls")


@pytest.mark.parametrize("gone", [0, 1, 3])
async def test_a_fourth_extension_leads_to_a_model_whatever_is_left_of_the_films_before_it(
    tmp_path: Path, mode: str, gone: int
) -> None:
    world = virtual_world(clips=0)
    films = complete(world)
    for film in films[3 - gone : 3]:
        film.deleted = True
    async with open_client(world, tmp_path, mode) as client:
        result = await client.call("extend_video", assetId=world.asset_id(films[3]), text_prompt="on", seconds=10)

        data = structured(result)
        assert (data["error"]["kind"], data["error"]["retry"]) == ("invalid_request", "after_change")
        tool, arguments = step_of(data)
        asked = {"assetId": world.asset_id(films[3]), "text_prompt": "on", "seconds": 10}
        assert (tool, arguments) == ("extend_video", {**asked, "model": "gen4.5", "dry_run": False})
        assert next_call(text(result)) == (tool, arguments)
        assert (await client.data(tool, **arguments | {"dry_run": True}))["status"] == "DRY_RUN"
        assert client.posts == 0


@pytest.mark.parametrize("sort", ["complete", "gen4", "upload", "running", "seconds", "unknown"])
async def test_the_next_step_of_a_refusal_is_never_the_call_that_was_refused_and_works(
    tmp_path: Path, mode: str, sort: str
) -> None:
    world = virtual_world(pace=900)
    clips: dict[str, Callable[[], str]] = {
        "complete": lambda: world.asset_id(complete(world)[3]),
        "gen4": lambda: world.asset_id(add_video(world, model="gen4")),
        "upload": lambda: world.asset_id(add_upload(world)),
        "running": lambda: world.task_id(add_task(world, queue=0, duration=900)),
        "seconds": lambda: world.asset_id(world.assets[0]),
        "unknown": lambda: "nobody",
    }
    asked = {"assetId": clips[sort](), **({"seconds": 8} if sort == "seconds" else {})}
    async with open_client(world, tmp_path, mode) as client:
        tool, arguments = step_of(await client.data("extend_video", **asked))

        assert (tool, arguments) != ("extend_video", asked)
        # A call that spends names its model, which the refused one did not: that is the consent.
        assert arguments.get("dry_run", True) is ("model" not in arguments)
        if tool == "extend_video":
            arguments |= {"dry_run": True}
        assert "error" not in await client.data(tool, **arguments)
        assert client.posts == 0


async def test_a_message_of_several_sentences_stands_in_full_once(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode, token=None) as client:
        result = await client.call("list_assets")

        data = structured(result)
        message = data["error"]["message"]
        assert ". " in message
        assert message not in data["summary"]
        for sentence in message.split(". "):
            assert text(result).count(sentence) == 1


async def explain(client: ToolClient, asset: Asset) -> str:
    """The summary of a refused extension."""
    return str((await client.extend(asset))["summary"])


async def test_a_refusal_says_what_is_wrong_with_the_clip(tmp_path: Path) -> None:
    world = virtual_world(clips=0)
    async with open_client(world, tmp_path, "auto") as client:
        assert "gen4" in await explain(client, add_video(world, model="gen4"))
        assert "uploaded" in await explain(client, add_upload(world))
        assert "extended 3 times" in await explain(client, complete(world)[3])
