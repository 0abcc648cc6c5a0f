import asyncio
import re
from collections.abc import Generator
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.campaign import planted
from tests.campaign.__main__ import campaign
from tests.campaign.kills import Kill, KillTally, Strike, kill_one
from tests.campaign.many import play_one
from tests.campaign.pipes import StandIn
from tests.campaign.play import play
from tests.campaign.processes import PROCESS, CampaignLoop, Process
from tests.campaign.scenario import Act, Incident, Request, Scenario, draw
from tests.campaign.servers import OpenRoom

FILM = Request(clip=0, prompt="the camera rises", seconds=None, seed=None, explore=False, reply_ref=None)
LATE = {"method": "POST", "kind": "delay_after", "times": 1, "seconds": 30.0}
LOST = {"method": "POST", "kind": "reset_after", "times": 1}


def scenario(*acts: Act, **changes: object) -> Scenario:
    """A run without troubles: one host, one server, the given calls."""
    calm = replace(
        draw(1),
        account={"unlimited": True},
        turbo=(False, False, False),
        two_accounts=False,
        pace=8.0,
        skew=0.0,
        switches={},
        scripts=(),
        rules=(),
        posts=0.0,
        reads=0.0,
        outages=(),
        slow_say=0.0,
        servers=1,
        hosts=(acts or (call(),),),
        incidents=(),
        hands=(),
        crowd=0,
        repeat_after=0.0,
        requests=(FILM,),
    )
    return replace(calm, **changes)


def call(pause: float = 0.0, wait: float = 45.0, **changes: object) -> Act:
    return replace(Act(pause, FILM, 0, wait), **changes)


@pytest.fixture(scope="module")
def stand_in() -> Generator[StandIn]:
    process = StandIn()
    yield process
    process.close()


@pytest.mark.timeout(240)  # on a machine that is busy with something else
def test_a_short_campaign_finds_nothing(tmp_path: Path) -> None:
    report = campaign(runs=80, seed=0, kills=3, workers=1, folder=tmp_path)

    assert report.is_clean, report.plain()
    assert (report.tally.runs, report.kills.runs) == (80, 3)
    assert report.tally.total.accepted > 25
    assert report.tally.total.found == report.tally.total.accepted
    assert report.kills.found == report.kills.accepted


def test_a_run_without_troubles_is_one_call_one_post_and_one_charge(tmp_path: Path) -> None:
    verdict = play(scenario(), tmp_path)

    assert (verdict.calls, verdict.posts, verdict.accepted, verdict.found, verdict.credits) == (1, 1, 1, 1, 50)
    assert not verdict.findings


@pytest.mark.parametrize(
    ("room", "kind", "rules"),
    [
        (planted.posts_again, "doubled", (LOST,)),
        (planted.posts_again, "repeated", (LOST,)),
        (planted.spoilt(planted.forgets), "lost", ()),
        (planted.spoilt(planted.unsettles), "unsettled", ()),
        (planted.spoilt(planted.mistakes), "wrong", ()),
        (planted.spoilt(planted.misleads), "wrong", ()),
        (planted.spoilt(planted.lies), "lies", (LATE,)),
        (planted.dies, "broken", ()),
    ],
)
def test_the_judge_sees_what_a_faulty_room_does(
    tmp_path: Path, room: OpenRoom, kind: str, rules: tuple[dict[str, object], ...]
) -> None:
    verdict = play(scenario(call(wait=0.0), call(pause=300.0), rules=rules), tmp_path, open_room=room)

    assert getattr(verdict, kind) > 0, verdict


def test_the_judge_believes_the_world_and_not_the_answers(tmp_path: Path) -> None:
    accepted_and_denied = {"method": "POST", "kind": "status", "status": 400, "handled": True, "times": 2}

    verdict = play(scenario(rules=(accepted_and_denied,)), tmp_path)

    assert min(verdict.lies, verdict.lost, verdict.doubled) > 0


def test_the_judge_allows_a_second_film_once_the_first_was_told(tmp_path: Path) -> None:
    verdict = play(scenario(call(), call(pause=130.0)), tmp_path)

    assert (verdict.accepted, verdict.findings) == (2, [])


@pytest.mark.parametrize("trigger", ["departure", "acceptance", "answer"])
def test_a_crash_around_the_post_leaves_one_task_that_is_found_again(tmp_path: Path, trigger: str) -> None:
    crash = Incident(at=0.0, fate="crash", server=0, seconds=30.0, trigger=trigger)  # pyright: ignore[reportArgumentType]
    log: list[str] = []

    verdict = play(scenario(incidents=(crash,)), tmp_path, log=log.append)

    assert any("crash" in line for line in log)
    assert (verdict.accepted, verdict.found, verdict.findings) == (1, 1, [])


def test_a_dead_room_does_nothing_more(tmp_path: Path) -> None:
    crash = Incident(at=0.5, fate="crash", server=0, seconds=10_000.0)
    log: list[str] = []

    play(scenario(incidents=(crash,), rules=(LATE,)), tmp_path, log=log.append)

    judged = next(number for number, line in enumerate(log) if "the run is judged" in line)
    of_the_dead = [line for line in log[:judged] if "server 0.0" in line]
    assert "died" in of_the_dead[-1]


def test_the_same_seed_plays_the_same(tmp_path: Path) -> None:
    logs: list[list[str]] = [[], []]
    for log in logs:
        play_one(5, tmp_path, log=log.append)

    # The seeds that the server chooses itself are nobody's to repeat.
    first, second = ([re.sub(r"seed \d+", "seed", line) for line in log if _is_told(line)] for log in logs)
    assert first == second


def _is_told(line: str) -> bool:
    return "ledger" not in line and "POST" not in line


def test_a_frozen_process_runs_nothing_until_it_is_thawed() -> None:
    async def live(process: Process, loop: CampaignLoop) -> list[str]:
        ran: list[str] = []

        async def work() -> None:
            try:
                await asyncio.sleep(1)
                ran.append("woke")
            finally:
                ran.append("left")

        context = copy_context()
        context.run(PROCESS.set, process)
        task = loop.create_task(work(), context=context)
        await asyncio.sleep(0.5)
        process.freeze()
        await asyncio.sleep(10)
        assert ran == []
        process.thaw(loop)
        await task
        return ran

    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CampaignLoop)
        return await live(Process("p"), loop)

    assert anyio.run(main, backend_options={"loop_factory": CampaignLoop}) == ["woke", "left"]


@pytest.mark.parametrize(
    ("strike", "found"), [("SIGTERM", {"doubled", "lost"}), ("two servers", {"lies"})], ids=["alone", "two"]
)
def test_a_kill_is_judged_by_the_world_as_well(
    tmp_path: Path, stand_in: StandIn, strike: Strike, found: set[str]
) -> None:
    denied = {"method": "POST", "kind": "status", "status": 404, "handled": True}
    kill = Kill(1, strike, "any", 0.7, whole=False, arguments={"wait_seconds": 5}, faults=(denied,), switches={})
    tally = KillTally()

    kill_one(kill, stand_in, tmp_path, tally)

    assert all(getattr(tally, kind) for kind in found), tally
