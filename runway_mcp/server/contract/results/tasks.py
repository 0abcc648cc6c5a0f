"""Tasks, plans, intents and failures as structured content; what is unknown is left out.

Charges are those that `tasks.failures` decided; lineage, prices and verdicts those of `tasks.lineage`.
"""

from runway_mcp.films.continuing.steps import is_continuation
from runway_mcp.runway.models import Asset, Credits, Task
from runway_mcp.server.contract import next_steps
from runway_mcp.server.contract.after_failures import after_failure, fewer_seconds
from runway_mcp.server.contract.next_steps import EXTENDS, Asked
from runway_mcp.server.contract.outputs import (
    AssetsOutput,
    NextStep,
    QuoteOutput,
    SaveOutput,
    TaskOutput,
)
from runway_mcp.server.contract.results.alternatives import cheaper_than_extension, other_steps_of_extension
from runway_mcp.server.contract.results.assets import cut, video
from runway_mcp.server.contract.results.film_parts import film_of_intent, part_told, same_call
from runway_mcp.server.contract.results.shared import (
    LOOK,
    OTHER_TAKE,
    UNTOLD_LENGTH,
    candidate_output,
    credits_in_words,
    credits_output,
    error_output,
    explore_plan,
    lineage_output,
    submitted_facts,
    submitted_on,
)
from runway_mcp.server.contract.results.text import LONGEST_NAME, by_steps, first_sentence, in_quotes, seconds, standing
from runway_mcp.server.contract.uris import task_uri
from runway_mcp.tasks.catalogue import MODELS
from runway_mcp.tasks.failures import Failure, failed, task_failure
from runway_mcp.tasks.intents import Intent, State, normalized
from runway_mcp.tasks.lineage import Lineage, cost_of, lineage_of
from runway_mcp.tasks.policy import Quote
from runway_mcp.tasks.recall import as_submitted, date_of
from runway_mcp.tasks.spend.plan import Plan
from runway_mcp.tasks.spend.reconcile import outcome_failure

# The model of the clips whose seconds a caller may choose.
_CHOOSER = MODELS["gen3a"]
_FILM_READY, _LONGER_READY = "The film is ready", "The longer film is ready"
_PAID_THEN = ", already charged"
LONGEST_PROMPT = 10_000
"""The most characters of a prompt that no call of ours gave."""

_NAMED_TASKS = 3
_CANDIDATES = 5


def task_output(
    task: Task,
    asked: Asked,
    *,
    intent: Intent | None = None,
    source: Asset | None = None,
    balance: Credits | None = None,
    twin: bool = False,
) -> TaskOutput:
    """A task as structured content, with its film, its failure or the call that waits for its end.

    `intent` supplies what upstream leaves out of a submitted task; `source` is what any other task extends;
    `balance` is the one in the submit's answer, left out after a failure, since credits may have come back.
    """
    failure = task_failure(task)
    lineage = _lineage_of(task, intent, source)
    films = [video(artifact) for artifact in task.artifacts] if task.status == "SUCCEEDED" else []
    # Only extensions are this server's spends, and what failed may have cost nothing.
    is_spend = failure is None and lineage is not None and lineage.extended_count > 0
    is_spend = is_spend or (failure is None and intent is not None and is_continuation(intent))
    cost = 0 if twin else _cost(task, intent) if is_spend or not task.is_terminal else None
    paid = (
        None if cost is None else f"{credits_in_words(cost)}{_PAID_THEN if cost and not asked.behaviour.spends else ''}"
    )
    output = TaskOutput(
        summary=_task_summary(task, failure, lineage, None if twin else paid, since=intent if twin else None),
        status=task.status,
        task_id=task.task_id,
        task_uri=task_uri(task.task_id),
        progress=task.progress,
        estimated_seconds_to_start=None if task.is_terminal else task.estimated_seconds_to_start,
        model=task.task_type or (intent.task_type if intent else None),
        created_at=task.created_at,
        text_prompt=_prompt(task, intent),
        seed=task.options.seed or (intent.seed if intent else None),
        reply_ref=task.reply_ref or (intent.reply_ref if intent else None),
        video=films[0] if films else None,
        more_videos=films[1:] or None,
        lineage=lineage_output(lineage, failed=failure is not None, name=films[0].name if films else None),
        credits=credits_output(cost, None if failure else balance),
        twin=twin or None,
        # Reading a task is safe to repeat, whatever its end.
        error=error_output(failure, harmless=not asked.behaviour.spends) if failure else None,
        next_step=_task_step(task, failure, lineage, asked),
    )
    return part_told(output, intent, task, asked)


def _prompt(task: Task, intent: Intent | None) -> str | None:
    """The prompt of a task, as its caller gave it where that is known; another's is cut."""
    told, given = task.options.text_prompt, intent.text_prompt if intent else None
    return given if given and normalized(told) in (None, given) else cut(told, LONGEST_PROMPT) or None


def earlier_output(intent: Intent, asked: Asked) -> TaskOutput:
    """The dry run of a request that was submitted before: the real call would submit and charge nothing.

    Raises `Failure` for one that moderation refused.
    """
    if intent.state is State.REFUSED:
        raise failed(intent.failure_kind or "moderated", intent.failure_message or "", twin=True)
    model = MODELS.get(intent.task_type)
    count = intent.extended_count
    left = max(0, model.max_extensions - count) if model and count is not None else 0
    facts = submitted_facts(intent) | {"created_at": None}
    if intent.task_id is not None:
        step = next_steps.earlier_task(intent.task_id, asked)
    else:
        step = next_steps.earlier_submit(asked)
    return TaskOutput(
        summary=f"Nothing was submitted, and the real call would charge nothing: {submitted_on(intent)} {OTHER_TAKE}",
        status="DRY_RUN",
        **facts,
        lineage=lineage_output(
            None if count is None else Lineage(intent.source_asset_id, count, left, intent.seconds, intent.source_name)
        ),
        credits=credits_output(0, None),
        twin=True,
        next_step=step,
    )


def intent_output(intent: Intent, wait_seconds: int) -> TaskOutput:
    """A submit as the ledger remembers it: its task as last seen, or that its outcome is unclear."""
    asked = Asked("extend_video", same_call(intent), wait_seconds, EXTENDS)
    unclear = outcome_failure(intent)
    remembered = TaskOutput(
        summary=first_sentence(unclear.message),
        status=intent.status,
        **submitted_facts(intent),
        film=film_of_intent(intent),
        credits=credits_output(intent.cost, None),
        error=error_output(unclear),
        next_step=after_failure(unclear, asked) if intent.is_final else None,
    )
    if intent.task_id is None:
        return remembered
    known = {
        "summary": "Submitted before; read the task to see where it stands.",
        "task_id": intent.task_id,
        "task_uri": task_uri(intent.task_id),
        "error": None,
        "next_step": next_steps.follow(intent.film_id if remembered.film else intent.task_id, asked),
    }
    return remembered.model_copy(update=known)


def plan_output(
    plan: Plan,
    balance: Credits | None,
    *,
    quote: Quote | None = None,
    step: NextStep | None = None,
    explored: Intent | None = None,
) -> TaskOutput:
    """A dry run: what the extension would be and cost; `step` submits it, `explored` is a film made in explore mode.

    If the credits do not suffice, the next step prices the most seconds that they suffice for, if any.
    """
    asked, remaining = plan.asked, balance.remaining if balance else None
    if step is not None and remaining is not None and remaining < plan.cost:
        step = fewer_seconds(plan.model, step.arguments, plan.seconds, remaining)
    return TaskOutput(
        summary=_plan_summary(plan, remaining, explored),
        status="DRY_RUN",
        model=plan.model.task_type,
        text_prompt=asked.text_prompt,
        seed=asked.seed,
        reply_ref=asked.reply_ref,
        lineage=lineage_output(plan.lineage),
        credits=credits_output(plan.cost, balance),
        quote=QuoteOutput(id=quote.id, expires_at=quote.expires_at) if quote else None,
        next_step=step,
    )


def failure_output(
    failure: Failure, asked: Asked, *, step: NextStep | None = None, balance: Credits | None = None
) -> TaskOutput:
    """A failure of `extend_video` or `get_task`; `step` replaces the next call that its kind would give."""
    if failure.kind == "insufficient_credits" and balance is not None and balance.remaining is not None:
        wanted = asked.arguments.get("seconds") or 0
        step = step or fewer_seconds(_CHOOSER, asked.arguments, wanted, balance.remaining)
    submitted = failure.task.task_id if failure.task and failure.charged != "no" else None
    if submitted is None and failure.twin and failure.intent is not None:
        submitted = failure.intent.task_id
    cost = failure.intent.cost if failure.intent else None
    return TaskOutput(
        summary=_failure_summary(failure, asked, balance),
        **submitted_facts(failure.intent),
        task_id=submitted,
        task_uri=task_uri(submitted) if submitted else None,
        credits=credits_output(0 if failure.twin else cost if failure.charged == "no" else None, balance),
        twin=failure.twin or None,
        candidates=[candidate_output(task) for task in failure.candidates[:_CANDIDATES]] or None,
        error=error_output(failure),
        next_step=step or after_failure(failure, asked),
    )


def assets_failure(failure: Failure, asked: Asked, *, step: NextStep | None = None) -> AssetsOutput:
    """A failure of `list_assets`; `step` as in `failure_output`."""
    return AssetsOutput(
        summary=first_sentence(failure.message),
        error=error_output(failure),
        next_step=step or after_failure(failure, asked),
    )


def save_failure(failure: Failure, asked: Asked, *, step: NextStep | None = None) -> SaveOutput:
    """A failure of `save_film`; `step` as in `failure_output`."""
    return SaveOutput(
        summary=first_sentence(failure.message),
        error=error_output(failure),
        next_step=step or after_failure(failure, asked),
    )


def _task_summary(
    task: Task, failure: Failure | None, lineage: Lineage | None, paid: str | None, *, since: Intent | None
) -> str:
    """Where the task stands; `paid` is its cost in words, `since` the earlier intent that answers a duplicate."""
    if since is None:
        return _standing_summary(task, failure, lineage, paid)
    if failure is None and task.is_terminal:
        film = _standing_summary(task, failure, lineage, paid).removeprefix(_FILM_READY).removeprefix(_LONGER_READY)
        then = f" It cost about {since.cost} credits then." if since.cost else ""
        return f"Nothing new was made or charged: this is the film of {date_of(since)}{film}{then} {OTHER_TAKE}"
    told = _standing_summary(task, failure, lineage, paid)
    once = f" It costs about {since.cost} credits, once." if since.cost and failure is None else ""
    return f"Nothing new was submitted or charged: {submitted_on(since)} {told}{once}"


def _standing_summary(task: Task, failure: Failure | None, lineage: Lineage | None, paid: str | None) -> str:
    if failure is not None:
        return first_sentence(failure.message)
    if not task.is_terminal:
        submitted = f"Submitted once, for {paid}. " if paid is not None and not paid.endswith(_PAID_THEN) else ""
        return f"{submitted}The task is {standing(task)}."
    metadata = task.artifacts[0].metadata
    length = f", {seconds(metadata.duration)} long" if metadata and metadata.duration else ""
    if lineage is None or not lineage.extended_count:
        return f"{_FILM_READY}{length}."
    count, most = lineage.extended_count, lineage.extended_count + lineage.extensions_left
    price = f" for {paid}" if paid is not None else ""
    end = " It is complete: no extension is left; only a model can continue it." if not lineage.extensions_left else ""
    return f"{_LONGER_READY}{length}: extension {count} of {most}, {lineage.added_seconds} s added{price}.{end}"


def _plan_summary(plan: Plan, remaining: int | None, explored: Intent | None) -> str:
    length = plan.source.metadata.duration if plan.source.metadata else None
    name = f" {in_quotes(plan.source.name, LONGEST_NAME)}" if plan.source.name else ""
    clip = f"the {seconds(length)} {plan.model.title} clip{name}" if length else f"the {plan.model.title} clip{name}"
    count, left = plan.lineage.extended_count, plan.lineage.extensions_left
    short = " That is more than the account has." if remaining is not None and remaining < plan.cost else ""
    free = "" if plan.cost else explore_plan(explored)
    look = "" if plan.asked.text_prompt else f" {LOOK}"
    ways = cheaper_than_extension(plan, has_plan=explored is not None) + other_steps_of_extension(plan)
    return (
        f"Nothing was submitted. Adding {plan.seconds} s to {clip} would cost "
        f"{credits_in_words(plan.cost, remaining)} and be extension {count} of {count + left}; {_left(plan)}."
        f"{short}{free}{ways}{look}"
    )


def _left(plan: Plan) -> str:
    """How the film would stand afterwards, and how far it could still be extended."""
    left, longest = plan.lineage.extensions_left, plan.lineage.longest
    then = (
        f"the film would then be {seconds(plan.length)} long{_longer_now(plan)}"
        if plan.length
        else f"the film would then be longer ({UNTOLD_LENGTH})"
    )
    if not left:
        return f"{then} and complete: no extension is left, only a model can continue it"
    more = f"{then}, with {left} more extension{'' if left == 1 else 's'} left"
    if longest is None or plan.length is None or longest.seconds <= plan.length:
        return more
    price = (
        f" for about {longest.cost} credits more" if longest.cost else "" if plan.cost else ", for no credits either"
    )
    return f"{more}, up to {seconds(longest.seconds)}{price}{by_steps(plan.length, longest.seconds, left)}"


def _longer_now(plan: Plan) -> str:
    """That another choice of seconds would make this extension longer, if one would fit."""
    if plan.length is None:
        return ""
    fitting = {each: plan.length + each - plan.seconds for each in plan.model.seconds if each > plan.seconds}
    longest = max((each for each, length in fitting.items() if length <= plan.model.max_seconds), default=None)
    return f" ({seconds(fitting[longest])} with `seconds`: {longest})" if longest else ""


def _lineage_of(task: Task, intent: Intent | None, source: Asset | None) -> Lineage | None:
    measures = task.artifacts[0].metadata if task.artifacts else None
    return lineage_of(
        task if intent is None else as_submitted(task, intent),
        intent.source_asset_id if intent else source.asset_id if source else None,
        intent.source_name if intent else source.name if source else None,
        measures.duration if measures else None,
    )


def _failure_summary(failure: Failure, asked: Asked, balance: Credits | None) -> str:
    tells_charge = asked.behaviour.spends and not failure.twin
    uncharged = "Nothing was charged." if failure.charged == "no" and tells_charge else None
    remaining = balance.remaining if balance else None
    left = f"The account has {remaining} credits left." if remaining is not None else None
    since = failure.intent if failure.twin and failure.kind not in ("not_found", "unavailable") else None
    before = f"Nothing new was submitted or charged: {submitted_on(since)}" if since else None
    own_cap = asked.arguments.get("maxJobs") if failure.kind == "busy" else None
    capped = f"This call asked to be refused while {own_cap} run (maxJobs)." if own_cap else None
    return _sentences(before, first_sentence(failure.message), capped, left, _named(failure), uncharged)


def _named(failure: Failure) -> str | None:
    """The running tasks that hold the account's slots."""
    if not failure.running:
        return None
    names = [task.task_id for task in failure.running[:_NAMED_TASKS]]
    rest = len(failure.running) - len(names)
    return f"Running: {', '.join(names)}{f' and {rest} more' if rest else ''}."


def _sentences(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)


def _task_step(task: Task, failure: Failure | None, lineage: Lineage | None, asked: Asked) -> NextStep | None:
    if failure is not None:
        return after_failure(failure, asked)
    if not task.is_terminal:
        return next_steps.follow(task.task_id, asked)
    if lineage is None or not lineage.extensions_left:
        return None
    model = MODELS.get(task.task_type or "")
    is_default = not lineage.extended_count or model is None or lineage.added_seconds == model.seconds[0]
    seconds = None if is_default else lineage.added_seconds
    explore = bool(lineage.extended_count and task.options.explore_mode)
    steps = model.seconds if model else ()
    return next_steps.extend_further(task.artifacts[0].asset_id, seconds=seconds, explore=explore, longer=steps)


def _cost(task: Task, intent: Intent | None) -> int | None:
    estimate = cost_of(task)
    return intent.cost if estimate is None and intent else estimate
