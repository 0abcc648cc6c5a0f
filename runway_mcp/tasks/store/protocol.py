"""Store: what keeps the ledger, the record of every request to spend; the protocol of every implementation.

Every verb is atomic, also between several processes on one ledger, and reads its time inside its transaction; the
rules that it applies are those of `transitions` and `policy`. Every asynchronous verb raises `LedgerError`.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal, NoReturn, Protocol

from runway_mcp.tasks.intents import Film, Intent, RequestKey, State
from runway_mcp.tasks.policy import FREE, Quote, Spend, SpendPolicy
from runway_mcp.tasks.transitions import Selection

Key = Literal["id", "film_id", "task_id", "callback_token"]
"""A field of an intent that at most one intent has with a given value."""


class LedgerError(Exception):
    """The ledger cannot be read or written; the message says why and what to do.

    `trouble` is the first part of it, one sentence, and `remedy` the second, empty if nothing is known to help.
    """

    def __init__(self, trouble: str, remedy: str = "") -> None:
        super().__init__(f"{trouble} {remedy}".rstrip())
        self.trouble = trouble
        self.remedy = remedy


class Availability(StrEnum):
    """Whether a ledger can be used, as far as that is known without asking it."""

    NEVER = "never"
    """It could not be reached since the start."""
    REACHED = "reached"
    AWAY = "away"
    """It was reached, and could not be when it was used last."""
    UNCONFIRMED = "unconfirmed"
    """It can be read, and has not confirmed what was written last, so nothing can be submitted."""


@dataclass(frozen=True)
class Health:
    """How many requests a whole ledger holds, and how many of them are unclear; `is_checked` unless time ran out."""

    requests: int
    unclear: int
    is_checked: bool = True


@dataclass(frozen=True)
class DatabaseHealth:
    """A database that can be reached and written to: its version, and what it promises of a confirmed write.

    `settings` is one line; `risks` are what could make it forget a confirmed write, one sentence each.
    """

    version: str
    settings: str
    risks: tuple[str, ...] = ()


LEASE_SECONDS: Final = 15.0
"""How long a piece of work stays with a server that tells nothing of itself, in seconds."""


@dataclass(frozen=True)
class Hint:
    """What a server tells the others: to look, or that the POST of an intent was called back or its film joined.

    With the key of an `account` only whoever follows tasks of it need look: what was read of them was told.
    """

    kind: Literal["look", "called", "joined"]
    intent_id: str = ""
    account: str = ""


@dataclass(frozen=True)
class Seen:
    """What a server has read of a task: as JSON, without links, and when that read began, by the store's clock."""

    told: str
    at: float


OnJoin = Callable[[Intent], Awaitable[None]]
"""Is told of a film that another server has joined; must not raise."""


class Replicas(Protocol):
    """What several servers on one ledger agree on, so that one of them does what would be done twice.

    No promise on spending rests on it: leases and permits save work, and what is told here is found in the ledger as
    well. Every asynchronous method raises `LedgerError`.
    """

    async def take(self, name: str, *, seconds: float) -> float:
        """Takes or prolongs the lease of that name; returns 0 once it is this server's, else for how long it is not.

        All take a lease of one name for as many `seconds`. One that would last for more than twice of that is from
        before the clock was set back, and is nobody's; so is a pause that would last longer than `LONGEST_LEASE`.
        """
        ...

    async def give_back(self, name: str, *, pause: float = 0.0) -> None:
        """Ends a lease of this server's; with `pause` nobody has it for so many seconds, `LONGEST_LEASE` at most."""
        ...

    async def tell(
        self, account: str, tasks: Mapping[str, str], *, began: float | None = None, final: Collection[str] = ()
    ) -> None:
        """Keeps what was read of tasks, by id and as JSON, and hints at it those who follow the account.

        `began` is when the read began, by the event loop's clock (None: now): it may be told late, and replaces nothing
        that was read after it, but for what was read by a clock that was set back since. What was told with a `status`
        that is `final` is replaced by its like alone, and replaces everything.
        """
        ...

    async def told(self, account: str, task_ids: Collection[str]) -> Mapping[str, Seen]:
        """What was told last of some tasks, but for those of which this server told last itself."""
        ...

    async def hint(self, hint: Hint) -> None:
        """Tells the other servers, of which each hears it at once, late or never."""
        ...

    async def listen(self, hear: Callable[[Hint], Awaitable[None]]) -> NoReturn:
        """Passes on the hints of other servers until it is cancelled; raises nothing while they cannot be heard."""
        ...


class Store(Protocol):
    """The intents of all callers, kept before anything is spent; whoever opens a store closes it.

    What a caller may see of it is `CallerLedger`.
    """

    @property
    def replicas(self) -> Replicas | None:
        """What servers on other machines agree on; None where all that share the ledger are on this one."""
        return None

    def reach(self) -> Availability:
        """Whether it can be used; answered from memory."""
        return Availability.REACHED

    def now(self) -> float:
        """The store's clock in Unix seconds, to compare with times that it returned."""
        ...

    async def claim(
        self,
        intent: Intent,
        key: RequestKey,
        *,
        policy: SpendPolicy = FREE,
        covers: str = "",
        spellings: Iterable[str] = (),
        rivals: Iterable[RequestKey] = (),
    ) -> tuple[Intent, bool]:
        """Writes the intent unless its request is a duplicate; returns it or the earlier one, and True for the latter.

        Of two calls at the same moment, in one process or two, one writes and the other gets that intent. A refused
        intent, or one left waiting past its lease, is claimed again with its own seed and replyRef; its former holder
        can no longer post for it. A duplicate costs nothing, whatever the policy; else raises `PolicyRefused` if the
        policy does not allow the intent, and writes nothing; only the spends of the intent's caller count. `covers` is
        the key of the arguments that the policy's quote must be for; the quote is spent here. `spellings` are further
        names of the source, `rivals` the keys of requests that the same call may have been taken for, since it
        names no model: of these an intent that no call named the model of answers it as well.
        """
        ...

    async def earlier(self, spelling: str, key_of: Callable[[str, str], RequestKey]) -> Intent | None:
        """The intent of which a request is a duplicate, its source named by any known spelling; None if there is none.

        `key_of` gives the keys of the request for a source's assetId and its model.
        """
        ...

    async def begin_post(self, intent_id: str, claim: str, *, upstream: float | None) -> Intent | None:
        """Marks a waiting intent as posting; None if lease or claim was lost, in which case nothing may be posted.

        Sets `created` to now, since its task cannot be older, however long it waited for a slot. `upstream` is the time
        on upstream's clock, if known.
        """
        ...

    async def keep_waiting(self, intent_id: str, claim: str, *, seconds: float) -> bool:
        """Prolongs the lease of a waiting intent by `seconds`, or with minus `WAITING_LEASE` ends it.

        Returns False if lease or claim was lost.
        """
        ...

    async def answered(
        self,
        intent_id: str,
        claim: str,
        state: State,
        *,
        posts: int,
        looked: bool,
        failure: tuple[str, str] | None = None,
    ) -> Intent | None:
        """Records an answer to an intent's POST that is no task; returns the intent as it then stands.

        `posts` counts the intent's POSTs up to this one. Changes nothing unless `claim` holds the intent, no task has
        been found and no further POST was begun: a late answer says nothing of that one. `looked` says that a complete
        look after the POST found none. The state `WAITING` starts a new lease.
        """
        ...

    async def end_step(self, intent_id: str, claim: str, name: str, made: Mapping[str, Any]) -> Intent | None:
        """Records that a step has ended and what it made, once; None if the claim was lost."""
        ...

    async def withdraw(self, intent_id: str, claim: str, *, failure: tuple[str, str] | None = None) -> None:
        """Releases a waiting intent: refused if it certainly has no task, else unclear.

        `failure` is the kind and message of what made its holder give up; without one it is `busy`. One of the kind
        `submission_unknown` leaves it unclear.
        """
        ...

    async def looked(self, intent: Intent, *, complete: bool, alike: bool = False) -> Intent | None:
        """Records a look that found no task, closes the intent if its time is over; returns it as it then stands.

        `intent` is as it stood when the look began: the look proves nothing about what was posted or answered since.
        `complete` says that the look could read the scheduler and the task list, `alike` that it saw a task which may
        be the intent's. A complete look confirms a refusal, unless it saw one; else the first one after ten minutes
        closes the intent as unknown, and so does a day without any.
        """
        ...

    async def accept(self, intent_id: str, task_id: str, status: str) -> Intent | None:
        """Records the task of an intent and returns the intent; None if another one owns the task.

        An intent that has a task already keeps it.
        """
        ...

    async def observe(
        self, task_id: str, status: str, *, ended: bool, film: Film | None, failure: tuple[str, str] | None
    ) -> Intent | None:
        """Records a task's state; returns the intent that owns the task, None if there is none.

        An end is final, whatever an older read reports later; only a film that appears replaces a success without one,
        or a task that was gone. The uuid of a recorded film names it from then on, unless it names another one.
        """
        ...

    async def orphans(self) -> list[Intent]:
        """Unclear intents, and abandoned ones with a POST of unknown outcome, which become unclear.

        Nothing is posted for them again; a late answer to their holder may still be recorded.
        """
        ...

    async def spends(self, *, caller: str) -> list[Spend]:
        """What counts under a caller's daily cap now, oldest first; see `spend_of`."""
        ...

    async def offer(self, covers: str) -> Quote:
        """Writes and returns a quote for the arguments of the key `covers`, which a later claim may spend."""
        ...

    async def find(self, by: Key, value: str) -> Intent | None:
        """The intent whose field `by` has that value; None if there is none."""
        ...

    async def select(
        self, selection: Selection, *, caller: str | None = None, limit: int | None = None
    ) -> list[Intent]:
        """The intents of a selection, newest first, of one caller or (None) of all; with `limit` that many of them."""
        ...

    async def named(self, uuid: str, *, caller: str, tasks_only: bool = False) -> str | None:
        """What a uuid in lower case names for a caller; None if nothing is known by it.

        The asset, as a source or a film of an intent; else, or at once with `tasks_only`, the task of one of the
        caller's intents; else the task that made the film of that uuid. Assets are the account's, tasks the caller's.
        """
        ...

    async def of_others(self, task_ids: Collection[str], *, caller: str) -> frozenset[str]:
        """Those of some tasks that intents of other callers own."""
        ...
