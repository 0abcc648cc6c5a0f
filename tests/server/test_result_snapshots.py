"""Results word for word: of each tool at least one good one and one of every kind in which it can fail.

A wanted change is written with `UPDATE_SNAPSHOTS=1 pytest tests/server/test_result_snapshots.py`. What is made up at
random (links' signatures, references and quotes of ours) is masked.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import CallToolResult

from runway_mcp.runway.errors import RunwayError
from runway_mcp.simulator.builders import add_image, add_task, add_upload, add_video
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient, structured
from tests.kit.server import open_client
from tests.kit.upstream import virtual_world
from tests.server.pinned import FOLDER, check_snapshot

pytestmark = pytest.mark.virtual_time

CLIP, MAKER, LAST = "the clip", "the task that made the clip", "the task that was submitted last"
WISH: dict[str, Any] = {
    "assetId": CLIP,
    "text_prompt": "The camera rises over the dunes, warm evening light.",
    "seconds": 10,
    "seed": 7,
}
ALL_KINDS = {error.kind for error in RunwayError.__subclasses__()} | {
    *("generation_failed", "cancelled", "spend_limit", "declined", "not_configured")
}
# What only a spend ends in, and what only a task does.
SPENDING = {"insufficient_credits", "spend_limit", "declined", "submission_unknown"}
ENDS = {"moderated", "generation_failed", "cancelled"}
KINDS = {
    "extend_video": ALL_KINDS,
    "get_task": ALL_KINDS - SPENDING,
    "list_assets": ALL_KINDS - SPENDING - ENDS,
}

MASKS = (
    (re.compile(r"_jwt=[\w.-]+"), "_jwt=(signed)"),
    (re.compile(r"runway-mcp-[0-9a-f]{32}"), "runway-mcp-(random)"),
)


@dataclass(frozen=True)
class Case:
    """One result: what is called in which world, after which calls, and the snapshot's name after the tool's.

    Of `before` each call is made in turn, then `pause` seconds pass, then the rules of `trouble` begin.
    """

    name: str
    tool: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    before: tuple[dict[str, Any], ...] = ()
    pause: float = 0.0
    trouble: dict[str, Any] | None = None
    script: dict[str, Any] | None = None
    switches: dict[str, Any] = field(default_factory=dict[str, Any])
    world: dict[str, Any] = field(default_factory=dict[str, Any])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def snapshot(self) -> str:
        """Where the snapshot lies."""
        return f"results/{self.tool}.{self.name}"


def reads(tool: str, **arguments: Any) -> list[Case]:
    """What any call that reads can end in, by what upstream answers."""
    answers: dict[str, dict[str, Any]] = {
        "unauthorized": {"status": 401, "body": {"error": "Unauthorized", "code": 401}},
        "subscription": {"status": 402, "body": {"error": "Account has no subscription", "code": 402}},
        "busy": {"status": 429, "body": {"error": "Too many requests.", "code": 429}, "retry_after": 30},
        "account": {"status": 596, "body": {"error": "Account is in an error state.", "code": 596}},
        "unavailable": {"status": 503, "body": "<html>Bad gateway</html>", "content_type": "text/html"},
        "unexpected_response": {"status": 200, "body": {"hello": "world"}},
    }
    cases = [Case(name, tool, arguments, trouble={"method": "GET", **answer}) for name, answer in answers.items()]
    return [*cases, Case("not_configured", tool, arguments, settings={"token": None})]


def ends(tool: str, arguments: dict[str, Any], **more: Any) -> list[Case]:
    """What a task can end in, as `tool` tells it."""
    return [
        Case("succeeded", tool, arguments, script={}, **more),
        Case("generation_failed", tool, arguments, script={"outcome": "fail"}, **more),
        Case("moderated_task", tool, arguments, script={"outcome": "moderate"}, **more),
        Case("cancelled", tool, arguments, script={"outcome": "cancel"}, **more),
        Case("without_film", tool, arguments, script={"outcome": "empty"}, **more),
    ]


LOST: dict[str, Any] = {"method": "POST", "status": 502}
QUICK = {**WISH, "wait_seconds": 0}
FOLLOW = {"taskId": LAST}

CASES = [
    Case("dry_run", "extend_video", {**WISH, "dry_run": True}),
    Case("dry_run_turbo", "extend_video", {"assetId": CLIP, "dry_run": True}, world={"model": "gen3a_turbo"}),
    Case("dry_run_too_dear", "extend_video", {**WISH, "dry_run": True}, world={"used": 2160}),
    Case("dry_run_over_the_cap", "extend_video", {**WISH, "dry_run": True}, settings={"max_credits_per_call": 40}),
    Case("pending", "extend_video", QUICK),
    Case("twin", "extend_video", QUICK, before=(QUICK,), pause=200),
    *ends("extend_video", WISH),
    Case("twin_failed", "extend_video", WISH, before=(WISH,), script={"outcome": "fail"}),
    Case("twin_without_film", "extend_video", WISH, before=(WISH,), pause=90, script={"outcome": "empty"}),
    Case("dry_run_twin", "extend_video", {**WISH, "dry_run": True}, before=(QUICK,)),
    Case("several_films", "extend_video", {"assetId": CLIP, "seed": 7}, script={"outcome": "several"}),
    Case("invalid_request", "extend_video", {"asset_id": CLIP, "seconds": 7}),
    Case("invalid_clip", "extend_video", WISH, world={"upload": True}),
    Case("invalid_seconds", "extend_video", WISH, world={"model": "gen3a_turbo"}),
    Case("not_found", "extend_video", {**WISH, "assetId": "nobody-knows"}),
    Case("insufficient_credits", "extend_video", WISH, world={"used": 2160}),
    Case("busy_slots", "extend_video", {**QUICK, "seed": 8}, before=(QUICK,), world={"max_jobs": 1}),
    Case("moderated", "extend_video", {**WISH, "text_prompt": "something forbidden"}),
    Case("submission_unknown", "extend_video", {**WISH, "wait_seconds": 10}, trouble=LOST),
    Case("submission_closed", "extend_video", QUICK, before=(QUICK,), pause=700, world={"lost": True, "other": True}),
    Case("spend_limit", "extend_video", WISH, settings={"max_credits_per_call": 40}),
    Case("spend_limit_day", "extend_video", WISH, settings={"max_credits_per_day": 40}),
    Case("dry_run_under_a_cap", "extend_video", {**WISH, "dry_run": True}, settings={"max_credits_per_day": 140}),
    Case("spend_limit_spent", "extend_video", {**QUICK, "seed": 8}, (QUICK,), settings={"max_credits_per_day": 150}),
    Case("declined", "extend_video", WISH, settings={"confirm_above": 0.0}),
    *reads("extend_video", **WISH),
    Case("running", "get_task", FOLLOW, before=(QUICK,), pause=150),
    *ends("get_task", FOLLOW, before=(QUICK,), pause=200),
    Case("invalid_request", "get_task", {"task_id": MAKER}),
    Case("of_an_original", "get_task", {"taskId": CLIP}),
    Case("not_found", "get_task", {"taskId": "nobody-knows"}),
    *reads("get_task", taskId=MAKER),
    Case("page", "list_assets", {"limit": 4}, before=(QUICK,), pause=150, world={"library": True}),
    Case("with_links", "list_assets", {"limit": 2, "links": True}, world={"library": True}),
    Case("matches", "list_assets", {"query": "HOME long"}, world={"library": True}),
    Case("empty", "list_assets", {"mediaType": "audio"}),
    Case("unknown", "list_assets", trouble={"path_prefix": "/tasks", "status": 500}),
    Case("account_of_several", "list_assets", world={"accounts": 2}),
    Case("invalid_request", "list_assets", {"limit": 99}),
    Case("not_found", "list_assets", {"email": "nobody@example.com"}),
    *reads("list_assets"),
]


def world_of(case: Case) -> World:
    """The world that a case plays in; a task takes 180 s, or no time where the case says how it ends."""
    fields = dict(case.world)
    odd = {name: fields.pop(name, None) for name in ("upload", "model", "library", "lost", "other")}
    world = virtual_world(pace=180, clips=0, **fields)
    world.switch(**case.switches)
    if odd["upload"]:
        add_upload(world)
    else:
        add_video(world, model=odd["model"] or "gen3a", prompt="a quiet beach at dusk")
    if odd["library"]:
        add_video(world, extended=3, prompt="the long way home", age=7200)
        add_upload(world, age=9000).name = 'my "holiday"\n.mp4'
        add_video(world, model="gen4", age=9900)
        add_image(world)
        add_video(world, age=99000)
    if odd["other"]:
        add_task(world, seed=77, age=-20)
    world.faults += [Fault(**LOST)] if odd["lost"] else []
    if case.script is not None:
        world.script_next(**{"queue": 0, "duration": 0, **case.script})
    return world


def filled(client: ToolClient, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with the ids that they stand for."""
    clip = client.clip
    known = {CLIP: client.world.asset_id(clip)}
    known |= {MAKER: client.world.task_id(clip.task)} if clip.task else {}
    known |= {LAST: client.world.task_id(client.last_task())} if client.world.accepted else {}
    return {name: known.get(value, value) if isinstance(value, str) else value for name, value in arguments.items()}


def shown(result: CallToolResult, world: World) -> dict[str, Any]:
    """What a host is shown of a result, with what is random masked."""
    told = result.model_dump_json(
        by_alias=True, exclude_none=True, include={"content", "structured_content", "is_error"}
    )
    for pattern, mask in MASKS:
        told = pattern.sub(mask, told)
    quote = structured(result).get("quote")
    plain = told.replace(quote["id"], "(quote)") if quote else told
    assert world.token not in plain
    return CallToolResult.model_validate_json(plain).model_dump(
        mode="json", by_alias=True, exclude_none=True, include={"content", "structured_content", "is_error"}
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.snapshot)
async def test_a_result_is_what_its_snapshot_says(tmp_path: Path, mode: str, case: Case) -> None:
    world = world_of(case)
    async with open_client(world, tmp_path, mode, **case.settings) as client:
        for arguments in case.before:
            await client.call("extend_video", **filled(client, arguments))
        await anyio.sleep(case.pause)
        world.faults += [Fault(times=None, **case.trouble)] if case.trouble else []

        result = await client.call(case.tool, **filled(client, case.arguments))

        check_snapshot(case.snapshot, shown(result, world))


@pytest.mark.parametrize("tool", KINDS)
def test_of_each_tool_every_kind_of_failure_has_a_snapshot_and_so_has_a_success(tool: str) -> None:
    results = [json.loads(file.read_text(encoding="utf-8")) for file in (FOLDER / "results").glob(f"{tool}.*.json")]
    told = [result["structuredContent"] for result in results]

    assert {each["error"]["kind"] for each in told if "error" in each} == KINDS[tool]
    assert any("error" not in each for each in told)
    assert all(result["isError"] == ("error" in result["structuredContent"]) for result in results)


@pytest.mark.parametrize("file", sorted((FOLDER / "results").iterdir()), ids=lambda file: file.stem)
def test_the_text_names_no_id_link_or_price_that_the_structured_content_does_not(file: Path) -> None:
    result = json.loads(file.read_text(encoding="utf-8"))
    whole = json.dumps(result["structuredContent"], ensure_ascii=False)
    text = result["content"][0]["text"]

    for fact in re.findall(r"user:[^\s,\"()]+|https?://[^\s\"]+|\d+ credits|\d+ s\b", text):
        number = re.match(r"\d+", fact)
        assert (number.group() if number else fact.rstrip(".")) in whole
    for told in ("taskId", "assetId", "url", "kind"):
        values = re.findall(rf'"{told}": "([^"]+)"', whole)
        assert all(value in text for value in values if told != "url" or not file.stem.startswith("list_"))


def test_there_is_a_snapshot_for_each_result_and_for_nothing_else() -> None:
    assert {f"results/{file.stem}" for file in (FOLDER / "results").iterdir()} == {case.snapshot for case in CASES}
