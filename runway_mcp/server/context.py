"""What handlers may reach: what the lifespan opens, and of it what exists for the caller of a request."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from mcp.server.auth.provider import AccessToken, principal_components
from mcp.server.context import ServerRequestContext

from runway_mcp.films.continuing.continuations import Continuations
from runway_mcp.films.keeper import Keeper
from runway_mcp.films.opening import Films
from runway_mcp.server.contract.next_steps import READS, Asked
from runway_mcp.server.result_cache import ResultCache
from runway_mcp.server.updates.observers import Observers
from runway_mcp.server.updates.subscriptions import Subscriptions
from runway_mcp.server.waits import Waits
from runway_mcp.settings import Settings
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.service import TaskService
from runway_mcp.tasks.store.protocol import Availability
from runway_mcp.telemetry import Meter

_NOT_CONFIGURED = (
    "{why}, so nothing was asked of Runway. The user has to set this environment variable (in the host's configuration "
    "of this server, under `env`) to a token of useapi.net (https://useapi.net/docs/start-here says how to get one), "
    "and restart the server. To try it without a token, run `useapi-runway-mcp demo` in a terminal."
)
_UNSET = "No useapi.net API token is set in USEAPI_TOKEN"
_UNFILLED = "USEAPI_TOKEN holds a ${...} or {env:...} that the host did not fill in"


_MAY_NOT_SPEND = (
    "This access token may read but not spend. The user has to ask whoever runs this server for the scope `spend`; a "
    "dry_run is free and needs no more than this token."
)


class ScopedToken(AccessToken):
    """A verified token whose scopes say what its caller may do; those of any other token bind nothing."""


@dataclass(frozen=True)
class Account:
    """What is open for one useapi.net token, or for none; the fields are those of `Lifespan`."""

    open_service: TaskService | None
    observers: Observers
    keeper: Keeper | None
    continuations: Continuations | None


class Hosted(Protocol):
    """What differs among the callers of a hosted server."""

    def account_of(self, caller: str) -> Account:
        """What is open for a caller."""
        ...

    def settings_of(self, caller: str) -> Settings:
        """The settings that hold for a caller."""
        ...

    def accounts(self) -> tuple[Account, ...]:
        """All that are open."""
        ...


@dataclass(frozen=True)
class _Opened:
    settings: Settings
    open_service: TaskService | None
    now: Callable[[], float]
    subscriptions: Subscriptions
    observers: Observers
    waits: Waits
    films: Films
    keeper: Keeper | None
    continuations: Continuations | None
    result_cache: ResultCache = field(default_factory=ResultCache, kw_only=True)


@dataclass(frozen=True)
class Lifespan(_Opened):
    """What the lifespan opens, shared by all sessions, connections and requests of the process.

    `open_service` is None without a token; `now` gives Unix seconds; `subscriptions` notifies of changes; `observers`
    knows which tasks are observed, `waits` how long hosts let calls run; `films` is what is open for films, and
    `keeper` keeps them on disk, None where none are kept; `continuations` are the films of several parts that are under
    way, None without a token; `result_cache` holds results that stay true. A handler takes none of it but through
    `context_of`, so that no request reaches what exists for another caller.
    """

    hosted: Hosted | None = field(default=None, kw_only=True)
    """What differs among callers; None where all have the same."""
    reach: Callable[[], Availability] = field(default=lambda: Availability.REACHED, kw_only=True)
    """Whether the ledger can be used, as far as that is known."""
    meter: Meter | None = field(default=None, kw_only=True)
    """What takes figures; None where none are wanted."""

    def for_caller(self, caller: str, *, may_spend: bool = True) -> "ServerContext":
        """What exists of it for a caller."""
        account = self.hosted.account_of(caller) if self.hosted else self.own
        return ServerContext(
            self.hosted.settings_of(caller) if self.hosted else self.settings,
            account.open_service.for_caller(caller) if account.open_service else None,
            self.now,
            self.subscriptions,
            account.observers,
            self.waits,
            self.films,
            account.keeper,
            account.continuations,
            result_cache=self.result_cache,
            caller=caller,
            may_spend=may_spend,
        )

    @property
    def own(self) -> Account:
        """What is open for the server's own token."""
        return Account(self.open_service, self.observers, self.keeper, self.continuations)

    def accounts(self) -> tuple[Account, ...]:
        """What is open for each useapi.net token."""
        return self.hosted.accounts() if self.hosted else (self.own,)


@dataclass(frozen=True)
class ServerContext(_Opened):
    """What the handlers of one caller's requests may reach; its fields are those of `Lifespan`."""

    caller: str = field(kw_only=True)
    may_spend: bool = field(default=True, kw_only=True)

    def check_may_spend(self) -> None:
        """Raises the `unauthorized` failure for a caller whose token may not spend."""
        if not self.may_spend:
            raise Failure("unauthorized", _MAY_NOT_SPEND)

    @property
    def service(self) -> TaskService:
        """The task service; raises the `not_configured` failure without a token."""
        if self.open_service is None:
            why = _UNFILLED if self.settings.token_unfilled else _UNSET
            raise Failure("not_configured", _NOT_CONFIGURED.format(why=why))
        return self.open_service

    def reading(self, task_id: str) -> Asked:
        """The `get_task` call that equals reading a task as a resource or by the Tasks extension."""
        return Asked("get_task", {"taskId": task_id}, self.settings.wait_seconds, READS)


RequestContext = ServerRequestContext[Lifespan]
"""What the SDK passes to each handler."""


def context_of(ctx: RequestContext) -> ServerContext:
    """What exists for the caller of a request."""
    may_spend = ctx.request is None or "spend" in scopes_in(ctx.request.scope)
    return ctx.lifespan_context.for_caller(caller_of(ctx), may_spend=may_spend)


def caller_of(ctx: RequestContext) -> str:
    """Who makes a request, by its verified token; empty on stdio, and where no token is asked for."""
    return "" if ctx.request is None else caller_in(ctx.request.scope)


def caller_in(scope: Mapping[str, Any]) -> str:
    """Who makes an HTTP request, by what its checks left in its ASGI scope; empty where no token is asked for."""
    user: Any = scope.get("user")
    return "" if user is None else caller_named(user.access_token)


def scopes_in(scope: Mapping[str, Any]) -> frozenset[str]:
    """What the caller of an HTTP request may do, by what its checks left in its ASGI scope."""
    user: Any = scope.get("user")
    token = None if user is None else user.access_token
    return frozenset(token.scopes if isinstance(token, ScopedToken) else ("read", "spend"))


def caller_named(token: AccessToken) -> str:
    """Whose a verified token is: its `client_id`, unless it names a subject, which many clients may act for."""
    client_id, issuer, subject = principal_components(token)
    return client_id if subject is None else json.dumps([issuer, subject])
