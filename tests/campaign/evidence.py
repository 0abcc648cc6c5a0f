"""Judges calls of the real server by what upstream accepted. Its definitions are its own and import nothing of ours.

*Same request*: source, prompt (trimmed, NFC), effective seconds, explore mode, and the seed that the caller chose; a
seed or a reference that was copied from a result is nobody's choice. *Surely refused*: an answer of 4xx but 408 and
425, or 596, behind which upstream made no task. Whatever else became of a POST, no other may follow it.
"""

import contextlib
import sqlite3
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

Row = dict[str, Any]
"""An intent as it stands in the ledger's file."""

Finding = tuple[str, str]
"""What was found: the name of its count, and a sentence."""

DAY = 86_400.0
FORBIDDEN = "forbidden"
"""Upstream's moderation refuses a prompt with this word, which is not to be tried again."""

_UNCLEAR_4XX = (408, 425)
_MODERATED = 422
_ACCOUNT_BROKEN = 596
# Settled in this module's sense: the outcome of the submit is known to the ledger.
_OPEN = ("posting", "unclear", "unknown")
# No task of these runs ends so.
_FAILED = ("generation_failed", "cancelled")
# What a call may say for itself while another call of the same request is accepted.
_OF_ITSELF = ("busy", "declined", "spend_limit", "unavailable")


class Key(NamedTuple):
    """What makes two calls the same request."""

    source: str
    prompt: str
    seconds: int
    explore: bool
    seed: int | None


@dataclass(frozen=True)
class Post:
    """A POST that arrived upstream, and what was made of it; times are of the machine's monotonic clock."""

    number: int
    body: Mapping[str, Any]
    began: float
    ended: float | None
    wall: float
    status: int | None
    task_id: str | None
    cost: int

    @property
    def is_refused(self) -> bool:
        """Whether it is sure that nothing came of it, and its sender was told so."""
        status = self.status or 0
        refused = (400 <= status < 500 and status not in _UNCLEAR_4XX) or status == _ACCOUNT_BROKEN
        return refused and self.task_id is None


@dataclass
class Called:
    """A call of `extend_video` that was to spend; `result` is its structured content, None if nobody heard it."""

    key: Key
    began: float
    ended: float | None = None
    result: Mapping[str, Any] | None = None
    confirm: str | None = None

    @property
    def task_id(self) -> str | None:
        """The task that it returned."""
        return self.result.get("taskId") if self.result else None


@dataclass
class Limits:
    """What the user allows, in credits; `quotes` are the quotes that dry runs gave, by their ids."""

    per_call: int | None = None
    per_day: int | None = None
    confirm_above: float | None = None
    quotes: dict[str, Key] = field(default_factory=dict[str, Key])


def key_of(arguments: Mapping[str, Any], source: str, *, chosen: bool = True) -> Key:
    """The key of a call's arguments; `chosen` tells whether its seed is the caller's own."""
    prompt = unicodedata.normalize("NFC", arguments.get("text_prompt") or "").strip()
    seed = arguments.get("seed") if chosen else None
    return Key(source, prompt, arguments.get("seconds") or 5, bool(arguments.get("exploreMode")), seed)


def posts_of(told: Iterable[Mapping[str, Any]]) -> list[Post]:
    """The POSTs as the stand-in's process tells them."""
    return [
        Post(
            each["number"],
            each["body"],
            each["began"],
            each["ended"],
            each["wall"],
            each["status"],
            each["taskId"],
            each["cost"],
        )
        for each in told
    ]


def rows_of(data: Path) -> list[Row]:
    """The ledger's intents, as they stand in its file; none before there is one."""
    ledger = data / "ledger.sqlite3"
    if not ledger.exists():
        return []
    with contextlib.closing(sqlite3.connect(ledger, timeout=5)) as connection:
        connection.row_factory = sqlite3.Row
        # A server makes its tables a moment after its start, and may have been stopped before.
        if not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'intents'").fetchone()[0]:
            return []
        return [dict(row) for row in connection.execute("SELECT * FROM intents")]


@dataclass
class Evidence:
    """Everything that a run is judged by; `broken` are findings of the run itself."""

    posts: Sequence[Post]
    calls: Sequence[Called]
    rows: Sequence[Row]
    limits: Limits = field(default_factory=Limits)

    @property
    def accepted(self) -> list[Post]:
        """The POSTs that made a task."""
        return [post for post in self.posts if post.task_id]

    @property
    def owned(self) -> set[str]:
        """The tasks that the ledger owns."""
        return {row["task_id"] for row in self.rows if row["task_id"]}

    def key_of_post(self, post: Post) -> Key | None:
        """The request that a POST was made for, told by what it sent; None if nobody made it."""
        chosen = {called.key.seed for called in self.calls}
        body = post.body
        key = key_of(body, str(body.get("assetId")), chosen=body.get("seed") in chosen)
        return key if any(called.key == key for called in self.calls) else None

    def findings(self) -> list[Finding]:
        """All that is wrong."""
        return [*self._doubles(), *self._lost(), *self._answers(), *self._spends()]

    def _doubles(self) -> list[Finding]:
        found: list[Finding] = []
        earlier: dict[Key, list[Post]] = {}
        for post in self.posts:
            key = self.key_of_post(post)
            if key is None:
                found.append(("wrong", f"POST {post.number} is nobody's request: {post.body}"))
                continue
            before = earlier.setdefault(key, [])
            standing = [other for other in before if not other.is_refused or other.status == _MODERATED]
            if standing:
                said = f"POST {post.number} followed POST {standing[0].number} ({_fate(standing[0])}): {post.body}"
                found.append(("repeated", said))
            taken = [other for other in before if other.task_id]
            if taken and post.task_id:
                found.append(("doubled", f"{short(post.task_id)} was made beside {short(taken[0].task_id)}"))
            before.append(post)
        return found

    def _lost(self) -> list[Finding]:
        ids = {post.task_id for post in self.accepted if post.task_id}
        owned = self.owned
        found: list[Finding] = []
        if ids - owned:
            found.append(("lost", f"no intent owns {sorted(ids - owned)}"))
            states = [row["state"] for row in self.rows if row["state"] in _OPEN]
            found += [("unsettled", f"an intent is {state}, and upstream shows its task") for state in states]
        found += [("wrong", f"the ledger owns {task_id}, which nobody asked for") for task_id in sorted(owned - ids)]
        misfits = [row for row in self.rows if row["task_id"] and row["state"] != "accepted"]
        found += [("unsettled", f"the intent of {row['task_id']} is {row['state']}") for row in misfits]
        return found

    def _answers(self) -> list[Finding]:
        made: dict[Key, list[Post]] = {}
        for post in self.accepted:
            key = self.key_of_post(post)
            if key is not None:
                made.setdefault(key, []).append(post)
        found: list[Finding] = []
        for called in self.calls:
            if called.result is not None:
                found += self._answer(called, called.result, made.get(called.key, []))
        return found

    def _answer(self, called: Called, result: Mapping[str, Any], made: list[Post]) -> list[Finding]:
        error, task_id = part(result, "error"), result.get("taskId")
        if task_id and task_id not in {post.task_id for post in made}:
            return [("wrong", f"{called.key} was answered with {task_id}, which it did not make")]
        if not task_id and not error:
            return [("lies", f"a call returned neither a task nor an error: {dict(result)}")]
        said = f"a call said {refusal(result)}"
        if error.get("charged") == "no" and not task_id:
            known = [post for post in made if (post.ended or post.began) < called.began]
            during = [post for post in made if post.began < (called.ended or called.began)]
            of_itself = error.get("kind") in _OF_ITSELF
            if (known and not _is_locked_out(error)) or (during and not of_itself):
                return [("lies", f"{said} {(known or during)[0].task_id} was accepted")]
        if error.get("kind") in _FAILED:
            return [("lies", f"{said} No task of this run fails")]
        if error.get("charged") == "yes" and not sum(post.cost for post in made):
            return [("lies", f"{said} Nothing was charged")]
        return []

    def _spends(self) -> list[Finding]:
        limits, found = self.limits, list[Finding]()
        for post in self.accepted:
            if limits.per_call is not None and post.cost > limits.per_call:
                found.append(("overspent", f"{post.cost} credits at once, of {limits.per_call} allowed"))
            day = [other.cost for other in self.accepted if post.wall - DAY < other.wall <= post.wall]
            if limits.per_day is not None and sum(day) > limits.per_day:
                found.append(("overspent", f"{sum(day)} credits in a day, of {limits.per_day} allowed"))
            if limits.confirm_above is not None and post.cost > limits.confirm_above:
                key = self.key_of_post(post)
                shown = [
                    called
                    for called in self.calls
                    if called.key == key
                    and called.began <= post.began
                    and called.confirm
                    and limits.quotes.get(called.confirm) == key
                ]
                if not shown:
                    found.append(("overspent", f"{post.cost} credits that nobody confirmed: {post.body}"))
        return found


def part(result: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object in a result; empty if it is not there."""
    return cast("Mapping[str, Any]", result.get(name) or {})


def refusal(result: Mapping[str, Any]) -> str:
    """How a result without a task reads."""
    error = part(result, "error")
    return f"{error.get('kind')} (charged {error.get('charged')}): {error.get('message')}"


def film_told(result: Mapping[str, Any]) -> str | None:
    """What is wrong with how a film that was paid before is told; None if nothing is."""
    cost = part(result, "credits").get("cost")
    if result.get("status") != "SUCCEEDED" or not part(result, "video").get("url"):
        return f"its film came back as {result.get('status')} without a link"
    if result.get("twin") is not True or cost != 0:
        return f"its film came back with twin {result.get('twin')} and cost {cost}"
    return None


def _is_locked_out(error: Mapping[str, Any]) -> bool:
    """Whether a call says that it could not ask the ledger, and so speaks of itself alone."""
    return error.get("kind") == "unavailable" and "ledger" in str(error.get("message"))


def short(task_id: object) -> str:
    """An id as a person tells it from others."""
    return str(task_id)[-8:]


def _fate(post: Post) -> str:
    made = f"which made {short(post.task_id)}" if post.task_id else "which made nothing"
    return f"{made} and was answered with {post.status}"
