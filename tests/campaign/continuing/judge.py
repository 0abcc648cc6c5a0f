"""Judges a run over continuing: by what the stand-in accepted and charged, and by the films and parts on the disk."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from runway_mcp.films.continuing.standing import FilmStanding
from runway_mcp.films.continuing.steps import JoinMade, parts_of
from runway_mcp.films.continuing.workspace import workspace_of
from runway_mcp.simulator.records import Asset, Task
from runway_mcp.simulator.world import World
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent
from tests.campaign.continuing.films import STEP, levels_of, shown
from tests.campaign.continuing.scenario import Scenario, Verdict, Where, Wish
from tests.campaign.facts import Post

MINUTE = 60.0
"""For so long an upload is looked for before a second one, in seconds."""

# What a list that is read at the last moment may take, in seconds.
_BLUR = 0.5
_MODERATED_OR_FAILED = ("fail", "moderate")


@dataclass
class End:
    """One call: its wish, when it came (seconds of the run), what it was told; nothing if its process was killed.

    One that is not `is_planned` has failed at the read of its source; the tools ask the ledger before that.
    """

    wish: int
    began: float
    is_last: bool = False
    ended: float | None = None
    is_planned: bool = False
    intent: Intent | None = None
    standing: FilmStanding | None = None
    failure: Failure | None = None
    crash: str | None = None

    def __str__(self) -> str:
        """What it was told, in a line."""
        if self.crash or self.failure:
            failure = self.failure
            return self.crash or (f"{failure.kind}, charged {failure.charged}: {failure}" if failure else "")
        step = self.standing and f"{self.standing.step} {self.standing.status}"
        return f"{step}, {self.intent and self.intent.state}"


@dataclass(frozen=True)
class Facts:
    """A run that is over.

    `uploads` are the frames with the POSTs that made them, `films` the joined films by their wishes.
    """

    scenario: Scenario
    world: World
    folder: Path
    posts: list[Post]
    uploads: list[tuple[Asset, Post]]
    ends: list[End]
    films: dict[int, Intent]
    healed: float
    broken: tuple[str, ...]
    killed: tuple[Where, ...]
    met: dict[str, int]


@dataclass
class _Case:
    facts: Facts
    verdict: Verdict = field(default_factory=lambda: Verdict(runs=1))

    def find(self, kind: str, sentence: str) -> None:
        self.verdict.find(self.facts.scenario.seed, kind, sentence)

    def tasks(self, wish: Wish) -> list[Task]:
        """What upstream accepted for a wish."""
        return [task for task in self.facts.world.accepted if task.options["text_prompt"] == wish.prompt]

    def is_shown(self, wish: Wish) -> bool:
        """Whether upstream shows whose a task is, once it has ended: by our own seed, or by its start frame."""
        switches = self.facts.scenario.switches
        return switches["start_frame_told"] or (wish.seed is None and not switches["hidden_seeds"])


def judge(facts: Facts) -> Verdict:
    """The verdict on a run."""
    case = _Case(facts)
    _count(case)
    for sentence in (*facts.broken, *(end.crash for end in facts.ends if end.crash)):
        case.find("broken", sentence)
    _judge_creates(case)
    _judge_uploads(case)
    for number, wish in enumerate(facts.scenario.wishes):
        _judge_end(case, number, wish)
    for end in facts.ends:
        _judge_words(case, end)
    for number in facts.films:
        _judge_film(case, number)
    return case.verdict


def _count(case: _Case) -> None:
    facts, verdict = case.facts, case.verdict
    verdict.calls, verdict.killed = len(facts.ends), len(facts.killed)
    verdict.posts, verdict.accepted = len(facts.posts), len(facts.world.accepted)
    verdict.uploaded = len(facts.uploads)
    verdict.films = len(facts.films)
    verdict.met.update({f"killed {where}": facts.killed.count(where) for where in facts.killed})
    verdict.met.update(facts.met)
    for end in facts.ends:
        told = end.failure.kind if end.failure else (end.standing.status if end.standing else "died with its process")
        verdict.met[f"{'last ' if end.is_last else ''}call told {told}"] += 1


def _judge_creates(case: _Case) -> None:
    for number, wish in enumerate(case.facts.scenario.wishes):
        if len(tasks := case.tasks(wish)) > 1:
            case.find("doubled", f"wish {number} was accepted {len(tasks)} times")
        left = [
            post
            for post in case.facts.posts
            if post.departed is not None and post.body.get("text_prompt") == wish.prompt
        ]
        for earlier, later in pairwise(left):
            if not earlier.refused:
                case.find("repeated", f"POST {later.number} of wish {number} left after POST {earlier.number}")


def _judge_uploads(case: _Case) -> None:
    """A frame is uploaded again only if its last upload did not show for a minute after its POST."""
    of_frame: dict[str, list[tuple[Asset, Post]]] = {}
    for asset, post in sorted(case.facts.uploads, key=lambda each: each[1].departed or 0.0):
        of_frame.setdefault(hashlib.sha256(asset.content or b"").hexdigest(), []).append((asset, post))
    for uploads in of_frame.values():
        for (asset, first), (_, second) in pairwise(uploads):
            case.verdict.again += 1
            late = case.facts.scenario.switches["late_uploads"]
            shows = max(asset.created, min(asset.created + late, case.facts.healed))
            unseen = shows - (first.departed or 0.0)
            if unseen < MINUTE - _BLUR:
                where = f"POST {second.number} uploads again what POST {first.number} did"
                case.find("uploads", f"{where} and showed in {unseen:.1f} s")


def _judge_end(case: _Case, number: int, wish: Wish) -> None:
    """What the last call for a wish came to, beside what upstream made of it."""
    last = next((end for end in reversed(case.facts.ends) if end.wish == number and end.is_last), None)
    tasks = case.tasks(wish)
    if last is None or last.crash is not None:
        return
    if not tasks:
        if number in case.facts.films:
            case.find("lies", f"wish {number} is told as a film that upstream never made")
        elif last.failure is None or last.failure.kind != "submission_unknown":
            is_lost = last.intent is None or not last.intent.posts
            if is_lost or str(last.intent and last.intent.state) != "unknown":
                case.find("lost", f"wish {number} came to nothing: {last}")
        case.verdict.unclear += 1
        return
    outcome = tasks[0].script.outcome
    if outcome in _MODERATED_OR_FAILED:
        return
    if number in case.facts.films:
        return
    if case.is_shown(wish):
        case.find("lost", f"wish {number} was made and ends in: {last}")
    elif last.failure is None and str(last.intent and last.intent.state) != "unknown":
        case.find("lost", f"wish {number} was made, cannot be known, and ends in: {last}")
    else:
        case.verdict.unclear += 1


def _judge_words(case: _Case, end: End) -> None:
    wish = case.facts.scenario.wishes[end.wish]
    made = [task for task in case.tasks(wish) if end.ended is not None and task.created <= end.ended]
    if end.failure is not None and end.is_planned and end.failure.charged == "no" and made:
        case.find("lies", f"a call for wish {end.wish} was told that nothing was charged: {end}")
    is_done = end.standing is not None and end.standing.status == "SUCCEEDED"
    if is_done and (end.intent is None or JoinMade.of(end.intent) is None):
        case.find("lies", f"a call for wish {end.wish} was told of a film that is not joined")


def _judge_film(case: _Case, number: int) -> None:
    assets = list(_chain(case, number))
    sentence, parts = amiss(case.facts.films[number], assets, case.facts.world, case.facts.folder / "data")
    case.verdict.parts += parts
    if sentence is not None:
        case.find("partless", f"wish {number}: {sentence}")


def amiss(intent: Intent, assets: Sequence[Asset | None], world: World, data_dir: Path) -> tuple[str | None, int]:
    """What is amiss with a joined film that should be made of these assets, and how many parts it has.

    It has to show each frame of its parts once, and its parts have to be the stand-in's own files.
    """
    joined, parts = JoinMade.of(intent), parts_of(intent)
    films = [asset.film for asset in assets if asset is not None and asset.film is not None]
    if joined is None or len(films) != len(assets) or len(parts) != len(films):
        return "the film has a part that upstream does not have", len(parts)
    workspace = workspace_of(data_dir, intent.film_id)
    for part, film in zip(parts, films, strict=True):
        path = workspace / part.file
        if not path.is_file() or path.read_bytes() != world.films.render(film):
            return f"{part.file} is not what upstream made", len(parts)
    expected = _expected([levels_of(film) for film in films])
    seen = shown(Path(joined.path)) if Path(joined.path).is_file() else []
    if seen != expected or joined.frames != len(seen):
        return f"the film shows {seen}, not {expected}; told: {joined.frames} frames", len(parts)
    return None, len(parts)


def _chain(case: _Case, number: int) -> Iterable[Asset | None]:
    """The assets that the film of a wish is made of, in order."""
    wish = case.facts.scenario.wishes[number]
    if wish.onto is None:
        yield case.facts.world.assets[wish.clip]
    else:
        yield from _chain(case, wish.onto)
    tasks = case.tasks(wish)
    yield tasks[0].artifacts[0] if tasks and tasks[0].artifacts else None


def _expected(parts: list[tuple[int, ...]]) -> list[int]:
    """The levels of all parts; a picture that the next part shows again goes from the end of the earlier one."""
    levels: list[int] = []
    for number, part in enumerate(parts):
        follows = parts[number + 1] if number + 1 < len(parts) else None
        is_doubled = follows is not None and abs(part[-1] - follows[0]) < STEP
        levels += part[:-1] if is_doubled else part
    return levels
