"""The figures of submits: each is counted once, by what became of it, whoever waits for its call."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import ElicitResult

from runway_mcp.server.hosted.metrics import Metrics
from runway_mcp.simulator.world import World
from tests.films.continuing.processes import clip_world
from tests.kit.client import ToolClient
from tests.kit.protocol_tasks import TakesTasks, TaskHandle, called
from tests.kit.server import open_server
from tests.kit.upstream import fault, virtual_world
from tests.server.continuing import continuing_server
from tests.server.figures import of
from tests.tasks.submits import POST

CLIENT_FIELDS = {"extensions", "elicitation_callback"}


def submits(metrics: Metrics) -> dict[str, float]:
    """How many submits were counted by their outcome, where there were any, and the credits of all as `credits`."""
    counted = of(metrics, "runway_mcp_submits_total").items()
    told = {key[len('{outcome="') : -2]: count for key, count in counted if count}
    return told | {"credits": sum(of(metrics, "runway_mcp_credits_total").values())}


def told_to(metrics: Metrics) -> dict[str, Any]:
    """What a server is opened with that tells its work to these figures."""
    return {"telemetry": metrics.telemetry, "middleware": [metrics.measure]}


@asynccontextmanager
async def counting(folder: Path, mode: str = "auto", **fields: Any) -> AsyncGenerator[tuple[Metrics, ToolClient]]:
    """A client of a server with figures, whose host may take tasks and ask; `fields` are those of `open_server`."""
    metrics, client_fields = Metrics(), {name: fields.pop(name) for name in CLIENT_FIELDS & fields.keys()}
    async with (
        open_server(virtual_world(pace=60), folder, **told_to(metrics), **fields) as server,
        server.client(mode, **client_fields) as client,
    ):
        yield metrics, client


def held(world: World, **of: str) -> tuple[anyio.Event, anyio.Event]:
    """Holds up one request to upstream; what tells that it is there, and what lets it on."""
    reached, opened = anyio.Event(), anyio.Event()

    async def hold() -> None:
        reached.set()
        await opened.wait()

    fault(world, **of, kind="delay", hold=hold)
    return reached, opened


@pytest.mark.virtual_time
async def test_submits_are_counted_by_what_became_of_them_and_credits_once(tmp_path: Path, mode: str) -> None:
    async with counting(tmp_path, mode, max_credits_per_call=60) as (metrics, client):
        clip = client.clip
        for _ in range(2):
            await client.extend(clip, seed=1, wait_seconds=0)
        fault(client.world, **POST, kind="status", status=422)
        for _ in range(2):
            await client.extend(clip, seed=2, wait_seconds=0)
        fault(client.world, **POST, kind="reset_after")
        await client.extend(clip, seed=3, wait_seconds=30)
        await client.extend(clip, seed=4, seconds=10)

    assert submits(metrics) == {"accepted": 2.0, "twin": 2.0, "refused": 2.0, "unclear": 1.0, "credits": 100.0}


@pytest.mark.virtual_time
async def test_dry_runs_are_no_submits_and_calls_that_cannot_be_submitted_are_invalid(
    tmp_path: Path, mode: str
) -> None:
    async with counting(tmp_path, mode) as (metrics, client):
        for dry_run in (True, False):
            await client.extend(client.clip, seconds=7, dry_run=dry_run)
            await client.call("extend_video", assetId="no such clip", dry_run=dry_run)
        await client.extend(client.clip, dry_run=True)

    assert submits(metrics) == {"invalid": 2.0, "credits": 0.0}


@pytest.mark.virtual_time
async def test_a_submit_whose_call_was_cut_off_is_accepted_and_its_repeat_a_twin(tmp_path: Path, mode: str) -> None:
    async with counting(tmp_path, mode) as (metrics, client):
        reached, opened = held(client.world, **POST)
        async with anyio.create_task_group() as group:
            group.start_soon(client.extend, client.clip)
            await reached.wait()
            group.cancel_scope.cancel()
        opened.set()
        await anyio.sleep(10)
        assert submits(metrics) == {"accepted": 1.0, "credits": 50.0}

        assert (await client.extend(client.clip))["twin"]
        assert submits(metrics) == {"accepted": 1.0, "twin": 1.0, "credits": 50.0}


@pytest.mark.virtual_time
async def test_a_submit_that_is_handed_over_as_a_task_of_the_protocol_is_counted(tmp_path: Path) -> None:
    async with counting(tmp_path, extensions=[TakesTasks()]) as (metrics, client):
        asset_id = client.world.asset_id(client.clip)
        answer = await called(client.mcp, "extend_video", assetId=asset_id)

        assert isinstance(answer, TaskHandle)
        assert submits(metrics) == {"accepted": 1.0, "credits": 50.0}


@pytest.mark.virtual_time
async def test_calls_that_find_no_slot_or_no_consent_are_counted_as_such(tmp_path: Path) -> None:
    async def decline(*_: Any) -> ElicitResult:
        return ElicitResult(action="decline")

    async with counting(tmp_path / "slots") as (metrics, client):
        fault(client.world, **POST, kind="status", status=429, times=None)
        await client.extend(client.clip, wait_seconds=5)
        assert submits(metrics) == {"busy": 1.0, "credits": 0.0}
    async with counting(tmp_path / "asked", confirm_above=0.0, elicitation_callback=decline) as (metrics, client):
        await client.extend(client.clip)
        assert submits(metrics) == {"declined": 1.0, "credits": 0.0}


@pytest.mark.slow
async def test_a_film_is_no_accepted_submit_until_its_create_is_accepted(tmp_path: Path) -> None:
    metrics, world = Metrics(), clip_world(pace=1.0)
    async with (
        continuing_server(world, tmp_path, **told_to(metrics)) as server,
        server.client("auto") as client,
    ):
        wish = {"assetId": world.asset_id(client.clip), "model": "gen4.5"}
        _, opened = held(world, method="POST", path_prefix="/gen4_5/create")
        begun = await client.data("extend_video", **wish, wait_seconds=0)
        assert ("taskId" in begun, submits(metrics)) == (False, {"credits": 0.0})
        opened.set()
        await client.call("extend_video", **wish)

    assert submits(metrics) == {"accepted": 1.0, "twin": 1.0, "credits": 60.0}


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        ({}, {"accepted": 1.0}),
        ({"kind": "reset_after"}, {"unclear": 1.0, "accepted": 1.0}),
        ({"kind": "reset"}, {"unclear": 1.0, "unknown": 1.0}),
    ],
)
async def test_a_submit_is_counted_once_also_when_nobody_waits_for_its_call_any_more(
    trouble: dict[str, Any], expected: dict[str, float], tmp_path: Path
) -> None:
    metrics, world = Metrics(), virtual_world(pace=8.0)
    if trouble:
        fault(world, method="POST", path_prefix="/gen3/extend", **trouble)
    async with open_server(world, tmp_path, telemetry=metrics.telemetry) as server, server.client("auto") as client:
        with anyio.move_on_after(1):
            await client.extend(client.clip, text_prompt="dunes", wait_seconds=40)
        await anyio.sleep(700)

    assert submits(metrics) == expected | {"credits": 50.0 if "accepted" in expected else 0.0}
