"""The next call worth making after a result, with all its arguments; None where only the user can decide.

A call that spends is suggested only to a caller who asked for that very spend; others get a dry run. The searches after
a failure stand here, since the behaviour of a tool names its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from runway_mcp.runway.ids import kind_of
from runway_mcp.server.contract.outputs import NextStep
from runway_mcp.tasks.naming import film_id_in, name_in

WAITS_FOR_FILM = "Waits for the film; reading is free."
"""The reason of the call that waits for a running task."""

# Of a host that gives up early each read brings a state; only the last one brings the film.
_SHORT_WAIT = 5
_AGAIN = "Reads it again after"
_READS_AGAIN = f"{_AGAIN} {{}} s, as long as this host waits; free: repeat until the film is there."


def list_clips(name: str | None = None) -> NextStep:
    """The call that lists the clips and the running tasks; with the `name` of one, those that hold its words."""
    if name is not None:
        reason = "Searches the clips for these words; without query it lists all of them."
        return NextStep(tool="list_assets", arguments={"query": name}, reason=reason)
    reason = "Lists the clips with their assetIds, and the running tasks."
    return NextStep(tool="list_assets", arguments={}, reason=reason)


def search_clips(kind: str, asked: "Asked") -> NextStep | None:
    """The search after a failure of a tool that reads or names a task: for the name not found, else for all."""
    return list_clips(asked.name if kind == "not_found" else None)


def search_extendable(kind: str, asked: "Asked") -> NextStep | None:
    """The search after a failure of a tool that extends: after `invalid_request` only clips that can be extended."""
    if kind != "invalid_request":
        return search_clips(kind, asked)
    reason = "Lists the clips that can be extended, with their assetIds."
    return NextStep(tool="list_assets", arguments={"extendable_only": True}, reason=reason)


def search_account(kind: str, asked: "Asked") -> NextStep | None:
    """The search after a failed listing: without its unknown `email`; None if nothing else can be listed."""
    if kind != "not_found" or "email" not in asked.arguments:
        return None
    arguments = without(asked.arguments, "email")
    return NextStep(tool=asked.tool, arguments=arguments, reason="Lists the linked account, or names them all.")


@dataclass(frozen=True)
class Behaviour:
    """What the next call depends on besides the result: the same for every call of a tool.

    `spends`: a call may spend credits. `waits`: a call takes `wait_seconds`, and without it waits not at all
    (`on_request`) or as long as it may (`by_default`). `search` gives the next call after the failures `not_found` and
    `invalid_request`.
    """

    spends: bool
    waits: Literal["never", "on_request", "by_default"] = "never"
    search: Callable[[str, "Asked"], NextStep | None] = search_clips


EXTENDS = Behaviour(spends=True, waits="by_default", search=search_extendable)
"""The behaviour of `extend_video`."""

READS = Behaviour(spends=False, waits="on_request")
"""The behaviour of `get_task`."""

KEEPS = Behaviour(spends=False)
"""The behaviour of `save_film`."""

VIEWS = Behaviour(spends=False)
"""The behaviour of `view_film`."""

LISTS = Behaviour(spends=False, search=search_account)
"""The behaviour of `list_assets`."""


@dataclass(frozen=True)
class Asked:
    """The call that a result belongs to: tool, arguments as given, and the longest wait for the next, in seconds."""

    tool: str
    arguments: dict[str, Any]
    wait_seconds: int
    behaviour: Behaviour

    @property
    def name(self) -> str | None:
        """The name by which the call names its clip or task; None where it names it otherwise."""
        named = [self.arguments.get(each) for each in ("assetId", "taskId")]
        return next((name_in(each) for each in named if isinstance(each, str)), None)


def follow(task_id: str, asked: Asked) -> NextStep:
    """The call that waits for a running task."""
    short = asked.wait_seconds < _SHORT_WAIT
    return read_of(task_id, _READS_AGAIN.format(asked.wait_seconds) if short else WAITS_FOR_FILM, asked)


def waits_for_film(step: NextStep) -> bool:
    """Whether a call is one that waits for a running task."""
    return step.reason == WAITS_FOR_FILM or step.reason.startswith(_AGAIN)


def link_to(reference: str, asked: Asked) -> NextStep:
    """The call that gives a link to the film that a reference names, as far as it can be found by it."""
    if kind_of(reference) == "task":
        return read_of(reference, "Reads the task, with a fresh link to its film.", asked)
    if (film_id := film_id_in(reference)) is not None:
        return read_of(film_id, "Reads the film, with where it can be had.", asked)
    search = {"query": name} if (name := name_in(reference)) else {}
    return NextStep(tool="list_assets", arguments={**search, "links": True}, reason="Lists clips with fresh links.")


def extend_further(
    asset_id: str, *, seconds: int | None = None, explore: bool = False, longer: Sequence[int] = ()
) -> NextStep:
    """A dry run of the next extension; `seconds` and `explore` repeat what was not the default before.

    `longer` are the steps that a caller could ask for in place of a default, ascending.
    """
    like = ({"seconds": seconds} if seconds else {}) | ({"exploreMode": True} if explore else {})
    reason = f"Prices the next; add a prompt{'' if seconds else longer_in_words(longer)}."
    return NextStep(tool="extend_video", arguments={"assetId": asset_id, **like, "dry_run": True}, reason=reason)


def continue_further(
    film_id: str, model: str, *, seconds: int | None = None, explore: bool = False, longer: Sequence[int] = ()
) -> NextStep:
    """A dry run of the next continuation of a film; the parameters as for `extend_further`."""
    like = ({"seconds": seconds} if seconds else {}) | ({"exploreMode": True} if explore else {})
    arguments = {"assetId": film_id, "model": model, **like, "dry_run": True}
    reason = f"Prices the next part, free; add its text_prompt{'' if seconds else _more(longer)}."
    return NextStep(tool="extend_video", arguments=arguments, reason=reason)


def extend_from(asset_id: str, *, longer: Sequence[int] = ()) -> NextStep:
    """A dry run of an extension, once its words are written from a picture of the clip; `longer` as above."""
    reason = f"Checks and prices the extension, free; add your text_prompt{longer_in_words(longer)}."
    return NextStep(tool="extend_video", arguments={"assetId": asset_id, "dry_run": True}, reason=reason)


def continue_from(asset_id: str, *, step: int, more: str) -> NextStep:
    """A dry run of a continuation, once its words are written from a picture of the clip.

    `step` are the seconds of one that names none; `more` tells in words which others may be asked for.
    """
    added = f"; adds {step} s unless you add `seconds`: {more}"
    reason = f"Prices the continuation, free, and names the model; add your text_prompt{added}."
    return NextStep(tool="extend_video", arguments={"assetId": asset_id, "dry_run": True}, reason=reason)


def longer_in_words(steps: Sequence[int]) -> str:
    """That another step may be asked for; the default is told first."""
    return f"{_more(steps)}, which leads further" if len(steps) > 1 else ""


def _more(steps: Sequence[int]) -> str:
    return f"; adds {steps[0]} s unless you add `seconds`: {' or '.join(map(str, steps[1:]))}" if len(steps) > 1 else ""


def submit(
    asked: Asked,
    asset_id: str,
    cost: int,
    quote: str | None,
    *,
    model: str | None = None,
    at_most: bool = False,
    cheaper: str | None = None,
) -> NextStep:
    """The submit of what a dry run has shown, by the clip's assetId; with `quote` where it must be confirmed.

    `model` is the one that continues the clip; None for an extension. `at_most` says that the cost is an upper bound.
    `cheaper` is the cheapest model, with its price in words, where the caller named none.
    """
    kept = without(asked.arguments, "confirm")
    arguments = kept | ({"model": model} if model else {}) | {"assetId": asset_id, "dry_run": False}
    if quote is not None:
        arguments["confirm"] = quote
    price = f"it spends {'at most' if at_most else 'about'} {cost} credits" if cost else "it spends no credits"
    least = f" For fewer credits put another model: {cheaper}." if cheaper else ""
    words = "" if asked.arguments.get("text_prompt") else "Add a text_prompt that says what happens. "
    return NextStep(
        tool="extend_video", arguments=arguments, reason=f"{words}Submits it, once the user agrees: {price}.{least}"
    )


def earlier_task(task_id: str, asked: Asked) -> NextStep:
    """The read of the task that an earlier submit of the request made."""
    return read_of(task_id, "Reads the task that this request made, free.", asked)


def earlier_film(film_id: str, asked: Asked) -> NextStep:
    """The read of the film that an earlier submit of the request makes or made."""
    return read_of(film_id, "Reads the film that this request made, free.", asked)


def earlier_submit(asked: Asked) -> NextStep:
    """The call that looks for the outcome of an earlier submit that has no task yet."""
    arguments = asked.arguments | {"dry_run": False}
    reason = "Looks for the task of the earlier submit; it never submits a second one."
    return NextStep(tool="extend_video", arguments=arguments, reason=reason)


def without_search(asked: Asked) -> NextStep | None:
    """The same listing without the search that matched nothing; None if it searched for nothing."""
    kept = without(asked.arguments, "query", "extendable_only", "offset")
    if kept == without(asked.arguments, "offset"):
        return None
    reason = "Lists the newest without the search; each says why it can or cannot be extended."
    return NextStep(tool="list_assets", arguments=kept, reason=reason)


def next_page(asked: Asked, offset: int) -> NextStep:
    """The next page of a listing."""
    return NextStep(tool="list_assets", arguments=asked.arguments | {"offset": offset}, reason="Lists the next page.")


def first_page(asked: Asked) -> NextStep:
    """The first page of a listing, after one behind its end."""
    kept = without(asked.arguments, "offset")
    return NextStep(tool="list_assets", arguments=kept, reason="Lists the first page; nothing stands at this offset.")


def save(asset_id: str) -> NextStep:
    """The call that waits until a film is on disk."""
    return NextStep(tool="save_film", arguments={"assetId": asset_id}, reason="Waits until the film is on disk, free.")


def without(arguments: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The arguments of a call but those of these names."""
    return {name: value for name, value in arguments.items() if name not in names}


def read_of(task_id: str, reason: str, asked: Asked) -> NextStep:
    """The read of a task or film, for a reason of the caller's, with the longest wait."""
    return NextStep(tool="get_task", arguments={"taskId": task_id, "wait_seconds": asked.wait_seconds}, reason=reason)
