import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from runway_mcp.doctor.finding import failure, ok, warning
from runway_mcp.doctor.reading import RESOLVE_SECONDS, Readings
from runway_mcp.doctor.run import WITHIN_SECONDS, as_document, as_table, worst
from runway_mcp.doctor.upstream import check_clips
from runway_mcp.runway.models import Asset, Entries, Task
from runway_mcp.simulator.builders import EMAIL, add_account, add_task, add_video, seeded_world, small_world
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.world import TOKEN, World
from tests.doctor.world import found, statuses, variables
from tests.kit.processes import PROGRAM, environment
from tests.kit.stand_in import open_stand_in

CHECKS = [
    "program", "settings", "token", "api", "access", "accounts", "credits", "slots", "clips", "clock",
    "data folder", "ledger", "films", "extras", "callbacks", "hosts",
]  # fmt: skip
OF_THE_ACCOUNT = ["access", "accounts", "credits", "slots", "clips"]


class Silent(httpx.AsyncBaseTransport):
    """A network in which every request waits for ever."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError(request)


class Off(httpx.AsyncBaseTransport):
    """A machine without a network."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[Errno 101] Network is unreachable", request=request)


def tree(folder: Path) -> dict[str, bytes | None]:
    """All that lies in a folder."""
    files = sorted(folder.rglob("*"))
    return {str(each): each.read_bytes() if each.is_file() else None for each in files}


async def test_of_a_sound_set_up_every_line_is_ok(tmp_path: Path) -> None:
    findings = await found(variables(tmp_path), seeded_world())

    assert list(findings) == CHECKS
    assert statuses(findings) == {}
    assert all(each.remedy is None for each in findings.values())


@pytest.mark.parametrize("world", [seeded_world, small_world, lambda: small_world(accounts=3), World])
async def test_nothing_but_reads_reaches_upstream(world: Any, tmp_path: Path) -> None:
    upstream = world()

    await found(variables(tmp_path, USEAPI_EMAIL=EMAIL), upstream)

    assert upstream.requests
    assert [request for request in upstream.requests if not request.startswith("GET ")] == []
    assert upstream.accepted == []


async def test_nothing_is_written_anywhere(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    before = tree(tmp_path)

    await found(variables(tmp_path), seeded_world())

    assert tree(tmp_path) == before


@pytest.mark.parametrize("network", [Off(), Silent()], ids=["off", "silent"])
async def test_without_a_network_each_line_that_needs_it_says_so(
    network: httpx.AsyncBaseTransport, tmp_path: Path
) -> None:
    findings = await found(variables(tmp_path), network, seconds=0.2)

    assert list(findings) == CHECKS
    told = {"api": "failure", "clock": "warning"} | dict.fromkeys(OF_THE_ACCOUNT, "warning")
    assert statuses(findings) == told
    assert all("the API gave no answer" in findings[name].message for name in OF_THE_ACCOUNT)


def test_all_that_is_asked_of_the_network_is_bounded_below_ten_seconds() -> None:
    assert max(WITHIN_SECONDS, RESOLVE_SECONDS) <= 8


async def test_a_resolver_that_never_answers_is_left_behind(tmp_path: Path) -> None:
    gate = threading.Event()
    began = time.monotonic()

    findings = await found(variables(tmp_path), Off(), resolve=lambda _host, _port: gate.wait(60), seconds=0.2)

    gate.set()
    assert findings["api"].status == "failure"
    assert time.monotonic() - began < 30


async def test_a_name_that_has_no_address_is_told_by_its_name(tmp_path: Path) -> None:
    def refuse(_host: str, _port: int) -> None:
        raise OSError(-2, "Name or service not known")

    findings = await found(variables(tmp_path, USEAPI_URL="https://api.example/v1"), Off(), resolve=refuse)

    assert findings["api"].message == "the name api.example cannot be resolved (Name or service not known)"


async def test_what_came_before_the_time_ran_out_is_told(tmp_path: Path) -> None:
    upstream = small_world()
    upstream.faults.append(Fault("GET", "/features", None, "delay", hold=anyio.sleep_forever))

    findings = await found(variables(tmp_path), upstream, seconds=3.0)

    assert statuses(findings) == {"credits": "warning"}
    assert findings["clips"].message == "of the newest 1 videos 1 can be extended natively"


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [
        (401, {"access": "failure"}, "useapi.net refuses the token"),
        (402, {"access": "failure"}, "the useapi.net subscription is missing or has expired"),
        (404, {"accounts": "failure"}, "no Runway account is linked"),
        (503, {"api": "failure", "access": "warning"}, "answers with HTTP 503"),
    ],
)
async def test_a_refusal_is_told_at_the_line_that_it_concerns(
    status: int, expected: dict[str, str], words: str, tmp_path: Path
) -> None:
    upstream = small_world()
    upstream.faults.append(Fault("GET", "/accounts", None, status=status, body={"error": "no", "code": status}))

    findings = await found(variables(tmp_path), upstream)

    first = next(iter(expected))
    assert statuses(findings) == {**dict.fromkeys(OF_THE_ACCOUNT[1:], "warning"), **expected}
    assert words in findings[first].message
    assert findings[first].remedy


async def test_without_a_token_the_api_is_tried_and_the_account_is_not_told_of(tmp_path: Path) -> None:
    findings = await found(variables(tmp_path, USEAPI_TOKEN=""), small_world())

    assert statuses(findings) == {"token": "failure"} | dict.fromkeys(OF_THE_ACCOUNT, "warning")
    assert findings["api"].status == "ok"


async def test_of_several_accounts_one_is_to_be_named_and_all_have_their_credits_told(tmp_path: Path) -> None:
    upstream = small_world(accounts=2)

    unnamed = await found(variables(tmp_path), upstream)
    named = await found(variables(tmp_path, USEAPI_EMAIL=EMAIL), upstream)
    stranger = await found(variables(tmp_path, USEAPI_EMAIL="x@y.example"), upstream)

    assert unnamed["accounts"].status == "warning"
    assert unnamed["accounts"].message == f"2 are linked: {EMAIL}, director-1@example.com"
    assert statuses(named) == {}
    assert {EMAIL, "director-1@example.com"} <= set(named["credits"].message.replace(",", "").split())
    assert stranger["accounts"].status == "failure"


async def test_an_account_that_useapi_cannot_use_is_a_failure(tmp_path: Path) -> None:
    upstream = small_world()
    add_account(upstream, "broken@example.com", error="hunter2")

    findings = await found(variables(tmp_path, USEAPI_EMAIL=EMAIL), upstream)

    assert (findings["accounts"].status, "broken@example.com" in findings["accounts"].message) == ("failure", True)
    assert "hunter2" not in as_document(tuple(findings.values()))


async def test_credits_that_buy_nothing_and_slots_that_are_all_taken_are_warned_of(tmp_path: Path) -> None:
    upstream = small_world(permitted=39, used=0, max_jobs=0)

    findings = await found(variables(tmp_path), upstream)

    assert statuses(findings) == {"credits": "warning", "slots": "warning"}
    assert findings["slots"].message == f"{EMAIL} 0 of 0 in use"


async def test_of_many_accounts_the_first_five_have_their_credits_told(tmp_path: Path) -> None:
    findings = await found(variables(tmp_path, USEAPI_EMAIL=EMAIL), small_world(accounts=7))

    assert findings["credits"].message.endswith("; 2 more accounts")
    assert findings["accounts"].message == (
        f"linked: {EMAIL}, director-1@example.com, director-2@example.com and 4 more"
    )


@pytest.mark.parametrize(("path", "check"), [("/features", "credits"), ("/scheduler", "slots"), ("/tasks", "clips")])
async def test_a_list_that_cannot_be_read_is_not_told_and_fails_nothing(path: str, check: str, tmp_path: Path) -> None:
    upstream = small_world()
    upstream.faults.append(Fault("GET", path, None, status=400, body={"error": "no", "code": 400}))

    assert statuses(await found(variables(tmp_path), upstream)) == {check: "warning"}


async def test_an_account_without_videos_is_fine(tmp_path: Path) -> None:
    assert statuses(await found(variables(tmp_path), small_world(clips=0))) == {}


async def test_clips_are_counted_by_whether_they_can_be_extended(tmp_path: Path) -> None:
    upstream = small_world(clips=2)
    add_video(upstream, model="gen4_turbo")
    add_video(upstream, extended=3)
    add_task(upstream)

    findings = await found(variables(tmp_path), upstream)

    told = "of the newest 4 videos 2 can be extended natively, 2 more continued with a current model"
    assert findings["clips"].message == told


def test_without_the_extra_what_could_be_continued_is_warned_of() -> None:
    videos = Entries([Asset(asset_id="a", media_type="video", is_user_upload=True)])

    finding = check_clips(Readings(videos=videos, tasks=Entries[Task]()), has_media=False)

    assert finding.status == "warning"
    assert "1 more could be continued" in finding.message


async def test_a_clock_that_is_far_from_upstreams_is_warned_of(tmp_path: Path) -> None:
    findings = await found(variables(tmp_path), small_world(), now=lambda: time.time() + 3600)

    assert findings["clock"].status == "warning"
    assert "ahead of useapi.net" in findings["clock"].message


async def test_no_finding_shows_a_secret(tmp_path: Path) -> None:
    upstream = small_world()
    upstream.faults.append(Fault("GET", "", None, status=500, body={"error": f"no {TOKEN}"}))

    findings = await found(variables(tmp_path, RUNWAY_MCP_WAIT_SECONDS=TOKEN), upstream)

    assert TOKEN not in as_document(tuple(findings.values()))
    assert findings["settings"].status == "failure"


FINDINGS = (ok("a", "well"), warning("longer", "look", "do this"), failure("b", "broken", "do that"))


def test_the_table_has_a_line_for_each_check_with_its_remedy_below() -> None:
    assert as_table(FINDINGS).splitlines() == [
        "ok       a       well",
        "warning  longer  look",
        "                 -> do this",
        "failure  b       broken",
        "                 -> do that",
        "",
        "1 failure, 1 warning, 1 ok; nothing was spent",
    ]


def test_the_document_has_the_worst_status_and_every_check() -> None:
    told = json.loads(as_document(FINDINGS))

    assert told["status"] == "failure"
    assert told["checks"][0] == {"check": "a", "status": "ok", "message": "well"}
    assert told["checks"][1]["remedy"] == "do this"
    assert [worst(FINDINGS[:1]), worst(FINDINGS[:2])] == ["ok", "warning"]


def doctor(folder: Path, *arguments: str, **ours: str) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    return subprocess.run(  # noqa: S603 - our own program
        [*PROGRAM, "doctor", *arguments],
        env=environment(**variables(folder, HOME=str(folder / "home"), PATH="", **ours)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_the_command_ends_with_0_for_a_sound_set_up_and_prints_one_screen(tmp_path: Path) -> None:
    with open_stand_in(pace=1) as upstream:
        told = doctor(tmp_path, USEAPI_URL=upstream.url, USEAPI_TOKEN=upstream.token)
        requests = upstream.state()["requests"]

    assert (told.returncode, told.stderr) == (0, "")
    assert [line.split()[0] for line in told.stdout.splitlines()[: len(CHECKS)]] == ["ok"] * len(CHECKS)
    assert len(told.stdout.splitlines()) <= 24
    assert {request.split()[0] for request in requests} == {"GET"}


@pytest.mark.slow
def test_the_command_ends_with_1_where_nothing_answers(tmp_path: Path) -> None:
    told = doctor(tmp_path, "--json", USEAPI_URL="http://127.0.0.1:9/v1")

    assert (told.returncode, told.stderr) == (1, "")
    assert json.loads(told.stdout)["status"] == "failure"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a signal of POSIX")
def test_interrupted_it_ends_at_once_without_a_traceback(tmp_path: Path) -> None:
    with subprocess.Popen(  # noqa: S603 - our own program
        [*PROGRAM, "doctor"],
        env=environment(**variables(tmp_path, USEAPI_URL="http://127.0.0.1:9/v1")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.terminate()
        _, told = process.communicate(timeout=60)

    assert "Traceback" not in told
