"""Priced request: what a plan of every kind tells, from which an intent is drafted and by which the policy decides."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runway_mcp.runway.models import Asset, Extension, Task
from runway_mcp.tasks.catalogue import Model
from runway_mcp.tasks.intents import RequestKey, Step, request_key
from runway_mcp.tasks.lineage import Lineage


@dataclass(frozen=True, kw_only=True)
class PricedRequest:
    """A request that can be claimed; `lineage` and `length` (seconds) are those of the resulting film.

    `asked` is the request as the caller made it. `cost` is an estimate in credits; `account` is the e-mail of the
    account that owns the source; `spellings` are known further names of the source. `parent` is the task that made the
    source.
    """

    asked: Extension
    source: Asset
    parent: Task | None
    model: Model
    seconds: int
    cost: int
    lineage: Lineage
    account: str | None
    length: float | None
    spellings: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """Steps that have ended before anything is made: what the plan itself has to tell of its intent."""
        return ()

    def price_of(self, seconds: int) -> int | None:
        """The estimated credits if it added so many seconds; None if no rate is known."""
        raise NotImplementedError

    def rivals(self, caller: str) -> tuple[RequestKey, ...]:  # noqa: ARG002  of a plan that overrides it
        """The keys of the requests with other models that the same call of `caller` may have been taken for."""
        return ()

    @property
    def request(self) -> dict[str, Any]:
        """The options that make it the same request, with the effective seconds."""
        return self.asked.asked() | {"seconds": self.seconds}

    def key(self, caller: str) -> RequestKey:
        """The idempotency keys of the request, made by `caller`."""
        return request_key(
            caller=caller,
            source_asset_id=self.source.asset_id,
            model=self.model.name,
            request=self.request,
            seed=self.asked.seed,
        )


def keys_with_models(
    asked: Extension, source_asset_id: str, models: Iterable[Model], *, caller: str
) -> tuple[RequestKey, ...]:
    """The idempotency keys of a request for a source, with each of some models."""
    return tuple(
        request_key(
            caller=caller,
            source_asset_id=source_asset_id,
            model=model.name,
            request=asked.asked() | {"seconds": asked.seconds or model.seconds[0]},
            seed=asked.seed,
        )
        for model in models
    )
