"""What the demo's host makes of the server's answers, good and bad; the server here answers from a script."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import pytest
from mcp.client import Client
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp_types import (
    BlobResourceContents,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextResourceContents,
)

from runway_mcp.demo.failures import DemoError
from runway_mcp.demo.host import extend, find_clip, fresh_link, last_frame, price, read_task
from runway_mcp.demo.screen import Screen
from runway_mcp.server.contract.outputs import NextStep
from runway_mcp.server.tools.definitions import TOOLS

Answer = dict[str, Any]
Context = ServerRequestContext[Any]


@dataclass
class Script:
    """A server that gives its answers in turn, and keeps the calls."""

    answers: Sequence[Answer] = ()
    resource: str | bytes = ""
    calls: list[tuple[str, Answer]] = field(default_factory=list[tuple[str, Answer]])

    def client(self) -> Client:
        return Client(
            Server(
                "script",
                on_list_tools=self._tools,
                on_call_tool=self._call,
                on_read_resource=self._read,
            )
        )

    async def _tools(self, _context: Context, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=list(TOOLS.values()))

    async def _call(self, _context: Context, params: CallToolRequestParams) -> CallToolResult:
        self.calls.append((params.name, params.arguments or {}))
        answer = self.answers[len(self.calls) - 1]
        return CallToolResult(content=[], structured_content=answer, is_error="error" in answer)

    async def _read(self, _context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        if isinstance(self.resource, bytes):
            return ReadResourceResult(contents=[BlobResourceContents(uri=params.uri, blob="aGk=")])
        return ReadResourceResult(contents=[TextResourceContents(uri=params.uri, text=self.resource)])


def clip(asset_id: str, **traits: object) -> Answer:
    return {
        "assetId": asset_id,
        "uri": f"runway://assets/{asset_id}",
        "extendable": "yes",
        "duration_seconds": 10.0,
        **traits,
    }


def step(tool: str, **arguments: object) -> Answer:
    return {"tool": tool, "arguments": arguments, "reason": "it comes next"}


def told(status: str, **more: object) -> Answer:
    return {"summary": f"It is {status}.", "status": status, **more}


FILM = told(
    "SUCCEEDED",
    task_uri="runway://tasks/t",
    video={"assetId": "b", "uri": "runway://assets/b"},
    saved={"path": "/films/b.mp4", "size_bytes": 7},
    lineage={"extended_count": 2},
)
SUBMIT = NextStep(tool="extend_video", arguments={"assetId": "a"}, reason="it comes next")


def priced(model: str = "gen3a", **more: object) -> Answer:
    return told(
        "DRY_RUN",
        model=model,
        credits={"cost": 50, "remaining": 900},
        lineage={"extensions_left": 2},
        next_step=step("extend_video", assetId="right", seconds=5),
        **more,
    )


async def test_the_first_ten_second_gen3_alpha_clip_that_was_never_extended_is_taken() -> None:
    clips = [
        clip("still", extendable="no"),
        clip("short", duration_seconds=5.0),
        clip("longer", extended_count=1),
        clip("turbo"),
        clip("right"),
        clip("late"),
    ]
    script = Script([{"summary": "", "assets": clips}, priced("gen3a_turbo"), priced()])
    async with script.client() as client:
        assert (await find_clip(client)).asset_id == "right"
    assert script.calls[1:] == [
        ("extend_video", {"assetId": "turbo", "dry_run": True}),
        ("extend_video", {"assetId": "right", "dry_run": True}),
    ]


async def test_a_dry_run_tells_the_price_and_the_call_that_submits() -> None:
    script = Script([priced()])
    async with script.client() as client:
        told = await price(client, "right", seconds=5, text_prompt="on")
    assert script.calls == [("extend_video", {"assetId": "right", "seconds": 5, "text_prompt": "on", "dry_run": True})]
    assert (told.cost, told.balance, told.extensions_left) == (50, 900, 2)
    assert told.submit.arguments == {"assetId": "right", "seconds": 5}


@pytest.mark.parametrize("missing", ["credits", "lineage", "next_step"])
async def test_a_dry_run_without_a_price_is_refused(missing: str) -> None:
    answer = priced()
    del answer[missing]
    async with Script([answer]).client() as client:
        with pytest.raises(DemoError, match="a dry run left out what to do, what it costs or what is left"):
            await price(client, "a")


async def test_a_film_that_is_not_on_disk_yet_is_waited_for() -> None:
    saved = {"summary": "It is saved.", "saved": {"path": "/films/b.mp4", "size_bytes": 7}}
    script = Script([{name: value for name, value in FILM.items() if name != "saved"}, saved])
    async with script.client() as client:
        made = await extend(client, SUBMIT, Screen(StringIO()))
    assert made.saved.path == "/films/b.mp4"
    assert script.calls[1:] == [("save_film", {"assetId": "b"})]


async def test_a_film_of_which_no_file_is_told_is_refused() -> None:
    script = Script([{name: value for name, value in FILM.items() if name != "saved"}, {"summary": "Nothing."}])
    async with script.client() as client:
        with pytest.raises(DemoError, match="save_film told no file: Nothing"):
            await extend(client, SUBMIT, Screen(StringIO()))


async def test_a_look_without_a_picture_is_refused() -> None:
    async with Script([{"summary": ""}]).client() as client:
        with pytest.raises(DemoError, match="view_film showed no picture"):
            await last_frame(client, "a")


async def test_a_task_is_followed_for_as_long_as_each_answer_names_the_next_call() -> None:
    wait = step("get_task", taskId="t", wait_seconds=45)
    script = Script([told("PENDING", next_step=wait), told("RUNNING", next_step=wait), FILM])
    async with script.client() as client:
        made = await extend(client, SUBMIT, Screen(StringIO()))
    assert (made.task_uri, made.video.asset_id, made.extended_count) == ("runway://tasks/t", "b", 2)
    assert script.calls == [("extend_video", {"assetId": "a"})] + [("get_task", wait["arguments"])] * 2


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (told("SUCCEEDED", task_uri="runway://tasks/t"), "a task succeeded without a film: It is SUCCEEDED."),
        (told("RUNNING"), "a task that is RUNNING names no way to its film: It is RUNNING."),
        (told("RUNNING", next_step=step("list_assets")), "a task that is RUNNING names no way"),
        (
            {
                "summary": "Moderated.",
                "error": {
                    "kind": "moderated",
                    "message": "",
                    "charged": "no",
                    "retry_safe": False,
                    "retry": "after_change",
                },
            },
            "extend_video failed: Moderated.",
        ),
        ({"status": "SUCCEEDED"}, "extend_video broke its own output schema: .*summary"),
        (told("SUCCEEDED", next_step=step("get_task") | {"arguments": 1}), "extend_video broke its own output schema"),
    ],
)
async def test_an_answer_without_a_film_or_a_way_to_it_is_told_in_its_own_words(answer: Answer, line: str) -> None:
    async with Script([answer]).client() as client:
        with pytest.raises(DemoError, match=line):
            await extend(client, SUBMIT, Screen(StringIO()))


async def test_an_account_without_a_clip_to_extend_is_told_with_its_count() -> None:
    listing = {"summary": "", "assets": [clip("still", extendable="no")]}
    async with Script([listing]).client() as client:
        with pytest.raises(DemoError, match="none of the 1 videos is an extendable Gen-3 Alpha clip of 10 s"):
            await find_clip(client)


@pytest.mark.parametrize(
    ("resource", "line"),
    [
        (json.dumps(told("RUNNING")), "runway://tasks/t says RUNNING of a task that had succeeded"),
        (b"\0", "runway://tasks/t holds no text"),
        ("<html>", "runway://tasks/t did not answer in the form of the contract"),
    ],
)
async def test_a_task_resource_that_contradicts_the_call_is_refused(resource: str | bytes, line: str) -> None:
    async with Script(resource=resource).client() as client:
        with pytest.raises(DemoError, match=line):
            await read_task(client, "runway://tasks/t")


async def test_an_asset_resource_without_a_link_is_refused() -> None:
    asset = {"assetId": "a", "uri": "runway://assets/a"}
    async with Script(resource=json.dumps(asset)).client() as client:
        with pytest.raises(DemoError, match="runway://assets/a holds no link to its film"):
            await fresh_link(client, "runway://assets/a")
    async with Script(resource=json.dumps(asset | {"url": "https://x/y"})).client() as client:
        assert await fresh_link(client, "runway://assets/a") == "https://x/y"
