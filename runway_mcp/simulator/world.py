"""The world behind the stand-in: who has which account, what was made, what runs, and what it cost. Knows no HTTP.

Everything that it tells is a function of its records and its clock at the moment of asking.
"""

import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from runway_mcp.simulator import refusals
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.films import BlankFilms, Films
from runway_mcp.simulator.links import Signer
from runway_mcp.simulator.records import Account, Asset, Task, long_id
from runway_mcp.simulator.switches import Switches, changed
from runway_mcp.simulator.timeline import Script

TOKEN = "user:1234-simulated"  # noqa: S105 - the stand-in's own, opens nothing


class World:
    """Everything the stand-in knows; tests read and write its attributes freely.

    `clock` gives monotonic seconds, `wall` Unix seconds: it is read once, at the start, and dates follow the clock from
    there. `pace` is how many seconds a task takes when no script says otherwise. Without `films` the assets' files are
    blanks. The same `seed` gives the same ids.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        pace: float = 8.0,
        accounts: Iterable[Account] = (),
        switches: Switches | None = None,
        films: Films | None = None,
        token: str = TOKEN,
        seed: int = 1,
    ) -> None:
        self.clock = clock
        self.pace = pace
        self.token = token
        self.user_id = int(token.removeprefix("user:").partition("-")[0])
        self.switches = switches or Switches()
        self.films: Films = films or BlankFilms()
        self.accounts: dict[str, Account] = {account.email: account for account in accounts}
        self.assets: list[Asset] = []
        self.tasks: list[Task] = []
        self.faults: list[Fault] = []
        self.scripts: list[Script] = []
        self.requests: Counter[str] = Counter()
        self.accepted: list[Task] = []
        self.charged: Counter[str] = Counter()
        self.reply_url: str | None = None
        self.origin = "http://simulator.invalid"
        self.listeners: list[Callable[[], None]] = []
        self.random = random.Random(seed)  # noqa: S311 - ids that repeat from run to run are wanted
        self.signer = Signer(token)
        self._epoch = wall() - clock()

    def now(self) -> float:
        """Return the clock's seconds."""
        return self.clock()

    def wall_at(self, moment: float) -> float:
        """Return the Unix time of a moment of the clock."""
        return self._epoch + moment

    def switch(self, **changes: Any) -> None:
        """Turn switches; raises SwitchError."""
        self.switches = changed(self.switches, changes)
        self.notify()

    def script_next(self, **script: Any) -> None:
        """Say how the next accepted task goes (the fields of `Script`); repeated calls queue up."""
        self.scripts.append(Script(**script))

    def notify(self) -> None:
        """Tell whoever listens that something may be due earlier than it was."""
        for listener in self.listeners:
            listener()

    def new_uuid(self) -> str:
        """Return the next uuid."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def task_id(self, task: Task) -> str:
        """Return the task's long id."""
        return long_id(self.user_id, task.email, "task", task.uuid)

    def asset_id(self, asset: Asset) -> str:
        """Return the asset's long id."""
        return long_id(self.user_id, asset.email, "asset", asset.uuid)

    def account(self, email: str | None) -> Account:
        """Return the account of this address, or the only one; raises Refusal."""
        if not email:
            if len(self.accounts) > 1:
                raise refusals.refused(400, "Parameter email is required when several accounts are configured.")
            email = next(iter(self.accounts), "")
        account = self.accounts.get(email)
        if account is None:
            raise refusals.no_configuration(plain=self.switches.plain_404)
        if account.error:
            raise refusals.broken_account(email, account.error)
        return account

    def used(self, account: Account) -> int:
        """Return the credits that the account has spent, less what failures gave back."""
        spent = sum(task.cost for task in self.accepted if task.email == account.email and not self._returned(task))
        return account.used + spent

    def remaining(self, email: str) -> int:
        """Return the credits that the account can still spend."""
        account = self.accounts[email]
        return account.permitted - self.used(account)

    def running(self, email: str | None = None) -> list[Task]:
        """Return the unfinished tasks that the scheduler follows, oldest first."""
        now = self.now()
        return [
            task
            for task in self.tasks
            if task.followed and not task.ended(now) and (email is None or task.email == email)
        ]

    def find_task(self, task_id: str) -> Task:
        """Return the task of this id; raises Refusal (404)."""
        now = self.now()
        for task in self.tasks:
            if self._named(task_id, task.uuid, self.task_id(task)):
                if task.hidden or (task.by_api and now < task.created + self.switches.brief_404):
                    break
                return task
        raise refusals.not_found()

    def find_asset(self, asset_id: str) -> Asset | None:
        """Return the asset of this id if it exists at this time."""
        now = self.now()
        for asset in self.assets:
            if self._named(asset_id, asset.uuid, self.asset_id(asset)):
                return None if asset.deleted or asset.exists_from > now else asset
        return None

    def list_tasks(self, account: Account, statuses: frozenset[str]) -> list[Task]:
        """Return the account's tasks, in the order that the switch asks for."""
        now = self.now()
        seen = [
            task
            for task in self.tasks
            if task.email == account.email
            and not task.hidden
            and (not statuses or task.moment(now).status in statuses)
            and not (task.by_api and now < task.created + self.switches.late_in_lists)
        ]
        return self._ordered(seen, self.switches.task_order, lambda task: task.created)

    def list_assets(self, account: Account, media_type: str | None) -> list[Asset]:
        """Return the account's assets, in the order that the switch asks for."""
        now = self.now()
        seen = [
            asset
            for asset in self.assets
            if asset.email == account.email
            and not asset.deleted
            and asset.exists_from <= now
            and media_type in (None, asset.media_type)
        ]
        return self._ordered(seen, self.switches.asset_order, lambda asset: asset.exists_from)

    def references(self, task: Task) -> dict[str, str]:
        """Return replyUrl and replyRef of the task, each only if it was given."""
        given = {"replyUrl": task.reply_url, "replyRef": task.reply_ref}
        return {name: value for name, value in given.items() if value is not None}

    def add_asset(self, asset: Asset) -> Asset:
        """Put the asset into the world; its file's size is fixed here."""
        if asset.content is not None:
            asset.size = len(asset.content)
        elif asset.film is not None:
            asset.size = self.films.size(asset.film)
        self.assets.append(asset)
        return asset

    def _named(self, given: str, uuid: str, long: str) -> bool:
        return given == long or (self.switches.bare_ids and given == uuid)

    def _returned(self, task: Task) -> bool:
        if not task.ended(self.now()):
            return False
        if task.script.outcome == "moderate":
            return self.switches.refund_moderated
        return task.script.outcome == "fail" and self.switches.refund_failed

    def _ordered(self, seen: list[Any], order: str, key: Callable[[Any], float]) -> list[Any]:
        if order == "shuffled":
            random.Random(len(seen)).shuffle(seen)  # noqa: S311 - an order that is no order, yet repeats
            return seen
        newest_first = sorted(enumerate(seen), key=lambda pair: (key(pair[1]), pair[0]), reverse=True)
        ordered = [each for _, each in newest_first]
        return ordered if order == "newest" else ordered[::-1]
