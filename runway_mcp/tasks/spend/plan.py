"""Plan of an extension before anything is spent: the clip, its model, the price and the resulting lineage."""

from dataclasses import dataclass

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import NotFound, RunwayError
from runway_mcp.runway.ids import account_of, checked_id, kind_of
from runway_mcp.runway.models import Asset, Extension, Submission, Task
from runway_mcp.tasks.catalogue import MODELS, FilmModel
from runway_mcp.tasks.failures import Failure, failure_of, task_failure
from runway_mcp.tasks.intents import GENERATED_REFERENCE, RequestKey, normalized, request_key
from runway_mcp.tasks.lineage import LENGTH_TOLERANCE, Lineage, judge, price, reach


@dataclass(frozen=True)
class Wish:
    """An extension as the caller requested it; `asset_id` may be a succeeded task's id; None means not given.

    The prompt is normalized; a replyRef that this server generated counts as not given. `spelling` is the caller's name
    for the clip if that was neither its id nor its task's.
    """

    asset_id: str
    text_prompt: str | None = None
    seconds: int | None = None
    seed: int | None = None
    explore_mode: bool = False
    reply_url: str | None = None
    reply_ref: str | None = None
    max_jobs: int | None = None
    spelling: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text_prompt", normalized(self.text_prompt))
        if (self.reply_ref or "").startswith(GENERATED_REFERENCE):
            object.__setattr__(self, "reply_ref", None)


@dataclass(frozen=True)
class Plan:
    """A request that can be submitted; `lineage` and `length` (seconds) are those of the resulting film.

    `cost` is an estimate in credits; `account` is the e-mail of the account that owns the clip; `spellings` are known
    further names of the clip.
    """

    wish: Wish
    source: Asset
    parent: Task
    model: FilmModel
    seconds: int
    cost: int
    submission: Submission
    lineage: Lineage
    account: str | None
    length: float | None
    spellings: tuple[str, ...] = ()

    @property
    def key(self) -> RequestKey:
        """The idempotency keys of the request."""
        return key_of(self.wish, self.source.asset_id, self.model.task_type)


def key_of(wish: Wish, source_asset_id: str, model: str) -> RequestKey:
    """The idempotency keys of a request for a clip of that model (a task type)."""
    known = MODELS.get(model)
    return request_key(
        source_asset_id=source_asset_id,
        text_prompt=wish.text_prompt,
        seconds=wish.seconds or (known.seconds[0] if known else 0),
        model=model,
        explore_mode=wish.explore_mode,
        seed=wish.seed,
    )


async def make_plan(client: RunwayClient, wish: Wish, *, patience: float | None = None) -> Plan:
    """Reads the clip and the task that made it, and refuses what Runway would refuse, at no cost.

    `patience` is in seconds, for each read. Raises `Failure`: `invalid_request` for a clip that cannot be extended or
    for impossible seconds, else the failure of a read.
    """
    try:
        source, parent = await _source(client, wish.asset_id, patience)
    except RunwayError as error:
        raise failure_of(error) from error
    verdict = judge(source, parent)
    if verdict.extendable != "yes" or verdict.model is None or parent is None:
        # Only a film at the end of its chain has earlier films that may be extended instead.
        instead = None if verdict.model is None else await _nearest_existing(client, parent, patience)
        alone = "; no film before it was found on Runway, so choose another clip" if instead == "" else ""
        raise Failure("invalid_request", f"This clip cannot be extended: {verdict.reason}{alone}.", instead=instead)
    model, count = verdict.model, (verdict.extended_count or 0) + 1
    seconds = _seconds(wish, model)
    length = source.metadata.duration if source.metadata else None
    _check_length(model, length, seconds)
    grown, left = None if length is None else length + seconds, model.max_extensions - count
    longest = reach(model, grown, left, explore=wish.explore_mode)
    return Plan(
        wish=wish,
        source=source,
        parent=parent,
        model=model,
        seconds=seconds,
        cost=price(model, seconds, explore=wish.explore_mode),
        submission=extension_of(wish, source.asset_id, model, seconds),
        lineage=Lineage(source.asset_id, count, left, seconds, source.name, longest),
        account=account_of(source.asset_id),
        length=grown,
        spellings=_spellings(source, parent, wish),
    )


def extension_of(wish: Wish, asset_id: str, model: FilmModel, seconds: int) -> Submission:
    """The request that the model's endpoint takes; its seed, replyRef and replyUrl are the intent's to give.

    Raises `InvalidRequest` for a malformed id, which upstream may have reported.
    """
    fields = {
        "endpoint": model.endpoint,
        "asset_id": checked_id(asset_id, "assetId"),
        "text_prompt": wish.text_prompt,
        "seconds": seconds if model.chooses_seconds else None,
        "explore_mode": wish.explore_mode or None,
        "max_jobs": wish.max_jobs,
    }
    return Extension.model_validate(fields)


def _spellings(source: Asset, parent: Task, wish: Wish) -> tuple[str, ...]:
    """Further names of a clip: the caller's, and the task that made it unless the clip is another film of that task."""
    first = parent.artifacts[0].asset_id if parent.artifacts else None
    is_first = first == source.asset_id or kind_of(wish.asset_id) == "task"
    return (*((parent.task_id,) if is_first else ()), *((wish.spelling,) if wish.spelling else ()))


async def _source(client: RunwayClient, reference: str, patience: float | None) -> tuple[Asset, Task | None]:
    if kind_of(reference) == "task":
        task = await client.task(reference, patience=patience)
        return _film_of(task), task
    asset = await client.asset(reference, patience=patience)
    if asset.task_id is None:
        return asset, None
    try:
        return asset, await client.task(asset.task_id, patience=patience)
    except NotFound:
        return asset, None


async def source_of(client: RunwayClient, task: Task | None, *, patience: float | None) -> Asset | None:
    """The film that a task's film was extended from, as its own task reports it; None if it cannot be read."""
    before = task.options.extended_from_task_id if task else None
    try:
        films = (await client.task(before, patience=patience)).artifacts if before else ()
    except RunwayError:
        return None
    if not films:
        return None
    return films[0] if films[0].task_id else films[0].model_copy(update={"task_id": before})


async def _nearest_existing(client: RunwayClient, task: Task | None, patience: float | None) -> str:
    """The nearest earlier film in the chain that still exists; empty if there is none or it cannot be read."""
    for _ in range(max(model.max_extensions for model in MODELS.values())):
        film = await source_of(client, task, patience=patience)
        if film is None:
            break
        try:
            return (await client.asset(film.asset_id, patience=patience)).asset_id
        except NotFound:
            pass
        except RunwayError:
            break
        try:
            task = await client.task(film.task_id or "", patience=patience)
        except RunwayError:
            break
    return ""


def _film_of(task: Task) -> Asset:
    if not task.is_terminal:
        message = f"The task is {task.status}; its film can be extended once it is finished. Follow it with get_task."
        raise Failure("invalid_request", message, task=task)
    if task_failure(task) is not None:
        message = f"The task ended as {task.status} without a film, so there is nothing to extend."
        raise Failure("invalid_request", message)
    film = task.artifacts[0]
    return film if film.task_id else film.model_copy(update={"task_id": task.task_id})


def _seconds(wish: Wish, model: FilmModel) -> int:
    if wish.seconds is None:
        return model.seconds[0]
    if len(model.seconds) == 1 and wish.seconds not in model.seconds:
        message = f"seconds: a {model.title} clip always gains {model.seconds[0]} s; leave `seconds` out."
        raise Failure("invalid_request", message, about="seconds")
    if wish.seconds not in model.seconds:
        allowed = " or ".join(map(str, model.seconds))
        raise Failure("invalid_request", f"seconds: a {model.title} clip can gain {allowed} s.", about="seconds")
    return wish.seconds


def _check_length(model: FilmModel, length: float | None, seconds: int) -> None:
    if length is None or length + seconds <= model.max_seconds + LENGTH_TOLERANCE:
        return
    fitting = [choice for choice in model.seconds if length + choice <= model.max_seconds + LENGTH_TOLERANCE]
    way_on = f"ask for {max(fitting)} s" if fitting else "no extension fits any more"
    message = (
        f"seconds: the clip is {length:.1f} s long and {model.title} films end at {model.max_seconds} s, "
        f"so {seconds} s more do not fit; {way_on}."
    )
    raise Failure("invalid_request", message, about="seconds" if fitting else None)
