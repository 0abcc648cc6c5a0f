"""Judges a run by what the world saw, not by what the ledger or a call says of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from runway_mcp.simulator.records import Task
from runway_mcp.simulator.world import World
from runway_mcp.tasks.failures import Failure
from tests.campaign.scenario import Request
from tests.campaign.servers import Called, Truth
from tests.campaign.wire import Post
from tests.campaign.worlds import clip_of, effective_seconds

# How long a told film answers its request instead of a second submit, in seconds.
TOLD_SECONDS = 120.0

# What a call may take however short its wait: ten seconds to plan, five for the answer.
LEAST_WAIT = 15.0

Row = dict[str, Any]
"""An intent as it stands in the ledger's file."""

Key = tuple[object, ...]
"""What makes two requests the same film: all that the caller asked for, and not how he waits for it."""


@dataclass
class Verdict:
    """What a run came to. The first eight counts must be nought; `findings` has a sentence for each of them.

    `unclear` counts intents that ended unknown and of which upstream truly has nothing, `groundless` those among them
    whose POST never left or was surely refused; `late` is by how many seconds the slowest call overstayed its wait.
    """

    doubled: int = 0
    repeated: int = 0
    lost: int = 0
    wrong: int = 0
    unsettled: int = 0
    lies: int = 0
    broken: int = 0
    harmful: int = 0
    unclear: int = 0
    groundless: int = 0
    calls: int = 0
    posts: int = 0
    accepted: int = 0
    credits: int = 0
    found: int = 0
    late: float = 0.0
    faults: Counter[str] = field(default_factory=Counter[str])
    findings: list[str] = field(default_factory=list[str])


@dataclass
class Case:
    """All that a run is judged by: `owned` are the ledger's rows by the task that they own."""

    world: World
    posts: Sequence[Post]
    truth: Truth
    rows: Sequence[Row]
    verdict: Verdict = field(default_factory=Verdict)

    def __post_init__(self) -> None:
        requests = dict.fromkeys(called.request for called in self.truth.calls)
        self.keys: dict[Request, Key] = {request: key_of(self.world, request) for request in requests}
        self.owned: dict[str, Row] = {row["task_id"]: row for row in self.rows if row["task_id"]}
        self.taken: list[tuple[Post, Task]] = [(post, post.task) for post in self.posts if post.task]

    def post_key(self, post: Post) -> Key | None:
        """The request that a POST was made for, told by what it sent."""
        body = post.body
        fitting = [key for key in dict.fromkeys(self.keys.values()) if _fits(key, body, self.keys.values())]
        return fitting[0] if fitting else None

    def is_done(self, task: Task, at: float) -> bool:
        """Whether the same request may be submitted again although it made this task."""
        told = self.truth.told.get(self.world.task_id(task))
        if told is None or told > at:
            return False
        if is_moderated(self.world, task):
            return False
        return task.script.outcome not in {"succeed", "several"} or at - told >= TOLD_SECONDS

    def find(self, kind: str, sentence: str) -> None:
        """Notes a finding."""
        setattr(self.verdict, kind, getattr(self.verdict, kind) + 1)
        self.verdict.findings.append(f"{kind}: {sentence}")


def judge(world: World, posts: Sequence[Post], truth: Truth, rows: Sequence[Row]) -> Verdict:
    """The verdict on a run; to be asked when upstream has been well for long enough."""
    case = Case(world, posts, truth, rows)
    _count(case)
    for broken in truth.broken:
        case.find("broken", broken)
    _judge_doubles(case)
    _judge_harm(case)
    _judge_lost(case)
    for row in rows:
        _judge_row(case, row)
    for called in truth.calls:
        _judge_call(case, called)
    return case.verdict


def key_of(world: World, request: Request) -> Key:
    """The key of a request."""
    clip = world.asset_id(clip_of(world, request.clip))
    seconds = effective_seconds(world, request)
    return clip, request.prompt, seconds, request.explore, request.reply_ref, request.seed


def is_moderated(world: World, task: Task) -> bool:
    """Whether a task's end says that it was moderated, so that asking for it again would do harm."""
    return task.script.outcome == "moderate" and world.switches.task_error != "null"


def _fits(key: Key, body: dict[str, Any], keys: Iterable[Key]) -> bool:
    clip, prompt, seconds, explore, ref, seed = key
    seeds, refs = {key[5] for key in keys}, {key[4] for key in keys}
    return (
        (clip, prompt, explore) == (body["assetId"], body.get("text_prompt"), body.get("exploreMode", False))
        and body.get("seconds", 8) == seconds
        and (body["seed"] == seed if seed else body["seed"] not in seeds)
        and (body["replyRef"] == ref if ref else body["replyRef"] not in refs)
    )


def _count(case: Case) -> None:
    verdict = case.verdict
    verdict.calls = len(case.truth.calls)
    verdict.posts = sum(post.departed is not None for post in case.posts)
    verdict.accepted = len(case.taken)
    verdict.credits = sum(task.cost for _, task in case.taken)
    ids = {case.world.task_id(task) for _, task in case.taken}
    verdict.found = len(ids & case.owned.keys())
    if not case.truth.held_up:
        verdict.late = max([0.0, *(_late(called) for called in case.truth.calls)])


def _late(called: Called) -> float:
    return 0.0 if called.ended is None else called.ended - called.began - max(called.wait, LEAST_WAIT)


def _judge_doubles(case: Case) -> None:
    """Nothing is posted again before the same request's last POST was surely refused, or an end of its was told."""
    by_key: dict[Key | None, list[Post]] = {}
    left = [post for post in case.posts if post.departed is not None]
    for post in sorted(left, key=lambda post: post.departed or 0.0):
        key = case.post_key(post)
        if key is None:
            case.find("wrong", f"POST {post.number} is nobody's request: {post.body}")
        open_ones = _still_open(case, by_key.setdefault(key, []), post.departed or 0.0)
        where = f"POST {post.number} ({post.process})"
        if open_ones:
            case.find("repeated", f"{where} left after POST {open_ones[0].number}, still open: {post.body}")
        taken = [other for other in open_ones if other.task]
        if taken and post.task:
            case.find("doubled", f"{where} made a second task beside that of POST {taken[0].number}: {post.body}")
        by_key[key].append(post)


def _still_open(case: Case, posts: list[Post], at: float) -> list[Post]:
    """Those of a request's POSTs whose outcome the request's caller does not know yet."""
    return [post for post in posts if not (case.is_done(post.task, at) if post.task else post.clear)]


def _judge_harm(case: Case) -> None:
    """Repeated moderation can suspend an account: no request may be posted again once it was refused so."""
    refused: dict[Key | None, Post] = {}
    for post in case.posts:
        key = case.post_key(post)
        if key in refused:
            case.find("harmful", f"POST {post.number} repeats the moderated POST {refused[key].number}: {post.body}")
        elif post.moderated:
            refused[key] = post


def _judge_lost(case: Case) -> None:
    for post, task in case.taken:
        if not task.hidden and case.world.task_id(task) not in case.owned:
            case.find("lost", f"no intent owns the task of POST {post.number} ({post.process}): {post.body}")


def _judge_row(case: Case, row: Row) -> None:
    own = [(post, task) for post, task in case.taken if _is_of(case, post, row)]
    if row["task_id"]:
        if row["task_id"] not in {case.world.task_id(task) for _, task in own}:
            case.find("wrong", f"the intent {row['reply_ref']} owns {row['task_id']}, which it did not make")
        if row["state"] != "accepted":
            case.find("unsettled", f"the intent {row['reply_ref']} has its task and is {row['state']}")
    elif row["state"] in ("posting", "unclear", "unknown"):
        free = [post.number for post, task in own if case.world.task_id(task) not in case.owned]
        if free:
            case.find("unsettled", f"the intent {row['reply_ref']} is {row['state']}, and upstream shows POST {free}")
        else:
            case.verdict.unclear += 1
            case.verdict.groundless += not [post for post in case.posts if _is_of(case, post, row) and not post.clear]


def _is_of(case: Case, post: Post, row: Row) -> bool:
    """Whether an intent's POST sent what this one sent; of two that upstream cannot tell apart, either will do."""
    body = post.body
    return (
        (body["seed"], body["assetId"]) == (row["seed"], row["source_asset_id"])
        and (body["replyRef"] == row["reply_ref"] or not case.world.switches.reply_in_list)
        and body.get("text_prompt") == row["text_prompt"]
        and body.get("seconds", 8) == row["seconds"]
        and body.get("exploreMode", False) == bool(row["explore_mode"])
    )


def _is_alike(case: Case, post: Post, key: Key) -> bool:
    """Whether a POST made what a request asked for, as far as upstream tells."""
    made = case.post_key(post)
    if made is None or case.world.switches.reply_in_list:
        return made == key
    seeds = made[5] == key[5] or made[5] is None or key[5] is None
    return made[:4] == key[:4] and seeds


def _judge_call(case: Case, called: Called) -> None:
    key = case.keys[called.request]
    mine = [(post, task) for post, task in case.taken if case.post_key(post) == key]
    if called.returned and not any(
        _is_alike(case, post, key) for post, task in case.taken if case.world.task_id(task) == called.returned.task_id
    ):
        case.find("wrong", f"call {called.number} returned {called.returned.task_id}, which its request did not make")
    _judge_status(case, called)
    failure = called.failure
    if failure is None or called.ended is None:
        return
    own = [post for post in case.posts if post.call == called.number]
    open_ones = [(post, task) for post, task in mine if not case.is_done(task, called.ended)]
    if own:
        open_ones = [(post, task) for post, task in open_ones if post in own]
    elif _is_before_its_claim(failure):
        open_ones = []
    else:
        open_ones = [(post, task) for post, task in open_ones if (post.departed or 0.0) < called.ended]
    said = f"call {called.number} said {failure.kind} (charged {failure.charged}, retry_safe {failure.retry_safe})"
    spent = [post.number for post, task in open_ones if task.cost or failure.retry_safe]
    if failure.charged == "no" and called.submitting and spent:
        case.find("lies", f"{said}, and POST {spent[0]} was accepted")
    if failure.charged == "yes" and not any(task.cost for _, task in mine):
        case.find("lies", f"{said}, and nothing was charged")
    if failure.retry_safe and failure.kind in ("moderated", "generation_failed", "cancelled"):
        case.find("lies", f"{said}, and the same call would do harm")


def _judge_status(case: Case, called: Called) -> None:
    """A returned end must be the end that the world knows."""
    said = called.returned
    if said is None or not said.is_terminal:
        return
    true = next((task for task in case.world.tasks if case.world.task_id(task) == said.task_id), None)
    if true is None:
        return
    shown = true.moments[-1].status
    if said.status != shown:
        case.find("lies", f"call {called.number} said {said.status}, and the task is {shown}")
    elif bool(said.artifacts) != bool(true.artifacts):
        told, there = len(said.artifacts), len(true.artifacts)
        case.find("lies", f"call {called.number} told of {told} films, and there are {there}")


def _is_before_its_claim(failure: Failure) -> bool:
    """Whether the call says that the ledger could not be asked: then it speaks of itself alone."""
    return failure.kind == "unavailable" and "ledger" in failure.message
