"""Judges a run by what upstream accepted, not by what the ledger or an answer says of it.

Imports nothing of the program. Its definitions are its own, written from what `docs/reliability.md` and
`docs/tools.md` promise:

- *doubled*: a second task accepted for a request, whatever the time between;
- *repeated*: a POST that left although an earlier one of the same request was not surely refused;
- *lost*: an accepted task that upstream shows to be ours, and neither the ledger owns nor the same call finds at the
  end; where upstream does not show whose it is, the same call must name it as a candidate;
- *wrong*: a call or a row with a task that its request did not make;
- *unsettled*: a row without an end although upstream shows its task;
- *harmful*: a request posted again after moderation had refused it;
- *lies*, *broken* and *overspent*: `answers` and `spends`.
"""

from dataclasses import dataclass, field

from tests.campaign.answers import judge_answers
from tests.campaign.facts import Facts, Made, Post, Row, Verdict, part
from tests.campaign.requests import Key, Requests
from tests.campaign.spends import judge_spends

_OPEN = ("posting", "unclear", "unknown")
_LOOKED_FOR = ("posting", "unclear")
# Of so many tasks the list of tasks surely shows each on its first page.
_PAGE = 40
# How long a look may go on that began before nothing got through any more, in seconds.
_LONGEST_LOOK = 150.0
# Looking that can read nothing is given up after a day, in seconds, and not before.
_DAY = 86_000.0


@dataclass
class Case:
    """The facts in the order in which they are judged: POSTs that left, accepted tasks by request and by id."""

    facts: Facts
    verdict: Verdict = field(default_factory=Verdict)

    def is_ours(self, post: Post, made: Made) -> bool:
        """Whether upstream shows a task, and shows that it is ours.

        A seed of the caller's stands behind tasks made by hand as well: it proves nothing without the reference.
        """
        return made.shown and (made.named or self.requests.of_post[post.number].seed is None)

    def __post_init__(self) -> None:
        self.requests = Requests(self.facts)
        left = [post for post in self.facts.posts if post.departed is not None]
        self.left: list[Post] = sorted(left, key=lambda post: post.departed or 0.0)
        self.taken: list[tuple[Post, Made]] = [(post, post.made) for post in self.left if post.made]
        self.by_key: dict[Key, list[tuple[Post, Made]]] = {}
        for post, made in self.taken:
            self.by_key.setdefault(self.requests.of_post[post.number], []).append((post, made))
        self.by_id: dict[str, Made] = {made.task_id: made for made in self.facts.made}
        self.owned: dict[str, Row] = {row["task_id"]: row for row in self.facts.rows if row["task_id"]}


def judge(facts: Facts) -> Verdict:
    """The verdict on a run."""
    case = Case(facts)
    _count(case)
    for crash in facts.crashes:
        case.verdict.find("broken", crash)
    _judge_posts(case)
    _judge_harm(case)
    _judge_lost(case)
    for row in facts.rows:
        _judge_row(case, row)
    for row in facts.early_rows if facts.calm else ():
        _judge_early(case, row)
    judge_answers(facts, case.requests, case.verdict)
    judge_spends(facts, case.requests, case.verdict)
    return case.verdict


def _count(case: Case) -> None:
    verdict = case.verdict
    verdict.calls = len(case.facts.asked)
    verdict.posts = len(case.left)
    verdict.accepted = len(case.taken)
    verdict.credits = sum(made.cost for _, made in case.taken)
    verdict.found = sum(made.task_id in case.owned for _, made in case.taken)
    for asked in case.facts.asked:
        error = part(asked.content, "error")
        verdict.kinds[error.get("kind") or (asked.content or {}).get("status") or asked.end] += 1


def _judge_posts(case: Case) -> None:
    """Nothing is posted again before the same request's last POST was surely refused."""
    earlier: dict[Key, list[Post]] = {}
    asked = {key for key in case.requests.of_asked.values() if key is not None}
    for post in case.left:
        key = case.requests.of_post[post.number]
        if key not in asked:
            case.verdict.find("wrong", f"POST {post.number} ({post.process}) is nobody's request: {post.body}")
        before = earlier.setdefault(key, [])
        still = [other for other in before if other.made or not other.refused]
        where = f"POST {post.number} ({post.process})"
        if still:
            case.verdict.find("repeated", f"{where} left after POST {still[0].number}: {post.body}")
        taken = [other for other in before if other.made]
        if taken and post.made:
            first = f"POST {taken[0].number}"
            case.verdict.find("doubled", f"{where} made a second task beside that of {first}: {post.body}")
        before.append(post)


def _judge_harm(case: Case) -> None:
    """Repeated moderation can suspend an account."""
    refused: dict[Key, Post] = {}
    for post in case.left:
        key = case.requests.of_post[post.number]
        if key in refused:
            first = refused[key].number
            case.verdict.find("harmful", f"POST {post.number} repeats the moderated POST {first}: {post.body}")
        elif post.moderated or (post.made is not None and post.made.outcome == "moderate"):
            refused[key] = post


def _judge_lost(case: Case) -> None:
    told = {asked.content.get("taskId") for asked in case.facts.asked if asked.last and asked.content}
    for post, made in case.taken:
        if case.is_ours(post, made) and made.task_id not in case.owned and made.task_id not in told:
            case.verdict.find("lost", f"nothing finds the task of POST {post.number} ({post.process}): {post.body}")
        elif made.shown and len(case.facts.made) < _PAGE and made.task_id not in case.facts.tasks:
            case.verdict.find("lost", f"runway://tasks does not list the task of POST {post.number} ({post.process})")


def _judge_row(case: Case, row: Row) -> None:
    name = f"the intent {row['id']} ({row['state']})"
    if row["task_id"]:
        made = case.by_id.get(row["task_id"])
        if made is None or made.post is None:
            case.verdict.find("wrong", f"{name} owns {row['task_id']}, which no POST of ours made")
        elif not any(post.made is made and _is_of(post, row) for post in case.left):
            case.verdict.find("wrong", f"{name} owns {row['task_id']}, which its POST did not make")
        if row["state"] != "accepted":
            case.verdict.find("unsettled", f"{name} has its task")
    elif row["state"] in _OPEN:
        if free := _free(case, row):
            case.verdict.find("unsettled", f"{name} is open, and upstream shows the task of POST {free[0].number}")
        else:
            case.verdict.unclear += 1


def _judge_early(case: Case, row: Row) -> None:
    """What is still looked for a quarter of an hour after upstream is well has been forgotten.

    That the last calls find it later excuses nothing.
    """
    if not row["task_id"] and row["state"] in _LOOKED_FOR and (free := _free(case, row, found_since=row["id"])):
        sentence = f"the intent {row['id']} is {row['state']} without a call, and upstream shows POST {free[0].number}"
        case.verdict.find("unsettled", sentence)
    if row["state"] == "unknown" and _is_closed_blindly(case, row) and _free(case, row, found_since=row["id"]):
        case.verdict.find("unsettled", f"the intent {row['id']} was closed while nobody could look")


def _is_closed_blindly(case: Case, row: Row) -> bool:
    """Whether looking was given up within a day of the POST, and no request had got through for minutes."""
    closed = (row.get("closed") or 0.0) - case.facts.epoch
    is_blind = any(begin + _LONGEST_LOOK < closed <= end for begin, end in case.facts.blind)
    return is_blind and closed < row["created"] - case.facts.epoch + _DAY


def _free(case: Case, row: Row, *, found_since: str | None = None) -> list[Post]:
    """The POSTs of an intent whose tasks upstream shows and which no intent owns, but for that one."""
    owned = {it["task_id"] for it in case.facts.rows if it["task_id"] and it["id"] != found_since}
    return [
        post
        for post, made in case.taken
        if case.is_ours(post, made) and made.task_id not in owned and _is_of(post, row)
    ]


def _is_of(post: Post, row: Row) -> bool:
    """Whether an intent's POST sent what this one sent, as far as the row has columns for it."""
    sent = {
        "seed": post.body.get("seed"),
        "source_asset_id": post.body["assetId"],
        "reply_ref": post.body.get("replyRef"),
    }
    return all(row.get(column, value) == value for column, value in sent.items())
