"""A file of callers over real HTTP: who comes in, through which useapi.net token, and what each may do and spend."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp_types import ElicitRequestParams, ElicitResult

from runway_mcp.logs import SPENDS, Redacted
from runway_mcp.server.contract.uris import TASKS
from tests.kit.client import ToolClient, text
from tests.kit.upstream import fault
from tests.server.callers import DUNES, everything_told
from tests.server.many_callers import ManyCallers, many_callers

OWN = 'useapi_token_file = "useapi"'


async def running(client: ToolClient, **arguments: Any) -> str:
    client.world.script_next(duration=600.0)
    return (await client.extend(client.clip, text_prompt=DUNES, wait_seconds=0, **arguments))["taskId"]


# --- who comes in


async def status(server: ManyCallers, token: str | None) -> int:
    headers = {"accept": "application/json", "mcp-protocol-version": "2025-11-25"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    async with httpx2.AsyncClient(headers=headers) as http:
        listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        return (await http.post(f"{server.origin}/mcp", json=listing)).status_code


async def test_callers_of_the_file_come_in_and_nobody_else(tmp_path: Path) -> None:
    async with many_callers(tmp_path, ana="", none="scopes = []") as server:
        tokens = ("ana-token", "none-token", "bob-token", "ana-token-", None)
        assert [await status(server, token) for token in tokens] == [200, 403, 401, 401, 401]


# --- two callers of one useapi.net token


async def test_callers_of_one_useapi_token_see_the_same_clips_and_only_their_own_tasks(tmp_path: Path) -> None:
    async with (
        many_callers(tmp_path, ana="", bob="") as server,
        server.client("ana") as ana,
        server.client("bob") as bob,
    ):
        task = await running(ana)

        assert task in await everything_told(ana)
        assert task not in await everything_told(bob)
        clips = [(await each.data("list_assets"))["assets"] for each in (ana, bob)]
        assert clips[0] == clips[1] != []
        assert await running(bob) != task, "the same request of another caller is another one"


# --- a useapi.net token of one's own


async def test_a_caller_with_a_useapi_token_of_his_own_sees_and_spends_there_alone(tmp_path: Path) -> None:
    async with (
        many_callers(tmp_path, ana="", bob=OWN) as server,
        server.client("ana") as ana,
        server.client("bob", world=1) as bob,
    ):
        tasks = [await running(each) for each in (ana, bob)]

        assert [each.posts for each in (ana, bob)] == [1, 1]
        assert [task.startswith(user) for task, user in zip(tasks, ("user:1234", "user:5678"), strict=True)] == [
            True
        ] * 2
        for client, own, foreign in ((ana, *tasks), (bob, *reversed(tasks))):
            told = await everything_told(client)
            assert own in told
            assert foreign.partition("-")[0] not in told


async def test_what_the_ledger_knows_of_another_useapi_token_names_nothing(tmp_path: Path) -> None:
    async with (
        many_callers(tmp_path, ana="", bob=OWN) as server,
        server.client("ana") as ana,
        server.client("bob", world=1) as bob,
    ):
        task = await running(ana)
        uuids = [task.rpartition(":")[2], server.worlds[0].asset_id(ana.clip).rpartition(":")[2]]
        for uuid in (*uuids, task):
            found = await bob.call("get_task", taskId=uuid)
            none = await bob.call("get_task", taskId="0" + uuid[1:] if uuid in uuids else f"{uuid[:-1]}x")

            assert found.is_error, uuid
            assert "user:1234" not in text(found).replace(task, "")
            assert none.is_error


async def test_without_a_useapi_token_of_the_servers_own_a_caller_needs_one(tmp_path: Path) -> None:
    async with (
        many_callers(tmp_path, token=None, ana="", bob=OWN) as server,
        server.client("ana") as ana,
        server.client("bob", world=1) as bob,
    ):
        assert (await ana.data("list_assets"))["error"]["kind"] == "not_configured"
        assert (await bob.data("list_assets"))["assets"]


# --- what a caller may


async def test_a_caller_who_may_not_spend_prices_and_reads_and_is_told_what_to_ask_for(tmp_path: Path) -> None:
    async with many_callers(tmp_path, ana='scopes = "read"') as server, server.client("ana") as ana:
        priced = await ana.extend(ana.clip, dry_run=True)
        refused = await ana.extend(ana.clip)
        by_model = await ana.extend(ana.clip, model="gen4.5")

        assert priced["status"] == "DRY_RUN"
        assert "the real call would be refused now" in priced["summary"]
        assert "`spend`" in priced["summary"]
        assert priced.get("next_step") is None
        for each in (refused, by_model):
            assert (each["error"]["kind"], each["error"]["charged"], each["error"]["retry"]) == (
                *("unauthorized", "no"),
                "after_change",
            )
            assert "`spend`" in each["error"]["message"]
            assert "USEAPI_TOKEN" not in repr(each)
        assert ana.posts == 0
        assert (await ana.mcp.read_resource(TASKS)).contents


async def test_what_waits_for_a_slot_is_not_submitted_once_its_caller_may_not_spend_any_more(tmp_path: Path) -> None:
    async with many_callers(tmp_path, ana="") as server, server.client("ana") as ana:

        async def taken_back() -> None:
            server.file.write(ana='scopes = "read"')

        fault(ana.world, method="POST", path_prefix="/gen3", kind="delay", hold=taken_back)
        # Longer than the file is not looked at.
        fault(ana.world, method="POST", path_prefix="/gen3", status=429, body={"error": "busy"}, retry_after=4)
        told = await ana.extend(ana.clip, wait_seconds=20)
        assert (told["error"]["kind"], told["error"]["charged"]) == ("unauthorized", "no")
        assert (ana.posts, ana.world.accepted) == (1, [])


async def test_caps_are_each_callers_own(tmp_path: Path) -> None:
    caps = {"ana": "max_credits_per_call = 10", "bob": "max_credits_per_day = 60", "eve": ""}
    async with many_callers(tmp_path, **caps) as server:
        told: dict[str, list[str]] = {}
        for name in caps:
            async with server.client(name) as client:
                answers = [await client.extend(client.clip, seed=seed, wait_seconds=0) for seed in (1, 2)]
                told[name] = [each.get("error", {}).get("kind", "paid") for each in answers]

        assert told == {"ana": ["spend_limit"] * 2, "bob": ["paid", "spend_limit"], "eve": ["paid", "paid"]}


async def test_a_cap_of_the_file_is_for_whoever_runs_the_server_to_raise(tmp_path: Path) -> None:
    async with (
        many_callers(tmp_path, ana="max_credits_per_call = 10", bob="max_credits_per_day = 10") as server,
        server.client("ana") as ana,
        server.client("bob") as bob,
    ):
        for client, key in ((ana, "max_credits_per_call"), (bob, "max_credits_per_day")):
            told = (await client.extend(client.clip))["error"]["message"]
            assert f"ask whoever runs this server to raise {key} to 50 or more." in told
            assert "RUNWAY_MCP_" not in told


async def test_the_film_of_another_callers_task_is_a_clip_of_the_account_and_its_task_is_not_told(
    tmp_path: Path,
) -> None:
    async with (
        many_callers(tmp_path, ana="", bob="") as server,
        server.client("ana") as ana,
        server.client("bob") as bob,
    ):
        made = await ana.extend(ana.clip, text_prompt="the tide comes in")
        film = made["video"]["assetId"]
        told = await bob.data("get_task", taskId=film)

        assert told["error"]["kind"] == "not_found"
        assert "Another user of this server asked for this clip" in told["error"]["message"]
        assert made["taskId"] not in repr(told)


async def refuse(_: object, __: ElicitRequestParams) -> ElicitResult:
    return ElicitResult(action="decline")


async def test_one_caller_is_asked_before_a_spend_and_another_is_not(tmp_path: Path) -> None:
    async with (
        many_callers(tmp_path, ana='confirm = "always"', bob="") as server,
        server.client("ana", elicitation_callback=refuse) as ana,
        server.client("bob") as bob,
    ):
        assert (await ana.extend(ana.clip))["error"]["kind"] == "declined"
        assert "taskId" in await bob.extend(bob.clip, wait_seconds=0)


async def test_each_spend_is_told_of_with_its_caller_and_task(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=SPENDS)
    form = Redacted()
    form.as_json = True
    caplog.handler.setFormatter(form)
    async with many_callers(tmp_path, ana="") as server, server.client("ana") as ana:
        task = await running(ana)
        await running(ana)

    told = [json.loads(line) for line in caplog.text.splitlines() if SPENDS in line]
    assert [(line["caller"], line["task"]) for line in told] == [("ana", task)] * 2
    assert len({line["intent_id"] for line in told}) == 1
    assert re.fullmatch(r"a task was accepted: about \d+ credits", told[0]["event"])
    assert told[1]["event"] == "a twin was answered: no credits"


# --- a file that changes


@pytest.mark.slow
async def test_a_caller_who_is_removed_is_out_and_loses_his_stream_while_others_stay(tmp_path: Path) -> None:
    async with many_callers(tmp_path, ana="", bob="") as server, httpx2.AsyncClient(timeout=60) as http:
        ended: list[str] = []
        first_out = anyio.Event()
        streams = {name: anyio.Event() for name in ("ana", "bob")}

        async def listen(name: str) -> None:
            async with opened_stream(http, server.origin, name) as stream:
                streams[name].set()
                async for _ in stream.aiter_raw():
                    pass
            ended.append(name)
            first_out.set()

        async with anyio.create_task_group() as group:
            for name, opened in streams.items():
                group.start_soon(listen, name)
                await opened.wait()
            server.file.write(bob="", eve=OWN)
            with anyio.fail_after(50):
                await first_out.wait()
            assert ended == ["ana"]
            assert [await status(server, f"{name}-token") for name in ("ana", "bob", "eve")] == [401, 200, 200]
            async with server.client("eve", world=1) as eve:
                assert (await eve.data("list_assets"))["assets"]
            group.cancel_scope.cancel()


async def test_a_stream_that_is_open_at_the_end_of_the_server_is_told_its_result_and_not_cut_off(
    tmp_path: Path,
) -> None:
    lines: list[str] = []
    opened = anyio.Event()
    async with (
        httpx2.AsyncClient(timeout=30) as http,
        anyio.create_task_group() as group,
        many_callers(tmp_path, ana="") as server,
    ):

        async def listen() -> None:
            async with opened_stream(http, server.origin, "ana") as stream:
                async for line in stream.aiter_lines():
                    lines.append(line)
                    opened.set()

        group.start_soon(listen)
        await opened.wait()

    last = json.loads(next(line for line in reversed(lines) if line.startswith("data: {")).removeprefix("data: "))
    assert (last["id"], "result" in last) == (1, True)


def opened_stream(http: httpx2.AsyncClient, origin: str, name: str) -> Any:
    """A stream of updates that a caller listens to."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
    }
    params = {"_meta": meta, "notifications": {"resourceSubscriptions": [TASKS]}}
    headers = {
        "authorization": f"Bearer {name}-token",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "subscriptions/listen",
    }
    listening = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params}
    return http.stream("POST", f"{origin}/mcp", json=listening, headers=headers)
