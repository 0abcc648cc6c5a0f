"""What `view_film` answers, word for word: its text, and of its picture the form, the size and how large it may be.

A wanted change is written with `UPDATE_SNAPSHOTS=1 pytest tests/server/test_picture_snapshots.py`.
"""

import base64
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from mcp_types import CallToolResult, ImageContent

from runway_mcp.media.errors import MediaMissing
from runway_mcp.media.pictures.stills import LARGEST_BYTES
from runway_mcp.server.app import create_server
from runway_mcp.simulator.builders import add_image, add_task, add_upload
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from tests.kit.server import InProcessServer, settings
from tests.kit.upstream import Upstream
from tests.server.pictures import chain_world, films_client, give, grey_world, opened
from tests.server.pinned import FOLDER, check_snapshot

CLIP, UNKNOWN = "the newest clip", "an id that nothing has"
PICTURES = "pictures"


@dataclass(frozen=True)
class Case:
    """One look: what is called in which world, with which troubles, and the snapshot's name.

    `world` is `grey` (one frame each 0.2 s), `chain` (10 s, extended twice), or what is added to the grey one.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=lambda: {"assetId": CLIP})
    world: str = "grey"
    link: dict[str, Any] | None = None
    upstream: dict[str, Any] | None = None
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


def clip(**more: Any) -> dict[str, Any]:
    """The arguments of a look at the clip."""
    return {"assetId": CLIP, **more}


CASES = [
    Case("last_frame"),
    Case("first_frame", clip(show="first_frame")),
    Case("at_a_second", clip(at_seconds=0.3)),
    Case("past_the_end", clip(at_seconds=99)),
    Case("strip", clip(show="strip"), "chain"),
    Case("strip_in_one_piece", clip(show="strip")),
    Case("strip_of_unknown_seams", clip(show="strip"), "chain", upstream={"path_prefix": "/tasks", "status": 503}),
    Case("not_extendable", world="upload"),
    Case("invalid_request", clip(show="strip", at_seconds=0.3)),
    Case("no_video", world="image"),
    Case("running_task", world="task"),
    Case("not_found", {"assetId": "a name that nothing has"}),
    Case("not_found_id", {"assetId": UNKNOWN}),
    Case("not_configured", settings={"token": None}),
    Case("without_the_extra", settings={"missing": True}),
    Case("unauthorized", upstream={"status": 401, "body": {"error": "Unauthorized", "code": 401}}),
    Case("unavailable", link={"kind": "status", "status": 503}),
    Case("unexpected_response", link={"kind": "wrong_type"}),
]


def world_of(case: Case, folder: Path) -> World:
    """The world of a case; what is looked at is the newest of it."""
    if case.world == "chain":
        return chain_world(folder)
    world = grey_world(folder)
    if case.world == "upload":
        give(add_upload(world, age=0), folder, 16, 235)
    return world


def named(case: Case, world: World) -> dict[str, Any]:
    """The arguments with the ids that they stand for."""
    newest: Asset = world.assets[-1]
    known = {CLIP: world.asset_id(newest), UNKNOWN: f"{world.asset_id(newest)[:-1]}0"}
    if case.world == "image":
        known[CLIP] = world.asset_id(add_image(world))
    if case.world == "task":
        known[CLIP] = world.task_id(add_task(world, duration=1000))
    return {
        name: known.get(value, value) if isinstance(value, str) else value for name, value in case.arguments.items()
    }


async def looked(case: Case, world: World, folder: Path, mode: str) -> CallToolResult:
    """The result of the case's call."""
    arguments = named(case, world)
    world.link_faults += [LinkFault(**case.link, times=None)] if case.link else []
    world.faults += [Fault(times=None, **case.upstream)] if case.upstream else []
    if "missing" not in case.settings:
        async with films_client(world, folder, mode, **case.settings) as client:
            return await client.call("view_film", **arguments)
    server = create_server(settings(folder / "data"), transport=Upstream(world))
    async with running(world), server.lifespan(server) as whole:
        without = replace(whole, films=replace(whole.films, require=missing))
        async with InProcessServer(server, without, world).client(mode) as client:
            return await client.call("view_film", **arguments)


def missing() -> None:
    """As where the extra is not installed."""
    raise MediaMissing


def shown(result: CallToolResult) -> dict[str, Any]:
    """What a host is shown of a result, with a picture's bytes as what they are."""
    told = result.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"result_type", "meta"})
    for block, wire in zip(result.content, told["content"], strict=True):
        if isinstance(block, ImageContent):
            jpeg = base64.b64decode(block.data)
            assert len(jpeg) <= LARGEST_BYTES
            wide, high = opened(jpeg).size
            wire["data"] = f"(a JPEG of {wide}x{high} pixels, at most {LARGEST_BYTES} bytes)"
    return told


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_look_answers_what_its_snapshot_says(tmp_path: Path, mode: str, case: Case) -> None:
    world = world_of(case, tmp_path)
    told = shown(await looked(case, world, tmp_path, mode))

    assert world.token not in str(told)
    assert "structuredContent" not in told
    check_snapshot(f"{PICTURES}/{case.name}", told)


def test_there_is_a_snapshot_for_each_look_and_for_nothing_else() -> None:
    assert {file.stem for file in (FOLDER / PICTURES).iterdir()} == {case.name for case in CASES}
