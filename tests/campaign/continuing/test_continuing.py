"""The campaign over continuing finds nothing in this program, and finds what is put into a run's facts."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runway_mcp.films.continuing.steps import JoinMade
from tests.campaign.continuing.draw import draw
from tests.campaign.continuing.judge import End, Facts, judge
from tests.campaign.continuing.many import campaign, is_clean
from tests.campaign.continuing.play import played
from tests.campaign.continuing.real import draw as drawn
from tests.campaign.continuing.real import real_many
from tests.campaign.continuing.scenario import NOUGHT, Ask, Kill, Scenario, Verdict, Where, Wish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]  # on a machine that is busy with something else

WISH = Wish(0, "gen4.5", "the camera rises", 5)


def scenario(**changes: Any) -> Scenario:
    """A run without troubles: one clip, one server, one call."""
    calm = replace(
        draw(1),
        wishes=(WISH,),
        asks=(Ask(0.0, 0, 0, 45.0),),
        kills=(),
        servers=1,
        pace=5.0,
        skew=0.0,
        switches={"created_size": "tiny", "start_frame_told": True, "hidden_seeds": False, "late_uploads": 0.0},
        rules=(),
        link_rules=(),
        scripts=(),
        posts=0.0,
        reads=0.0,
        healed=60.0,
        saves=True,
    )
    return replace(calm, **changes)


def counts(verdict: Verdict) -> dict[str, int]:
    """What was found, by kind."""
    return {name: getattr(verdict, name) for name in NOUGHT if getattr(verdict, name)}


def test_a_short_campaign_finds_nothing(tmp_path: Path) -> None:
    total, _ = campaign(0, 10, 0, workers=1, folder=tmp_path)
    # Of a program that waits for an answer, so that it is surely there when it is killed.
    held = next(seed for seed in range(100) if drawn(seed).kills[0][0] == "create accepted")
    real = real_many(held, 1, tmp_path)

    assert is_clean(total), total.plain()
    assert is_clean(real), real.plain()
    assert (total.runs, real.runs) == (10, 1)
    assert total.films >= 8
    assert real.killed >= 1


def test_a_run_without_troubles_is_one_upload_one_create_and_one_film(tmp_path: Path) -> None:
    verdict = judge(played(scenario(), tmp_path))

    assert (verdict.calls, verdict.posts, verdict.accepted, verdict.uploaded, verdict.films) == (2, 2, 1, 1, 1)
    assert not verdict.findings


@pytest.mark.parametrize("where", ["before frame", "acceptance POST assets", "acceptance POST create", "before join"])
def test_a_process_that_is_killed_is_followed_by_one_that_makes_the_film(tmp_path: Path, where: Where) -> None:
    run = scenario(kills=(Kill(0, where, 0.0, 0.0),))
    verdict = judge(played(run, tmp_path))

    assert (verdict.killed, verdict.films, verdict.accepted, verdict.uploaded) == (1, 1, 1, 1)
    assert not verdict.findings


def test_a_run_plays_the_same_again(tmp_path: Path) -> None:
    told = [list[str](), list[str]()]
    for number, lines in enumerate(told):
        (tmp_path / str(number)).mkdir()
        played(scenario(posts=0.2, reads=0.2), tmp_path / str(number), log=lines.append)

    assert [line[:40] for line in told[0]] == [line[:40] for line in told[1]]


def _paid_twice(facts: Facts) -> Facts:
    facts.world.accepted.append(facts.world.accepted[0])
    return facts


def _posted_twice(facts: Facts) -> Facts:
    return replace(facts, posts=[*facts.posts, facts.posts[-1]])


def _uploaded_twice(facts: Facts) -> Facts:
    return replace(facts, uploads=facts.uploads * 2)


def _without_a_film(facts: Facts) -> Facts:
    return replace(facts, films={})


def _without_a_part(facts: Facts) -> Facts:
    next((facts.folder / "data" / "continued").glob("*/part-2.mp4")).unlink()
    return facts


def _another_film(facts: Facts) -> Facts:
    joined = JoinMade.of(facts.films[0])
    assert joined is not None
    shutil.copyfile(next((facts.folder / "data" / "continued").glob("*/part-1.mp4")), joined.path)
    return facts


def _told_done(facts: Facts) -> Facts:
    (first, *_) = facts.ends
    assert first.standing is not None
    standing = replace(first.standing, status="SUCCEEDED")
    return replace(facts, ends=[*facts.ends, End(0, 0.0, ended=99.0, standing=standing)])


def _crashed(facts: Facts) -> Facts:
    return replace(facts, broken=("server 0.0 died",))


AMISS: dict[str, tuple[Callable[[Facts], Facts], str]] = {
    "a create that was accepted twice": (_paid_twice, "doubled"),
    "a create that was posted twice": (_posted_twice, "repeated"),
    "a frame that was uploaded twice": (_uploaded_twice, "uploads"),
    "a task that nobody made a film of": (_without_a_film, "lost"),
    "a part that is gone": (_without_a_part, "partless"),
    "a film that lacks a part": (_another_film, "partless"),
    "a film that is told and not there": (_told_done, "lies"),
    "a process that died of itself": (_crashed, "broken"),
}


@pytest.mark.parametrize("amiss", AMISS)
def test_what_is_amiss_is_found(tmp_path: Path, amiss: str) -> None:
    spoil, kind = AMISS[amiss]

    assert counts(judge(spoil(played(scenario(), tmp_path)))) == {kind: 1}
