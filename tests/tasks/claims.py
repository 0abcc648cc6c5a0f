"""Claims in a ledger, as a submit makes them."""

from runway_mcp.runway.models import Extension
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.policy import FREE, SpendPolicy
from runway_mcp.tasks.spend.refusals import arguments_key
from runway_mcp.tasks.store.protocol import Store
from tests.kit.samples import intent, plan


async def claim(
    ledger: Store, wish: Extension | None = None, *, policy: SpendPolicy = FREE, caller: str = ""
) -> tuple[Intent, bool]:
    """Claims the plan of a wish, as a submit of that caller does."""
    asked = plan(wish)
    wanted = intent(wish, caller=caller)
    return await ledger.claim(wanted, asked.key(caller), policy=policy, covers=arguments_key(asked, caller))
