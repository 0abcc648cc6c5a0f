from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.campaign import kills, real, stops
from tests.campaign.evidence import Called, Evidence, Key, Limits, Post
from tests.campaign.kills import Kill, kill_one
from tests.campaign.pipes import UpstreamProcess
from tests.campaign.real import real_one
from tests.campaign.scripts import HOUR, Act, Host, Request, Run
from tests.campaign.stops import Stop, stop_one
from tests.campaign.tallies import Tally

pytestmark = pytest.mark.slow

KEY = Key("clip", "the camera rises", 5, explore=False, seed=None)
BODY = {"assetId": "clip", "text_prompt": "the camera rises", "seconds": 5, "seed": 99, "replyRef": "ours"}
ASKED: dict[str, Any] = {"text_prompt": "the camera rises", "wait_seconds": 2}
KILL = Kill(1, "SIGTERM", "accepted", 0.0, False, ASKED, (), {}, again=("SIGKILL", 0.2), away=HOUR, then=(130.0,))  # noqa: FBT003
STOP = Stop(1, "lock after the slot", 0.0, ASKED, rest=0.1, ahead=HOUR)
FILM = Request(0, "the camera rises")
RUN = Run(
    seed=1,
    strike="lost",
    pace=0.3,
    hosts=(
        Host("stdio", "2025-11-25", (Act("list", FILM), Act("extend", FILM, gives_up=0.5, leaves="dropping"))),
        Host("http", "2026-07-28", (Act("dry", FILM), Act("extend", FILM), Act("get", FILM))),
        Host("sse", "2025-11-25", (Act("extend", FILM), Act("extend", FILM, loose=True, copies=("seed", "replyRef")))),
    ),
    faults=({"method": "POST", "path_prefix": "/gen3", "kind": "reset_after"},),
    then=(HOUR,),
    deleted=True,
)
PLAYS: dict[str, Callable[[UpstreamProcess, Path, Tally], None]] = {
    "kill": partial(kill_one, KILL),
    "stop": partial(stop_one, STOP),
    "real": partial(real_one, RUN),
}
QUOTED = Limits(confirm_above=0.0, quotes={"q": KEY})
DENIED = {"error": {"kind": "invalid_request", "message": "No.", "charged": "no"}}


class Doubled(UpstreamProcess):
    """A stand-in that tells of each POST twice, as if it had come again and been accepted again."""

    def truth(self) -> list[dict[str, Any]]:
        told = super().truth()
        return [*told, *({**post, "number": post["number"] + len(told)} for post in told)]


@pytest.fixture(scope="module")
def upstream() -> Generator[UpstreamProcess]:
    with closing(UpstreamProcess()) as process:
        yield process


@pytest.fixture(scope="module")
def doubled() -> Generator[UpstreamProcess]:
    with closing(Doubled()) as process:
        yield process


def post(number: int = 1, *, status: int | None = 200, task_id: str | None = "task", cost: int = 50) -> Post:
    return Post(number, BODY, float(number), number + 0.5, number, status, task_id, cost)


def row(**changes: Any) -> dict[str, Any]:
    return {"state": "accepted", "task_id": "task", **changes}


def called(result: dict[str, Any] | None = None, **changes: Any) -> Called:
    fields: dict[str, Any] = {"began": 0.0, "ended": 10.0, "result": result or {"taskId": "task"}, **changes}
    return Called(KEY, **fields)


def kinds(evidence: Evidence) -> set[str]:
    return {kind for kind, _ in evidence.findings()}


def test_a_call_that_posts_once_and_returns_its_task_is_clean() -> None:
    assert not Evidence([post()], [called()], [row()]).findings()


@pytest.mark.parametrize("status", [400, 404, 409, 412, 429, 596])
def test_a_post_may_follow_one_that_was_surely_refused(status: int) -> None:
    refused = post(status=status, task_id=None, cost=0)

    assert not Evidence([refused, post(2)], [called()], [row()]).findings()


@pytest.mark.parametrize("status", [None, 200, 408, 422, 425, 500, 502, 503])
def test_a_post_after_an_unclear_or_a_moderated_one_is_a_repetition(status: int | None) -> None:
    unclear = post(status=status, task_id=None, cost=0)

    assert kinds(Evidence([unclear, post(2)], [called()], [row()])) == {"repeated"}


@pytest.mark.parametrize("status", [200, 400, 404, 409, 412, 429])
def test_two_tasks_of_one_request_are_a_double_whatever_its_caller_was_told(status: int) -> None:
    posts = [post(status=status), post(2, task_id="another")]

    found = kinds(Evidence(posts, [called()], [row(), row(task_id="another")]))

    assert found == {"doubled", "repeated"}


def test_a_copied_seed_is_nobodys_choice_and_a_chosen_one_is_another_request() -> None:
    other = Called(KEY._replace(seed=99), 0.0)

    assert not Evidence([post()], [called()], [row()]).findings()
    assert "wrong" in kinds(Evidence([post()], [called(), other], [row()]))


@pytest.mark.parametrize(
    ("evidence", "kind"),
    [
        (Evidence([post()], [called()], []), "lost"),
        (Evidence([post()], [called()], [row(task_id=None, state="unknown")]), "unsettled"),
        (Evidence([post()], [called()], [row(state="unclear")]), "unsettled"),
        (Evidence([post()], [called()], [row(), row(task_id="a stranger's")]), "wrong"),
        (Evidence([post()], [called({"taskId": "a stranger's"})], [row()]), "wrong"),
        (Evidence([post()], [called(DENIED)], [row()]), "lies"),
        (Evidence([post()], [called({"summary": "Done."})], [row()]), "lies"),
        (Evidence([], [called({"error": {"kind": "unavailable", "charged": "yes"}})], []), "lies"),
        (Evidence([post()], [called({"error": {"kind": "generation_failed", "charged": "yes"}})], [row()]), "lies"),
        (Evidence([post()], [called()], [row()], Limits(per_call=40)), "overspent"),
        (Evidence([post()], [called()], [row()], Limits(per_day=40)), "overspent"),
        (Evidence([post()], [called()], [row()], Limits(confirm_above=0.0)), "overspent"),
        (Evidence([post()], [called(confirm="q")], [row()], Limits(confirm_above=0.0)), "overspent"),
        (Evidence([post()], [called(), called(confirm="q", began=2.0)], [row()], QUOTED), "overspent"),
    ],
)
def test_each_fault_is_counted_under_its_name(evidence: Evidence, kind: str) -> None:
    tally = Tally()

    tally.add(1, "planted", evidence, evidence.findings())

    assert getattr(tally, kind) == 1
    assert not tally.is_clean


def test_a_spend_within_the_limits_and_with_its_quote_is_allowed() -> None:
    limits = Limits(per_call=50, per_day=50, confirm_above=0.0, quotes={"q": KEY})

    assert not Evidence([post()], [called(confirm="q")], [row()], limits).findings()


@pytest.mark.timeout(240)  # on a machine that is busy with something else
@pytest.mark.parametrize("name", PLAYS)
def test_a_kill_a_stop_and_a_conversation_find_nothing(upstream: UpstreamProcess, tmp_path: Path, name: str) -> None:
    tally = Tally()

    PLAYS[name](upstream, tmp_path, tally)

    assert tally.is_clean, tally.plain()
    assert tally.accepted == tally.found == 1


@pytest.mark.timeout(240)  # likewise
@pytest.mark.parametrize("name", PLAYS)
def test_a_run_of_every_kind_is_judged_by_what_upstream_saw(
    doubled: UpstreamProcess, tmp_path: Path, name: str
) -> None:
    tally = Tally()

    PLAYS[name](doubled, tmp_path, tally)

    assert min(tally.doubled, tally.repeated) > 0, tally.plain()
    assert [seed for seed, _ in tally.failed] == [1]


@pytest.mark.parametrize("draw", [kills.draw, stops.draw, real.draw])
def test_the_same_seed_draws_the_same_run(draw: Callable[[int], object]) -> None:
    assert draw(5) == draw(5)
    assert len({repr(draw(seed)) for seed in range(20)}) == 20
