"""The judge on data written by hand: each count can fire, and stays silent on a good run."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.facts import NOUGHT, Asked, Facts, Made, Post, Source, SpendPolicy
from tests.campaign.judge import judge

HERE = Path(__file__).parent
CLIP, FILM, TASK = "asset:clip", "asset:film", "task:film"
BODY = {"assetId": CLIP, "text_prompt": "over the dunes", "seconds": 5, "seed": 4711, "replyRef": "runway-mcp-1"}
ASKED = {"assetId": CLIP, "text_prompt": "over the dunes"}
TOLD: dict[str, Any] = {
    "summary": "Done.",
    "status": "SUCCEEDED",
    "taskId": TASK,
    "seed": 4711,
    "video": {"assetId": FILM},
    "credits": {"cost": 50},
    "next_step": {"tool": "extend_video", "arguments": {"assetId": FILM, "dry_run": True}, "reason": ""},
}
TWIN = TOLD | {"twin": True, "credits": {"cost": 0}}
DAY = 86_400.0


def made(**changes: Any) -> Made:
    film = Made(TASK, 2.0, 50, "succeed", "SUCCEEDED", 12.0, films=(FILM,), films_at=12.0, post=0)
    return replace(film, **changes)


def post(number: int = 0, *, departed: float = 1.0, task: Made | None = None, **body: Any) -> Post:
    return Post(number, "server 0.0", "/v1/runwayml/gen3/extend", BODY | body, departed, task)


def asked(number: int = 0, began: float = 0.0, took: float = 13.0, **changes: Any) -> Asked:
    arguments = ASKED | changes.pop("arguments", {})
    call = Asked(number, "host 0", "server 0.0", "extend_video", arguments, CLIP, 45.0, began, began + took, "answered")
    call.content = TOLD
    return replace(call, **changes)


def row(**changes: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "state": "accepted",
        "task_id": TASK,
        "seed": 4711,
        "source_asset_id": CLIP,
        "reply_ref": "runway-mcp-1",
        **changes,
    }


def good() -> Facts:
    """A host that asks, asks again after a month with the seed that it was told, and asks at last."""
    task = made()
    return Facts(
        sources={CLIP: Source(CLIP, "gen3a"), FILM: Source(FILM, "gen3a")},
        made=[task],
        posts=[post(task=task)],
        asked=[
            asked(),
            asked(1, 30 * DAY, took=1.0, content=TWIN, arguments={"seed": 4711, "text_prompt": " over the dunes\n"}),
            asked(2, 31 * DAY, took=1.0, content=TWIN, last=True),
        ],
        rows=[row()],
        early_rows=[row()],
        tasks=[TASK],
    )


def second(**changes: Any) -> Callable[[Facts], None]:
    """A second POST a month later, with a fresh seed of the program's."""

    def change(facts: Facts) -> None:
        task = made(task_id="task:second", accepted=30 * DAY + 2, ends=30 * DAY + 12, post=1, **changes)
        facts.made.append(task)
        facts.tasks.append(task.task_id)
        facts.posts.append(post(1, departed=30 * DAY + 1, task=task, seed=815, replyRef="runway-mcp-2"))
        facts.rows.append(row(id="2", task_id=task.task_id, seed=815, reply_ref="runway-mcp-2"))

    return change


def error(kind: str, charged: str, *, safe: bool = True, **content: Any) -> dict[str, Any]:
    return {"summary": "", "error": {"kind": kind, "message": "", "charged": charged, "retry_safe": safe}, **content}


def answered(number: int, content: dict[str, Any], **changes: Any) -> Callable[[Facts], None]:
    """Another answer to one of the calls."""

    def change(facts: Facts) -> None:
        facts.asked[number] = replace(facts.asked[number], content=content, **changes)

    return change


def posted(**changes: Any) -> Callable[[Facts], None]:
    """A POST, after the month, of what stands in the changes, upstream having refused nothing and accepted nothing."""

    def change(facts: Facts) -> None:
        facts.posts.append(replace(post(1, departed=30 * DAY + 1), **changes))

    return change


def moderated_twice(facts: Facts) -> None:
    facts.made.clear()
    facts.rows.clear()
    facts.early_rows.clear()
    facts.tasks.clear()
    first = replace(post(), refused=True, moderated=True)
    facts.posts[:] = [first, replace(first, number=1, departed=30 * DAY + 1)]
    facts.asked[:] = [asked(content=error("moderated", "no", safe=False)), asked(1, 30 * DAY, content=TWIN)]
    facts.asked[1].content = error("moderated", "no", safe=False)


def without_row(facts: Facts) -> None:
    facts.rows.clear()
    facts.early_rows.clear()
    facts.asked[2].content = error("submission_unknown", "unknown")


def found_by_the_last_calls_alone(facts: Facts) -> None:
    facts.early_rows[:] = [row(state="posting", task_id=None)]


def closed_blindly(facts: Facts) -> None:
    facts.blind = [(30.0, 2000.0)]
    facts.early_rows[:] = [row(state="unknown", task_id=None, created=1.0, closed=700.0)]


def open_row(state: str, *, early: bool = False) -> Callable[[Facts], None]:
    def change(facts: Facts) -> None:
        open_one = row(state=state, task_id=None)
        facts.early_rows[:] = [open_one]
        if early:
            facts.rows[:] = [row(task_id="task:other")]
        else:
            facts.rows[:] = [open_one]

    return change


def by_hand(facts: Facts) -> None:
    facts.made.append(made(task_id="task:hand", post=None))
    facts.rows[:] = [row(task_id="task:hand")]


def policy(**allowed: Any) -> Callable[[Facts], None]:
    def change(facts: Facts) -> None:
        facts.policy = SpendPolicy(**allowed)

    return change


def confirmed(*, told: str, passed: str, late: float = 0.0, agreed: bool = False) -> Callable[[Facts], None]:
    """Settings that ask for a confirmation, a dry run's quote, and what the call passed, or what its person said."""

    def change(facts: Facts) -> None:
        facts.policy = SpendPolicy(confirm_above=0.0)
        price = {"status": "DRY_RUN", "credits": {"cost": 50}, "quote": {"id": told}}
        offer = asked(3, -20.0 - late, took=1.0, content=price, arguments={"dry_run": True})
        facts.asked.append(offer)
        facts.asked[0].arguments = facts.asked[0].arguments | {"confirm": passed}
        facts.asked[0].agreed = [0.5] if agreed else []

    return change


def crashed(facts: Facts) -> None:
    facts.asked[0] = replace(facts.asked[0], end="crashed", content=None, trouble="MCPError: Internal error")


def endless(facts: Facts) -> None:
    facts.asked[0] = replace(facts.asked[0], end="open", ended=None, content=None)


def dead(facts: Facts) -> None:
    facts.crashes.append("server 0.0 died: KeyError")


def test_a_good_run_is_clean() -> None:
    verdict = judge(good())

    assert verdict.findings == []
    assert (verdict.posts, verdict.accepted, verdict.credits, verdict.found) == (1, 1, 50, 1)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("doubled", second()),
        ("repeated", posted()),
        ("lost", without_row),
        ("lost", answered(2, error("not_found", "no"))),
        ("wrong", by_hand),
        ("wrong", answered(1, TWIN | {"taskId": "task:other"})),
        ("wrong", posted(body=BODY | {"text_prompt": "nobody's"})),
        ("unsettled", open_row("unknown")),
        ("unsettled", open_row("posting", early=True)),
        ("unsettled", found_by_the_last_calls_alone),
        ("unsettled", closed_blindly),
        ("harmful", moderated_twice),
        ("lies", answered(1, error("spend_limit", "no"))),
        ("lies", answered(1, error("not_found", "yes"))),
        ("lies", answered(1, error("generation_failed", "no", taskId=TASK))),
        ("lies", answered(1, error("submission_unknown", "unknown", safe=False))),
        ("lies", answered(1, error("odd", "no"))),
        ("lies", answered(1, TOLD)),
        ("lies", answered(1, TWIN | {"credits": {"cost": 50}})),
        ("lies", answered(0, TOLD | {"twin": True, "credits": {"cost": 0}})),
        ("lies", answered(0, TOLD | {"credits": {"cost": 100}})),
        ("lies", answered(1, TWIN | {"status": "FAILED"})),
        ("lies", answered(1, {name: value for name, value in TWIN.items() if name != "video"})),
        ("lies", answered(1, TWIN | {"video": {"assetId": CLIP}})),
        ("lies", answered(0, TOLD, ended=5.0)),
        ("lies", answered(1, TWIN | {"next_step": {"tool": "get_task", "arguments": {"taskId": "x"}}})),
        ("lies", answered(1, TWIN | {"next_step": {"tool": "extend_video", "arguments": {"assetId": CLIP}}})),
        ("lies", answered(1, {"status": "DRY_RUN", "credits": {"cost": 50}}, arguments=ASKED | {"dry_run": True})),
        ("overspent", policy(per_call=40)),
        ("overspent", policy(per_day=40)),
        ("overspent", policy(confirm_above=0.0)),
        ("overspent", confirmed(told="a", passed="b")),
        ("overspent", confirmed(told="a", passed="a", late=1000.0)),
        ("broken", crashed),
        ("broken", endless),
        ("broken", dead),
        ("broken", answered(0, TOLD, ended=90.0)),
        ("broken", answered(1, TWIN, ended=30 * DAY + 40.0)),
    ],
)
def test_each_count_fires(kind: str, change: Callable[[Facts], None]) -> None:
    facts = good()
    change(facts)

    verdict = judge(facts)

    assert getattr(verdict, kind) > 0, verdict.findings
    assert {finding.partition(":")[0] for finding in verdict.findings} <= set(NOUGHT)


@pytest.mark.parametrize(
    "change",
    [
        posted(departed=None),
        policy(per_call=50, per_day=50, confirm_above=50.0),
        confirmed(told="a", passed="a"),
        confirmed(told="a", passed="b", agreed=True),
    ],
)
def test_what_is_allowed_is_not_found(change: Callable[[Facts], None]) -> None:
    facts = good()
    change(facts)

    assert judge(facts).findings == []


def test_another_seed_of_the_caller_is_another_request() -> None:
    facts = good()
    task = made(task_id="task:second", accepted=30 * DAY + 2, ends=30 * DAY + 12, post=1)
    facts.made.append(task)
    facts.tasks.append("task:second")
    facts.posts.append(post(1, departed=30 * DAY + 1, task=task, seed=7, replyRef="runway-mcp-2"))
    facts.rows.append(row(id="2", task_id="task:second", seed=7, reply_ref="runway-mcp-2"))
    facts.asked[1] = asked(1, 30 * DAY, content=TOLD | {"taskId": "task:second", "seed": 7}, arguments={"seed": 7})

    assert judge(facts).findings == []


def test_a_post_that_never_left_makes_no_seed_of_the_program() -> None:
    facts = good()
    facts.posts.append(replace(post(1, seed=7), departed=None))
    task = made(task_id="task:second", accepted=30 * DAY + 2, ends=30 * DAY + 12, post=2)
    facts.made.append(task)
    facts.tasks.append("task:second")
    facts.posts.append(post(2, departed=30 * DAY + 1, task=task, seed=7, replyRef="runway-mcp-2"))
    facts.rows.append(row(id="2", task_id="task:second", seed=7, reply_ref="runway-mcp-2"))
    facts.asked[1] = asked(1, 30 * DAY, content=TOLD | {"taskId": "task:second", "seed": 7}, arguments={"seed": 7})

    assert judge(facts).findings == []


def test_a_refused_post_may_be_repeated() -> None:
    facts = good()
    task = facts.posts[0].made
    facts.posts[:] = [replace(post(), refused=True), post(1, departed=1.5, task=task)]
    facts.made[0].post = 1

    assert judge(facts).findings == []


def test_the_judge_imports_nothing_of_the_program() -> None:
    names = set(imported("judge"))

    assert names
    assert not [name for name in names if name.partition(".")[0] not in {"tests", *LIBRARY}]


LIBRARY = {"collections", "dataclasses", "typing", "unicodedata", "math"}


def imported(module: str, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """What a module of the campaign imports, by itself and by way of other modules of the campaign."""
    tree = ast.parse((HERE / f"{module}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            assert not name.startswith("tests") or name.startswith("tests.campaign.")
            yield name
            inner = name.removeprefix("tests.campaign.")
            if inner != name and inner not in seen:
                yield from imported(inner, seen | {inner})
