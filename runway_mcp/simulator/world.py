"""The state of the stand-in: accounts, assets, tasks, credits, switches, faults and scripts. Knows no HTTP.

Every answer is a function of the records and of the clock at the time of the call; nothing ticks.
"""

import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from runway_mcp.simulator.api import refusals
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.simulator.links.signing import Signer
from runway_mcp.simulator.media.films import BlankFilms, Films
from runway_mcp.simulator.records import Account, Asset, Task, long_id
from runway_mcp.simulator.switches import Switches, changed
from runway_mcp.simulator.timeline import Script

TOKEN = "user:1234-simulated"  # noqa: S105  the stand-in's own, opens nothing


class World:
    """All state of the stand-in; tests read and write its attributes.

    `clock` gives monotonic seconds. `wall` gives Unix seconds; it is read once, at the start, and dates follow `clock`
    from there. `pace` is how many seconds a task takes without a script. Without `films` the assets' files are blanks.
    The same `seed` gives the same ids.
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
        self.link_faults: list[LinkFault] = []
        self.dead_links: set[str] = set()
        self.scripts: list[Script] = []
        self.requests: Counter[str] = Counter()
        self.accepted: list[Task] = []
        self.charged: Counter[str] = Counter()
        self.reply_url: str | None = None
        self.origin = "http://simulator.invalid"
        self.listeners: list[Callable[[], None]] = []
        self.random = random.Random(seed)  # noqa: S311  ids that repeat from run to run are wanted
        self.signer = Signer(token)
        self._epoch = wall() - clock()

    def now(self) -> float:
        """The seconds of the clock."""
        return self.clock()

    def wall_at(self, moment: float) -> float:
        """The Unix time at this second of the clock."""
        return self._epoch + moment

    def switch(self, **changes: Any) -> None:
        """Sets switches by name; raises `SwitchError`."""
        self.switches = changed(self.switches, changes)
        self.notify()

    def script_next(self, **script: Any) -> None:
        """Queues a script for the next accepted task, with the fields of `Script`."""
        self.scripts.append(Script(**script))

    def notify(self) -> None:
        """Calls every listener, since something may be due earlier than before."""
        for listener in self.listeners:
            listener()

    def new_uuid(self) -> str:
        """The next uuid of the seed."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def task_id(self, task: Task) -> str:
        """The long id of the task."""
        return long_id(self.user_id, task.email, "task", task.uuid)

    def asset_id(self, asset: Asset) -> str:
        """The long id of the asset."""
        return long_id(self.user_id, asset.email, "asset", asset.uuid)

    def account(self, email: str | None) -> Account:
        """The account of this address, or the only one; raises `Refusal`, also for an account in an error state."""
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
        """The credits that the account has spent, less what failed tasks gave back."""
        spent = sum(task.cost for task in self.accepted if task.email == account.email and not self._returned(task))
        return account.used + spent

    def remaining(self, email: str) -> int:
        """The credits that the account can still spend."""
        account = self.accounts[email]
        return account.permitted - self.used(account)

    def running(self, email: str | None = None) -> list[Task]:
        """The unfinished tasks that the scheduler follows, oldest first; of one account, or of all."""
        now = self.now()
        return [
            task
            for task in self.tasks
            if task.followed and not task.ended(now) and (email is None or task.email == email)
        ]

    def find_task(self, task_id: str) -> Task:
        """The task of this id; raises `Refusal` (404)."""
        now = self.now()
        for task in self.tasks:
            if self._named(task_id, task.uuid, self.task_id(task)):
                if task.hidden or (task.by_api and now < task.created + self.switches.brief_404):
                    break
                return task
        raise refusals.not_found()

    def find_asset(self, asset_id: str) -> Asset | None:
        """The asset of this id; None if it is deleted or does not exist yet."""
        now = self.now()
        for asset in self.assets:
            if self._named(asset_id, asset.uuid, self.asset_id(asset)):
                return None if asset.deleted or asset.exists_from > now else asset
        return None

    def list_tasks(self, account: Account, statuses: frozenset[str]) -> list[Task]:
        """The account's tasks that lists show, with one of `statuses` if any are given; ordered by `task_order`."""
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
        """The account's assets that exist now, of one media type or of all; ordered by `asset_order`."""
        now = self.now()
        seen = [
            asset
            for asset in self.assets
            if asset.email == account.email
            and not asset.deleted
            and asset.exists_from <= now
            and not (asset.uploaded and now < asset.created + self.switches.late_uploads)
            and media_type in (None, asset.media_type)
        ]
        return self._ordered(seen, self.switches.asset_order, lambda asset: asset.exists_from)

    def references(self, task: Task) -> dict[str, str]:
        """The task's replyUrl and replyRef, each only if it was given."""
        given = {"replyUrl": task.reply_url, "replyRef": task.reply_ref}
        return {name: value for name, value in given.items() if value is not None}

    def add_asset(self, asset: Asset) -> Asset:
        """Adds the asset and fixes the size of its file; returns it."""
        if asset.content is not None:
            asset.size = len(asset.content)
        elif asset.film is not None:
            asset.size = self.films.size(asset.film)
        self.assets.append(asset)
        return asset

    def known_upload(self, asset: Asset) -> Asset | None:
        """The account's earlier upload of the same bytes."""
        for other in self.assets:
            if other.uploaded and not other.deleted and other.email == asset.email and other.content == asset.content:
                return other
        return None

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
            random.Random(len(seen)).shuffle(seen)  # noqa: S311  an order that is no order, yet repeats
            return seen
        newest_first = sorted(enumerate(seen), key=lambda pair: (key(pair[1]), pair[0]), reverse=True)
        ordered = [each for _, each in newest_first]
        return ordered if order == "newest" else ordered[::-1]
