"""A ledger's clock that a test sets."""

from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.policy import FREE, SpendPolicy
from runway_mcp.tasks.spend.plan import Wish
from runway_mcp.tasks.spend.refusals import arguments_key
from runway_mcp.tasks.store.protocol import Store
from tests.tasks.samples import NOW, intent, plan


class Clock:
    """Unix seconds that pass when a test says so."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


async def claim(ledger: Store, wish: Wish | None = None, *, policy: SpendPolicy = FREE) -> tuple[Intent, bool]:
    """Claims the plan of a wish, as a submit does."""
    asked = plan(wish)
    return await ledger.claim(intent(wish), asked.key, policy=policy, covers=arguments_key(asked))
