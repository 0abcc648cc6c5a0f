import asyncio
import re
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.campaign.__main__ import campaign
from tests.campaign.draw import draw
from tests.campaign.facts import Facts
from tests.campaign.many import play_one
from tests.campaign.play import play, played
from tests.campaign.processes import PROCESS, CampaignLoop, Process
from tests.campaign.scenario import Act, HostPlan, Incident, Request, Scenario, Spelling

pytestmark = pytest.mark.slow

FILM = Request(clip=0, prompt="the camera rises", seconds=None, seed=None, explore=False)
LATE = {"method": "POST", "kind": "delay_after", "times": 1, "seconds": 30.0}


def scenario(*acts: Act, **changes: Any) -> Scenario:
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
        ahead=(0.0,),
        policy={},
        hosts=(HostPlan(acts or (call(),)),),
        incidents=(),
        hands=(),
        deleted=(),
        crowd=0,
        last_pause=0.0,
        requests=(FILM,),
    )
    return replace(calm, **changes)


def call(pause: float = 0.0, wait: int | None = 45, **changes: Any) -> Act:
    return replace(Act(pause, FILM, 0, wait), **changes)


def facts_of(run: Scenario, folder: Path) -> Facts:
    return played(run, folder)[0]


@pytest.mark.timeout(240)  # on a machine that is busy with something else
def test_a_short_campaign_finds_nothing(tmp_path: Path) -> None:
    report = campaign(runs=40, seed=0, real={}, workers=1, folder=tmp_path)

    assert report.is_clean, report.plain()
    assert report.tally.runs == 40
    assert report.tally.total.accepted > 20
    assert report.tally.total.found >= 0.9 * report.tally.total.accepted


def test_a_run_without_troubles_is_one_call_one_post_and_one_charge(tmp_path: Path) -> None:
    verdict = play(scenario(), tmp_path)

    assert (verdict.posts, verdict.accepted, verdict.found, verdict.credits) == (1, 1, 1, 50)
    assert verdict.calls == 2  # the host's own, and the one that asks again at the end
    assert not verdict.findings


@pytest.mark.parametrize("pause", [60.0, 130.0, 3_600.0, 90_000.0, 3_456_000.0])
@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_host_that_comes_back_another_way_is_answered_by_its_first_call(
    tmp_path: Path, pause: float, mode: Any
) -> None:
    again = call(pause, spelling=Spelling("task uri", blanks=True, copied=("seed", "replyRef")))

    facts = facts_of(scenario(hosts=(HostPlan((call(give_up=0.5), again), mode=mode),)), tmp_path)

    assert len(facts.posts) == 1
    assert (facts.asked[1].content or {})["taskId"] == facts.made[-1].task_id


@pytest.mark.parametrize("leaving", ["cancel", "drop"])
def test_a_host_that_gives_up_leaves_no_answer(tmp_path: Path, leaving: str) -> None:
    act = call(give_up=2.0, leaving=leaving)

    first = facts_of(scenario(act), tmp_path).asked[0]

    assert (first.end, first.ended, first.content) == ("gave up", 2.0, None)


@pytest.mark.parametrize("trigger", ["departure", "acceptance", "answer", "commit"])
def test_a_crash_around_the_post_leaves_one_task_that_is_found_again(tmp_path: Path, trigger: Any) -> None:
    crash = Incident(at=0.0, fate="crash", server=0, seconds=30.0, trigger=trigger, steps=3)
    log: list[str] = []

    verdict = play(scenario(incidents=(crash,)), tmp_path, log=log.append)

    assert any("crash" in line for line in log)
    assert (verdict.accepted, verdict.found, verdict.findings) == (1, 1, [])


@pytest.mark.parametrize("commit", [1, 2, 3])
def test_a_process_stands_still_at_the_lock_while_another_is_asked(tmp_path: Path, commit: int) -> None:
    stop = Incident(at=0.0, fate="stall at the lock", server=0, seconds=40.0, trigger="commit", steps=commit)
    hosts = (HostPlan((call(),)), HostPlan((call(20.0, server=1),)))
    log: list[str] = []

    verdict = play(scenario(incidents=(stop,), hosts=hosts, ahead=(0.0, 0.0)), tmp_path, log=log.append)

    assert any("stall at the lock" in line for line in log)
    assert (verdict.accepted, verdict.findings) == (1, [])


def test_a_dead_process_does_nothing_more(tmp_path: Path) -> None:
    crash = Incident(at=0.5, fate="crash", server=0, seconds=10_000.0)
    log: list[str] = []

    play(scenario(incidents=(crash,), rules=(LATE,)), tmp_path, log=log.append)

    of_the_dead = [line for line in log if " server 0.0: " in line]
    assert "crash" in of_the_dead[-1]


@pytest.mark.parametrize(("person", "posts"), [("yes", 1), ("no", 0), ("none", 0)])
@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_person_behind_the_host_decides_where_the_settings_ask(
    tmp_path: Path, person: Any, posts: int, mode: Any
) -> None:
    run = scenario(policy={"confirm_above": 0.0}, hosts=(HostPlan((call(),), mode=mode, person=person),))

    facts = facts_of(run, tmp_path)

    asked = [it for it in facts.asked if not it.last]
    before = [post for post in facts.posts if (post.departed or 0.0) < facts.healed]
    assert (len(before), bool(asked[0].agreed)) == (posts, person == "yes")


@pytest.mark.parametrize(
    ("confirming", "posts"), [("quote", 1), ("stale", 0), ("other", 0), ("used", 1), ("invented", 0), ("next step", 1)]
)
def test_a_quote_is_passed_in_every_way(tmp_path: Path, confirming: Any, posts: int) -> None:
    run = scenario(call(confirming=confirming), policy={"confirm_above": 0.0})

    facts = facts_of(run, tmp_path)

    before = [post for post in facts.posts if (post.departed or 0.0) < facts.healed]
    assert len(before) == posts


def test_the_same_seed_plays_the_same(tmp_path: Path) -> None:
    logs: list[list[str]] = [[], []]
    for log in logs:
        play_one(5, tmp_path, log=log.append)

    # The seeds, references, quotes and ids that the server chooses itself are nobody's to repeat.
    first, second = (
        [re.sub(r"'(seed|replyRef|confirm)': [^,}]+", "", line) for line in log if "ledger" not in line] for log in logs
    )
    assert first == second


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
