"""What the contract suite does with a store again and again."""

from runway_mcp.runway.models import Extension
from runway_mcp.tasks.intents import Intent, State
from runway_mcp.tasks.store.protocol import Store
from tests.kit.clock import EPOCH
from tests.kit.samples import clip, extension
from tests.tasks.claims import claim

OTHER = extension(asset_id=clip().asset_id, seed=7)


async def claimed(store: Store, wish: Extension | None = None) -> Intent:
    """A new intent without a POST."""
    made, is_earlier = await claim(store, wish)
    assert not is_earlier
    return made


async def posted(store: Store, wish: Extension | None = None) -> Intent:
    """A new intent whose POST is out."""
    made = await claimed(store, wish)
    posting = await store.begin_post(made.id, made.claim, upstream=EPOCH)
    assert posting is not None
    return posting


async def standing_of(store: Store, made: Intent) -> Intent:
    """The intent as it stands."""
    standing = await store.find("id", made.id)
    assert standing is not None
    return standing


async def state_of(store: Store, made: Intent) -> State:
    """The state as it stands."""
    return (await standing_of(store, made)).state
