"""Films of several parts in tools that need them whole: the joined film, or the call to make until it is."""

from runway_mcp.films.continuing.steps import JoinMade
from runway_mcp.server.calls.running_call import Call
from runway_mcp.server.contract.arguments import InvalidArguments
from runway_mcp.server.contract.next_steps import follow
from runway_mcp.server.joined_films import joined_of
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent


def joined_or_step(call: Call, film: Intent) -> JoinMade:
    """What the join of a film has made; raises `InvalidArguments` before it, with the call that follows the film."""
    try:
        return joined_of(call.context, film, then=call.asked.tool)
    except Failure as failure:
        raise InvalidArguments(failure.message, follow(film.film_id, call.asked)) from None
