"""The results of a call, in each shape that tools share: with the call's remarks, and with the cap of a day."""

from dataclasses import replace
from typing import TypeVar

from mcp_types import CallToolResult

from runway_mcp.films.places import SavedFilm
from runway_mcp.server.calls.running_call import Call
from runway_mcp.server.calls.spending import day_of
from runway_mcp.server.contract.outputs import AssetsOutput, NextStep, SaveOutput, TaskOutput
from runway_mcp.server.contract.results.assets import saved_output
from runway_mcp.server.contract.results.day_cap import with_day
from runway_mcp.server.contract.results.film_parts import film_of_intent
from runway_mcp.server.contract.results.pictures import picture_failure
from runway_mcp.server.contract.results.tasks import assets_failure, failure_output, save_failure
from runway_mcp.server.contract.results.tool_results import assets_result, save_result, task_result
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent

_Output = TypeVar("_Output", TaskOutput, AssetsOutput, SaveOutput)

REFUSED_NOW = "Nothing was submitted, and the real call would be refused now."
"""What a dry run says first whose price the caps refuse."""

PLAYER_FOLLOWS = "The player shown to the user follows it to its end, and there is no need to wait for that."
"""What a call says that ends early, since a player shows the rest."""


async def answer_task(call: Call, output: TaskOutput) -> CallToolResult:
    """The result of a call about a task, with how the cap of a day stands."""
    output = _remarked(call, output)
    if call.context.open_service is not None:
        output = with_day(output, await day_of(call.context))
    return task_result(output, links=call.context.settings.resource_links)


async def fail_task(call: Call, failure: Failure, step: NextStep | None) -> CallToolResult:
    """The failure of a call about a task; `step` replaces the next call that its kind would give."""
    output = failure_output(await _own(call, failure), call.asked, step=step)
    film = film_of_intent(failure.intent)
    if film is not None:
        output = output.model_copy(update={"film": film})
    return await answer_task(call, await _with_file(call, output, failure.intent))


async def _with_file(call: Call, output: TaskOutput, intent: Intent | None) -> TaskOutput:
    """The output with where the film of an own request lies on disk, which outlives its deletion at Runway."""
    keeper, caller = call.context.keeper, call.context.caller
    if keeper is None or intent is None or intent.film is None or intent.caller != caller:
        return output
    place = await keeper.place(intent.film.asset_id, caller)
    return output.model_copy(update={"saved": saved_output(place)}) if isinstance(place, SavedFilm) else output


async def fail_picture(call: Call, failure: Failure, step: NextStep | None) -> CallToolResult:
    """The failure of a look at a film, as text alone; `step` as in `fail_task`."""
    return picture_failure(_remarked(call, failure_output(await _own(call, failure), call.asked, step=step)))


async def answer_assets(call: Call, output: AssetsOutput) -> CallToolResult:
    """The result of a listing."""
    return assets_result(_remarked(call, output), links=call.context.settings.resource_links)


async def fail_assets(call: Call, failure: Failure, step: NextStep | None) -> CallToolResult:
    """The failure of a listing; `step` as in `fail_task`."""
    return await answer_assets(call, assets_failure(failure, call.asked, step=step))


async def answer_save(call: Call, output: SaveOutput) -> CallToolResult:
    """The result of keeping a film."""
    return save_result(_remarked(call, output), links=call.context.settings.resource_links)


async def fail_save(call: Call, failure: Failure, step: NextStep | None) -> CallToolResult:
    """The failure of keeping a film; `step` as in `fail_task`."""
    return await answer_save(call, save_failure(failure, call.asked, step=step))


async def _own(call: Call, failure: Failure) -> Failure:
    """The failure without running tasks that exist for other callers alone: the refusal of a read may name any."""
    if not failure.running:
        return failure
    return replace(failure, running=await call.context.service.ledger.shown(failure.running))


def _remarked(call: Call, output: _Output) -> _Output:
    return output.model_copy(update={"summary": f"{output.summary} {call.note}"}) if call.note else output
